"""How often are two equal prompts called different, when rows repeat?

    python benchmarks/repeated_rows.py [--sequences 4000]

50 test rows with fewer and fewer distinct inputs. A model answers equal inputs alike, so the rows
of one input gain or lose together. The interval of decide/comparison.py is taken over all rows, and
over one row of each input. Its error is 5 %.
"""

import argparse

import numpy as np

from promptlathe.decide.comparison import interval

ROWS = 50
DIFFERENCES, SHARES = (-1.0, 0.0, 1.0), (0.2, 0.6, 0.2)
"""Of the challenger's score to the baseline's on an input: on average none."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sequences", type=int, default=4000)
    sequences: int = parser.parse_args().sequences
    rng = np.random.default_rng(0)
    print("distinct inputs | wrong over all rows | wrong over distinct inputs")
    for distinct in (50, 25, 10, 5):
        wrong = np.zeros(2)
        for _ in range(sequences):
            gains = rng.choice(DIFFERENCES, distinct, p=SHARES)
            for place, given in enumerate((np.repeat(gains, ROWS // distinct), gains)):
                low, high = interval(given)
                wrong[place] += low > 0 or high < 0
        print(distinct, *(f"{share:.1%}" for share in wrong / sequences), sep=" | ")


if __name__ == "__main__":
    main()

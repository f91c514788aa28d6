"""How often a watch alarms when nothing changes, and how soon when something does.

    python benchmarks/watching.py [--years 400] [--rows 60] [--alpha 0.01] [--seed 1]

A year of daily looks at the same canary rows. Each row is right with a probability of its own; a
model that repeats itself flips few rows from day to day, one with a temperature many. After 30 days
the probabilities fall, so that the score is 3, 5 or 10 points lower. Beside the watch: a z test of
the latest look's mean against the first look's (repeated daily), and McNemar's exact test of the
latest look against the first, row by row (repeated daily), both at the same alpha.
"""

import argparse
import random
from math import sqrt
from statistics import median

from scipy.special import bdtr, ndtri

from promptlathe.decide.drift import evidence_of

CHANGE = 30
FLIPS = (0.0, 0.01, 0.05, 0.15)
"""Share of rows whose answer differs between two days."""
DROPS = (0.0, 0.03, 0.05, 0.10)


def chances(rng: random.Random, rows: int, flips: float, score: float = 0.85) -> list[float]:
    """Of each row to be right: `flips` of two looks differ, on average."""
    unsure = min(1.0, 3 * flips)  # a row with a chance c flips with 2 c (1 - c): 1/3 on average
    sure = [float(rng.random() < score) for _ in range(rows)]
    return [rng.betavariate(1.0, 1.0) if rng.random() < unsure else one for one in sure]


def year(rng: random.Random, rows: int, flips: float, drop: float, days: int) -> list[list[int]]:
    """Rows' scores, day by day."""
    before = chances(rng, rows, flips)
    lost = drop * rows / max(1e-9, sum(before))
    after = [0.0 if rng.random() < lost else one for one in before]
    return [
        [int(rng.random() < one) for one in (before if day < CHANGE else after)]
        for day in range(days)
    ]


def first_alarm(values: list[bool]) -> int | None:
    return next((day for day, alarm in enumerate(values) if alarm), None)


def watch(looks: list[list[int]], alpha: float, seed: int) -> int | None:
    values = evidence_of([sum(one) / len(one) for one in looks], seed)
    return first_alarm([value >= 1 / alpha for value in values])


def means(looks: list[list[int]], alpha: float) -> int | None:
    n, bound = len(looks[0]), float(ndtri(1 - alpha))

    def low(day: int) -> bool:
        first, now = sum(looks[0]) / n, sum(looks[day]) / n
        pooled = (first + now) / 2
        return day > 0 and first - now > bound * sqrt(max(1e-12, 2 * pooled * (1 - pooled) / n))

    return first_alarm([low(day) for day in range(len(looks))])


def mcnemar(looks: list[list[int]], alpha: float) -> int | None:
    def low(day: int) -> bool:
        pairs = list(zip(looks[0], looks[day], strict=True))
        lost, won = pairs.count((1, 0)), pairs.count((0, 1))
        return lost > won and float(bdtr(won, lost + won, 0.5)) <= alpha

    return first_alarm([low(day) for day in range(len(looks))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--years", type=int, default=400)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    print(f"{args.years} years of {args.days} looks at {args.rows} rows, alpha {args.alpha}")
    print("flips  drop   method   alarms before  after the change  median looks to it")
    for flips in FLIPS:
        for drop in DROPS:
            found: dict[str, list[int | None]] = {"watch": [], "means": [], "mcnemar": []}
            for number in range(args.years):
                rng = random.Random(f"{args.seed} {flips} {drop} {number}")
                days = args.days if drop == 0 else CHANGE + 120
                looks = year(rng, args.rows, flips, drop, days)
                found["watch"].append(watch(looks, args.alpha, number))
                found["means"].append(means(looks, args.alpha))
                found["mcnemar"].append(mcnemar(looks, args.alpha))
            for method, days_of in found.items():
                early = [d for d in days_of if d is not None and (drop == 0 or d < CHANGE)]
                late = [d - CHANGE + 1 for d in days_of if drop and d is not None and d >= CHANGE]
                said = f"{len(late) / (args.years - len(early)):7.1%}" if drop else "      -"
                soon = f"{median(late):5.0f}" if late else "    -"
                print(
                    f"{flips:5.2f}  {drop:4.2f}   {method:8} {len(early) / args.years:8.2%}"
                    f"       {said}           {soon}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

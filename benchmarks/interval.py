"""Coverage of 95 % intervals for the mean of paired score differences.

    python benchmarks/interval.py [--repeats 2000]

For each case, rows are drawn where the best prompt gains, loses or ties, and each interval is
asked two things: how often it covers the true gain (wanted: 0.95), and how often it lies wholly
above it (wanted: at most 0.025; with a true gain of 0 these are the false verdicts `better`).
`drawn` is the mean gain less the true one, in points: choosing must not show in it.

    t            Student's t, and the exact bound when no row differs: promptlathe's own
    percentile   percentile bootstrap, with the same exact bound
    expanded     the same at wider quantiles (Hesterberg 2015, section 3.2)
    adjusted     normal, with one pseudo-observation of each sign (Bonett & Price 2012)
    boot-t       bootstrap of Student's t (Efron & Tibshirani 1993, section 12.5)
    BCa          bias-corrected bootstrap of scipy (repeats / 5, since it is slow)
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from promptlathe.decide.comparison import interval

RESAMPLES, FEW = 1000, 10
SLOW = 5
"""BCa gets this part of the repeats."""
CHOICES, SELECT = 20, 100
"""Equal prompts of which one is chosen, and the other rows that it is chosen on."""
Interval = tuple[float, float]
RNG = np.random.default_rng(0)


def resampled(d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard errors of resamples of the rows."""
    return _resampled(d.tobytes())


@lru_cache(maxsize=5000)
def _resampled(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    d = np.frombuffer(data)
    n = len(d)
    values, counts = np.unique(d, return_counts=True)
    if len(values) > FEW:
        rows = d[RNG.integers(n, size=(RESAMPLES, n))]
        return rows.mean(axis=1), rows.std(axis=1) / (n - 1) ** 0.5
    # To draw how often a value comes is to draw rows, and faster.
    drawn = RNG.multinomial(n, counts / n, size=RESAMPLES)
    means = drawn @ values / n
    return means, np.sqrt(np.maximum(drawn @ values**2 / n - means**2, 0) / (n - 1))


def percentile(d: np.ndarray) -> Interval:
    if np.ptp(d) == 0:
        return interval(d)
    low, high = np.quantile(resampled(d)[0], [0.025, 0.975])
    return low, high


def expanded(d: np.ndarray) -> Interval:
    n = len(d)
    if np.ptp(d) == 0:
        return interval(d)
    tail = stats.norm.cdf(-((n / (n - 1)) ** 0.5) * stats.t.ppf(0.975, n - 1))
    low, high = np.quantile(resampled(d)[0], [tail, 1 - tail])
    return low, high


def adjusted(d: np.ndarray) -> Interval:
    scale = abs(d).max() or 1.0
    x = np.r_[d, scale, -scale]
    half = 1.96 * x.std(ddof=1) / len(x) ** 0.5
    return x.mean() - half, x.mean() + half


def boot_t(d: np.ndarray) -> Interval:
    if np.ptp(d) == 0:
        return interval(d)
    means, errors = resampled(d)
    varies = errors > 0
    low, high = np.quantile((means[varies] - d.mean()) / errors[varies], [0.025, 0.975])
    error = d.std(ddof=1) / len(d) ** 0.5
    return d.mean() - high * error, d.mean() - low * error


def bca(d: np.ndarray) -> Interval:
    if np.ptp(d) == 0:
        return interval(d)
    found = stats.bootstrap((d,), np.mean, n_resamples=RESAMPLES - 1, method="BCa", rng=RNG)
    return found.confidence_interval.low, found.confidence_interval.high


METHODS: dict[str, Callable[[np.ndarray], Interval]] = {
    "t": interval,
    "percentile": percentile,
    "expanded": expanded,
    "adjusted": adjusted,
    "boot-t": boot_t,
    "BCa": bca,
}


@dataclass(frozen=True)
class Case:
    """Where differences come from, (rows) -> array, and their true mean."""

    name: str
    draw: Callable[[int], np.ndarray]
    true: float = 0.0


def binary(gained: float, lost: float) -> Case:
    """Scores of 0 and 1: shares of the rows gained and lost."""
    shares = [gained, lost, 1 - gained - lost]
    return Case(
        f"{gained:.0%} gained, {lost:.0%} lost",
        lambda rows: RNG.choice([1.0, -1.0, 0.0], rows, p=shares),
        gained - lost,
    )


def independent(p: float) -> Case:
    """Two equal prompts whose answers are right with a chance, each for itself."""
    return Case(
        f"both right at {p:.0%}",
        lambda rows: (RNG.random(rows) < p) - (RNG.random(rows) < p).astype(float),
    )


def fractional(share: float) -> Case:
    """Scores like token F1, of which only a share differs."""

    def draw(rows: int) -> np.ndarray:
        change = (RNG.beta(2, 2, rows) - RNG.beta(2, 2, rows)) * 0.5
        return np.round(change, 2) * (RNG.random(rows) < share)

    return Case(f"fractional, {share:.0%} differ", draw)


def skewed(rows: int) -> np.ndarray:
    """8 % of the rows gain 0.9, 72 % lose 0.1: a true gain of 0."""
    return RNG.choice([0.9, -0.1, 0.0], rows, p=[0.08, 0.72, 0.2])


def chosen(rows: int) -> np.ndarray:
    """The best of equal prompts on other rows, less the first; examples differ in difficulty."""
    right = [RNG.random((CHOICES, n)) < RNG.beta(0.5, 0.5, n) for n in (SELECT, rows)]
    select, test = (answers.astype(float) for answers in right)
    return test[int(np.argmax(select[1:].mean(axis=1))) + 1] - test[0]


CASES = [
    independent(0.5),
    independent(0.8),
    independent(0.95),
    Case(f"null, best of {CHOICES - 1}", chosen),
    fractional(1.0),
    fractional(0.4),
    fractional(0.1),
    binary(0, 0),
    binary(0.02, 0.02),
    binary(0.1, 0.1),
    binary(0.01, 0),
    binary(0.05, 0),
    binary(0.15, 0.02),
    binary(0.25, 0.1),
    binary(0.35, 0.1),
    binary(0.6, 0.05),
    Case("skewed", skewed),
]


def measure(case: Case, rows: int, repeats: int) -> str:
    sets = [case.draw(rows) for _ in range(repeats)]
    bias = 100 * (np.mean(sets) - case.true)
    line = f"{rows:4}  {case.name:23} {bias:+5.2f}"
    for method, function in METHODS.items():
        times = repeats // SLOW if method == "BCa" else repeats
        found = np.array([function(d) for d in sets[:times]])
        near = 1e-9
        covered = np.mean((found[:, 0] <= case.true + near) & (case.true - near <= found[:, 1]))
        above = np.mean(found[:, 0] > case.true + near)
        line += f"  {covered:.3f} {above:.3f}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000)
    repeats = parser.parse_args().repeats
    head = "".join(f"  {name:>11}" for name in METHODS)
    print(f"{'rows  case':29} drawn{head}    (covered, wholly above)")
    with np.errstate(all="ignore"):
        for rows in (30, 60, 100, 150):
            for case in CASES:
                print(measure(case, rows, repeats), flush=True)


if __name__ == "__main__":
    main()

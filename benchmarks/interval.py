"""Coverage of 95 % intervals for the mean of paired score differences.

    python benchmarks/interval.py [--repeats 2000]

For each case, rows are drawn where the best prompt gains, loses or ties, and each interval is
asked two things: how often it covers the true gain (wanted: 0.95), and how often it lies wholly
above it (wanted: at most 0.025; with a true gain of 0 these are the false verdicts `better`).

    bootstrap   percentile bootstrap, and the exact bound when no row differs: promptlathe's own
    t           Student's t
    adjusted    normal, with one pseudo-observation of each sign (Bonett & Price 2012)
    BCa         bias-corrected bootstrap of scipy (repeats / 5, since it is slow)
"""

import argparse
from collections.abc import Callable

import numpy as np
from scipy import stats

from promptlathe import decide

RESAMPLES = decide.RESAMPLES = 2000
"""Enough for coverage; a job takes 10,000."""
Interval = tuple[float, float]
RNG = np.random.default_rng(0)


def bootstrap(d: np.ndarray) -> Interval:
    return decide.interval(d, seed=int(RNG.integers(1 << 31)))


def student(d: np.ndarray) -> Interval:
    half = stats.t.ppf(0.975, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
    return d.mean() - half, d.mean() + half


def adjusted(d: np.ndarray) -> Interval:
    scale = abs(d).max() or 1.0
    x = np.r_[d, scale, -scale]
    half = 1.96 * x.std(ddof=1) / len(x) ** 0.5
    return x.mean() - half, x.mean() + half


def bca(d: np.ndarray) -> Interval:
    if np.ptp(d) == 0:
        return float(d[0]), float(d[0])
    found = stats.bootstrap((d,), np.mean, n_resamples=RESAMPLES - 1, method="BCa", rng=RNG)
    return found.confidence_interval.low, found.confidence_interval.high


METHODS: dict[str, Callable[[np.ndarray], Interval]] = {
    "bootstrap": bootstrap,
    "t": student,
    "adjusted": adjusted,
    "BCa": bca,
}


def binary(rows: int, gained: float, lost: float) -> np.ndarray:
    """Scores of 0 and 1: shares of the rows gained and lost."""
    return RNG.choice([1.0, -1.0, 0.0], rows, p=[gained, lost, 1 - gained - lost])


def fractional(rows: int) -> np.ndarray:
    """Scores like token F1: 40 % of the rows differ, a true gain of 0."""
    change = (RNG.beta(2, 2, rows) - RNG.beta(2, 2, rows)) * 0.5
    return np.round(change, 2) * (RNG.random(rows) < 0.4)


def case(name: str, draw: Callable[[], np.ndarray], true: float, repeats: int) -> None:
    line = f"{name:28}"
    for method, function in METHODS.items():
        times = repeats // 5 if method == "BCa" else repeats
        found = np.array([function(draw()) for _ in range(times)])
        covered = np.mean((found[:, 0] <= true) & (true <= found[:, 1]))
        above = np.mean(found[:, 0] > true)
        line += f"  {covered:.3f} {above:.3f}"
    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2000)
    repeats = parser.parse_args().repeats
    head = "".join(f"  {name:>11}" for name in METHODS)
    print(f"{'rows, gained, lost':28}{head}    (covered, wholly above)")
    shares = [(0, 0), (0.01, 0), (0.02, 0.02), (0.1, 0.1), (0.15, 0.02), (0.25, 0.1), (0.35, 0.1)]
    with np.errstate(all="ignore"):
        for rows in (60, 110, 143):
            for gained, lost in shares:

                def draw(rows: int = rows, gained: float = gained, lost: float = lost):
                    return binary(rows, gained, lost)

                name = f"{rows:4}   {gained:4.0%}   {lost:4.0%}"
                case(name, draw, gained - lost, repeats)
            case(f"{rows:4}   fractional scores", lambda rows=rows: fractional(rows), 0.0, repeats)


if __name__ == "__main__":
    main()

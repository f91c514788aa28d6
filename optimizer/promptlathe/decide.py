"""The decision: two prompts on the same held-out rows, paired, once.

Interval: the percentile bootstrap of the mean paired difference (Efron & Tibshirani 1993,
section 13.3), 10,000 seeded resamples of rows. When no row differs, resampling knows nothing:
then the exact bound on the share of differing rows (Clopper & Pearson 1934) is used. Coverage
measured for the cases that occur here: docs/decisions/0003-interval.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from promptlathe.records import Outcome

Verdict = Literal["better", "no significant gain", "worse"]
RESAMPLES = 10_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Comparison:
    """Baseline and challenger on the rows that both answered; scores, higher is better."""

    baseline: float
    challenger: float
    gain: float
    low: float
    high: float
    examples: int
    """Rows that both sides answered."""
    missing: int
    """Rows left out because a call failed."""

    @property
    def verdict(self) -> Verdict:
        """`better` and `worse` only when the whole interval lies on one side of zero."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no significant gain"


def compare(
    baseline: Iterable[Outcome], challenger: Iterable[Outcome], *, seed: int = 0
) -> Comparison | None:
    """Pair outcomes by example. None when no row was answered by both."""
    first, second = _values(baseline), _values(challenger)
    common = sorted(first.keys() & second.keys())
    if not common:
        return None
    a = np.array([first[key] for key in common])
    b = np.array([second[key] for key in common])
    low, high = interval(b - a, seed=seed)
    return Comparison(
        baseline=float(a.mean()),
        challenger=float(b.mean()),
        gain=float((b - a).mean()),
        low=low,
        high=high,
        examples=len(common),
        missing=len(first.keys() | second.keys()) - len(common),
    )


def interval(differences: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of paired differences, shape (rows,)."""
    n = len(differences)
    tail = (1 - LEVEL) / 2
    if np.ptp(differences) == 0:
        bound = 1 - tail ** (1 / n)
        centre = float(differences[0])
        return max(-1.0, centre - bound), min(1.0, centre + bound)
    rng = np.random.default_rng(seed)
    means = np.array([differences[rng.integers(n, size=n)].mean() for _ in range(RESAMPLES)])
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _values(outcomes: Iterable[Outcome]) -> Mapping[tuple[str, int], float]:
    return {(o.cell.example.id, o.cell.repeat): o.value for o in outcomes if o.value is not None}

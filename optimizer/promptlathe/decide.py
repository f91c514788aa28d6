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
_AT_ONCE = 500
"""Resamples in one array: bounds the memory."""
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
    """Rows left out because a call failed or the budget ended."""

    @property
    def verdict(self) -> Verdict:
        """`better` and `worse` only when the whole interval lies on one side of zero."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no significant gain"


def compare(
    baseline: Iterable[Outcome], challenger: Iterable[Outcome], *, rows: int = 0, seed: int = 0
) -> Comparison | None:
    """Pair outcomes by example. None when no row was answered by both.

    rows: how many were to be compared, where the budget may have ended before all were asked.
    """
    first, second = _values(baseline), _values(challenger)
    asked = first.keys() | second.keys()
    pairs = [(first.get(key), second.get(key)) for key in sorted(asked)]
    answered = [(a, b) for a, b in pairs if a is not None and b is not None]
    if not answered:
        return None
    a, b = np.array(answered).T
    low, high = interval(b - a, seed=seed)
    return Comparison(
        baseline=float(a.mean()),
        challenger=float(b.mean()),
        gain=float((b - a).mean()),
        low=low,
        high=high,
        examples=len(answered),
        missing=max(rows, len(asked)) - len(answered),
    )


def interval(differences: np.ndarray, *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of paired differences, shape (rows,)."""
    n = len(differences)
    tail = (1 - LEVEL) / 2
    if np.ptp(differences) == 0:
        # At most this share of all rows differs otherwise, and by no more than the whole scale.
        share = 1 - tail ** (1 / n)
        centre = float(differences[0])
        most = max(1.0, abs(centre))
        return centre - share * (most + centre), centre + share * (most - centre)
    # To draw how often each value comes is to draw the rows.
    values, counts = np.unique(differences, return_counts=True)
    rng = np.random.default_rng(seed)
    means = np.concatenate(
        [
            rng.multinomial(n, counts / n, size=_AT_ONCE) @ values / n
            for _ in range(RESAMPLES // _AT_ONCE)
        ]
    )
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _values(outcomes: Iterable[Outcome]) -> Mapping[tuple[str, int], float | None]:
    return {(o.cell.example.id, o.cell.repeat): o.value for o in outcomes}

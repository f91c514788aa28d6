"""The decision: two prompts on the same held-out rows, paired, once.

Interval: Student's t for the mean paired difference (Student 1908). When all rows differ alike
(mostly: none differs) there is no variance to go by: then the exact bound on the share of rows
that differ otherwise (Clopper & Pearson 1934) is used. Coverage measured for the cases that occur
here: docs/decisions/0003-interval.md.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

from promptlathe.records import Outcome

Verdict = Literal["better", "no significant gain", "worse"]
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
    baseline: Iterable[Outcome], challenger: Iterable[Outcome], *, rows: int = 0
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
    low, high = interval(b - a)
    return Comparison(
        baseline=float(a.mean()),
        challenger=float(b.mean()),
        gain=float((b - a).mean()),
        low=low,
        high=high,
        examples=len(answered),
        missing=max(rows, len(asked)) - len(answered),
    )


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean of paired differences, shape (rows,).

    It does not leave the scale of the scores, taken as 1 or as the largest difference.
    """
    n = len(differences)
    tail = (1 - LEVEL) / 2
    centre = float(differences.mean())
    most = max(1.0, float(abs(differences).max()))
    if np.ptp(differences) == 0:
        # At most this share of all rows differs otherwise, and by no more than the whole scale.
        share = 1 - tail ** (1 / n)
        return centre - share * (most + centre), centre + share * (most - centre)
    half = t_quantile(1 - tail, n - 1) * float(differences.std(ddof=1)) / math.sqrt(n)
    return max(centre - half, -most), min(centre + half, most)


def t_quantile(p: float, freedom: int) -> float:
    """Student's t by its expansion around the normal (Abramowitz & Stegun 1964, 26.7.5).

    At p = 0.975 it is 0.00002 short with 9 degrees of freedom, 0.03 with 2, 1.4 with 1.
    """
    x = NormalDist().inv_cdf(p)
    polynomials = (
        (x**3 + x) / 4,
        (5 * x**5 + 16 * x**3 + 3 * x) / 96,
        (3 * x**7 + 19 * x**5 + 17 * x**3 - 15 * x) / 384,
        (79 * x**9 + 776 * x**7 + 1482 * x**5 - 1920 * x**3 - 945 * x) / 92160,
    )
    return x + sum(g / freedom**i for i, g in enumerate(polynomials, start=1))


def _values(outcomes: Iterable[Outcome]) -> Mapping[tuple[str, int], float | None]:
    return {(o.cell.example.id, o.cell.repeat): o.value for o in outcomes}

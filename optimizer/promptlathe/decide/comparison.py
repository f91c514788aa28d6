"""The decision: two prompts on the same held-out rows, paired, once.

Interval: Student's t for the mean paired difference (Student 1908). When all rows differ alike
(mostly: none differs) there is no variance to go by: then the exact bound on the share of rows
that differ otherwise (Clopper & Pearson 1934) is used. Coverage measured for the cases that occur
here: docs/decisions/0003-interval.md.

Missing answers (Horowitz & Manski 2000): a row that was asked and has no value on one side or both
may hide any value of the scale [worst, best]. With b the challenger's value and a the baseline's,
    low  = lower end of the interval of b - a, where a missing b is worst and a missing a is best,
    high = upper end of the same, where a missing b is best and a missing a is worst.
The first mean is at most the true one and the second at least, whatever the missing answers are,
so the interval covers the gain at least as often as it says, for any reason they are missing.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any, Literal, TypeVar

import numpy as np

from promptlathe.records import Outcome

Verdict = Literal["better", "no significant gain", "worse"]
ALPHA = 0.05
"""Two-sided error of the interval that is shown."""
Row = TypeVar("Row", bound=tuple[Any, ...])
"""What a row is known by."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Baseline and challenger on the same rows; scores, higher is better.

    Means and gain are those of the rows that both answered; the interval is that of all rows that
    were asked, so with missing answers the gain need not be in its middle.
    """

    baseline: float
    challenger: float
    gain: float
    low: float
    high: float
    examples: int
    """Rows that have a value on both sides: a failure of the prompt has the worst."""
    missing: int
    """Rows that were asked and have no value on one side or both: the service failed."""
    unasked: int = 0
    """Rows that were not asked of both since the budget ended."""
    failed_baseline: int = 0
    """Answers that the baseline's own prompt made fail."""
    failed_challenger: int = 0
    alpha: float = ALPHA
    """Two-sided error of the interval."""

    @property
    def verdict(self) -> Verdict:
        """`better` and `worse` only when the whole interval lies on one side of zero."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no significant gain"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of the rows, in words."""
        notes: list[str] = []
        if self.missing:
            notes.append(
                f"{self.missing} of {self.examples + self.missing} rows have no answer on one side"
                " or both: the interval allows for any value that they could have had"
            )
        if self.unasked:
            whole = self.examples + self.missing + self.unasked
            notes.append(
                f"the budget ended before {self.unasked} of {whole} rows were asked:"
                " the comparison is on fewer rows"
            )
        failed = ((self.failed_baseline, "baseline"), (self.failed_challenger, "challenger"))
        notes += [f"{n} calls of the {side} failed by its prompt" for n, side in failed if n]
        return tuple(notes)


def compare(
    baseline: Iterable[Outcome],
    challenger: Iterable[Outcome],
    *,
    rows: int = 0,
    scale: tuple[float, float] | None = None,
    alpha: float = ALPHA,
) -> Comparison | None:
    """Pair outcomes by example. None when no row was answered by both.

    rows: how many were to be compared; those that were not asked of both sides count as unasked.
    They are the end of a random order, so what was asked is a smaller sample and not a biased one.
    scale: the goal's worst and best value. When unknown: 0 to 1, or as far as the values go.
    alpha: two-sided error of the interval.
    """
    first, second = _by_row(baseline), _by_row(challenger)
    found = compare_values(
        {key: one.value for key, one in first.items()},
        {key: one.value for key, one in second.items()},
        rows=rows,
        scale=scale,
        alpha=alpha,
    )
    asked = first.keys() & second.keys()
    return found and replace(
        found,
        failed_baseline=sum(_failed(first[key]) for key in asked),
        failed_challenger=sum(_failed(second[key]) for key in asked),
    )


def compare_values(
    baseline: Mapping[Row, float | None],
    challenger: Mapping[Row, float | None],
    *,
    rows: int = 0,
    scale: tuple[float, float] | None = None,
    alpha: float = ALPHA,
) -> Comparison | None:
    """The same of values by row; None is a row without an answer."""
    asked = sorted(baseline.keys() & challenger.keys())
    a = np.array([_value(baseline[key]) for key in asked])
    b = np.array([_value(challenger[key]) for key in asked])
    both = ~(np.isnan(a) | np.isnan(b))
    if not both.any():
        return None
    values = np.concatenate([a, b])
    worst, best = scale or (min(0.0, float(np.nanmin(values))), max(1.0, float(np.nanmax(values))))
    span = best - worst
    low, _ = interval(_filled(b, worst) - _filled(a, best), alpha=alpha, most=span)
    _, high = interval(_filled(b, best) - _filled(a, worst), alpha=alpha, most=span)
    return Comparison(
        baseline=float(a[both].mean()),
        challenger=float(b[both].mean()),
        gain=float((b - a)[both].mean()),
        low=low,
        high=high,
        examples=int(both.sum()),
        missing=int((~both).sum()),
        unasked=max(rows, len(baseline.keys() | challenger.keys())) - len(asked),
        alpha=alpha,
    )


def interval(
    differences: np.ndarray, *, alpha: float = ALPHA, most: float = 1.0
) -> tuple[float, float]:
    """Interval with two-sided error alpha of the mean of paired differences, shape (rows,).

    It does not leave the scale of the scores, which is `most` wide, or as the largest difference.
    """
    n = len(differences)
    tail = alpha / 2
    centre = float(differences.mean())
    most = max(most, float(abs(differences).max()))
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


def _by_row(outcomes: Iterable[Outcome]) -> dict[tuple[str, int], Outcome]:
    return {(one.cell.example.id, one.cell.repeat): one for one in outcomes}


def _failed(outcome: Outcome) -> bool:
    return outcome.failure is not None and outcome.failure.of_prompt


def _value(value: float | None) -> float:
    return math.nan if value is None else value


def _filled(values: np.ndarray, missing: float) -> np.ndarray:
    return np.where(np.isnan(values), missing, values)

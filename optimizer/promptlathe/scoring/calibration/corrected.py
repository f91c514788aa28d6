"""What people would give on average, from labels on some answers and verdicts on all.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, arXiv
2301.09633) with power tuning (PPI++, arXiv 2311.01453), by the library truescore, which agrees with
the authors' code. The interval holds for any judge, a bad one makes it no narrower than the labels
alone; what it needs is that the labelled answers are a random part of all.

With few labels the normal interval is too narrow where the judge errs seldom and in one direction:
then the labelled answers often hold none of its errors. So the variance of the corrections is taken
with one of a level more in each direction, as for the difference of the means (`agreement.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from promptlathe.scoring.calibration.calibration import Interval

ENOUGH = 20
"""Labels below which they count alone."""


def corrected_mean(
    labels: Sequence[float],
    judged: Sequence[float],
    more: Sequence[float],
    bounds: tuple[float, float],
    step: float,
) -> tuple[Interval, str]:
    """(the mean over all answers, how it was made).

    judged: the judge's scores of the labelled answers. more: of those without a label. step:
    between two levels.
    """
    import truescore

    low, high = bounds
    if len(labels) < ENOUGH or len(more) < 2:
        alone = truescore.gold_only_estimate(labels)
        return Interval(alone.point, max(alone.low, low), min(alone.high, high)), "the labels alone"
    found = truescore.ppi_estimate([*judged, *more], labels, list(range(len(labels))))
    power = found.lambda_ or 0.0
    half = 1.96 * _variance(labels, judged, more, power, step) ** 0.5
    point = min(max(found.point, low), high)
    interval = Interval(point, max(found.point - half, low), min(found.point + half, high))
    return interval, f"PPI++, λ = {power:.2f}"


def _variance(
    labels: Sequence[float],
    judged: Sequence[float],
    more: Sequence[float],
    power: float,
    step: float,
) -> float:
    """Of the estimate."""
    corrections = np.array(labels) - power * np.array(judged)
    middle = corrections.mean()
    wider = np.array([*corrections, middle - step, middle + step])
    own = wider.var(ddof=1) / len(wider)
    return float(own + power**2 * np.var(more, ddof=1) / len(more))

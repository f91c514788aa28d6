"""What people would give on average, from labels on some answers and verdicts on all.

Prediction-powered inference (Angelopoulos, Bates, Fannjiang, Jordan and Zrnic 2023, arXiv
2301.09633) with power tuning (PPI++, arXiv 2311.01453), by the library truescore, which agrees with
the authors' code. The interval holds for any judge, a bad one makes it no narrower than the labels
alone; what it needs is that the labelled answers are a random part of all.
"""

from __future__ import annotations

from collections.abc import Sequence

from promptlathe.scoring.calibration.calibration import Interval

ENOUGH = 30
"""Labels below which the normal approximation is not trusted: the labels alone count then."""


def corrected_mean(
    labels: Sequence[float],
    judged: Sequence[float],
    more: Sequence[float],
    bounds: tuple[float, float],
) -> tuple[Interval, str]:
    """(the mean over all answers, how it was made).

    judged: the judge's scores of the labelled answers. more: of those without a label.
    """
    import truescore

    whole = [*judged, *more]
    if len(labels) < ENOUGH or len(more) < 2:
        found = truescore.gold_only_estimate(labels)
        method = "the labels alone"
    else:
        found = truescore.ppi_estimate(whole, labels, list(range(len(labels))))
        method = f"PPI++, λ = {found.lambda_ or 0:.2f}"
    low, high = bounds
    point = min(max(found.point, low), high)
    return Interval(point, max(found.low, low), min(found.high, high)), method

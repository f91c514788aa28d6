"""The curves of a run: points by calls, the same in its result as in MLflow."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from promptlathe.job.progress import View
from promptlathe.results import AnswerCounts, CurvePoint

POINTS = 200
"""Points at most, evenly over the calls."""
PACE = 2.0
"""Seconds between two messages to MLflow, each with all points since the last."""


@dataclass(frozen=True)
class Drawn:
    """A point, and all that is drawn there in MLflow: metrics by name."""

    point: CurvePoint
    metrics: Mapping[str, float]


class Curves:
    """Keeps the points of one run while it goes on: each so many calls after the last.

    When there are more than POINTS, every other one is dropped, and the distance doubles.
    """

    def __init__(self) -> None:
        self._points: list[CurvePoint] = []
        self._waiting: list[Drawn] = []
        self._distance, self._next = 1, 1
        self._taken = 0.0

    @property
    def points(self) -> tuple[CurvePoint, ...]:
        """By calls, which rise."""
        return tuple(self._points)

    def due(self, calls: int) -> bool:
        """Whether a point is missing after so many calls."""
        return calls >= self._next

    def add(self, drawn: Drawn) -> None:
        """A point more; one after as many calls as the last takes its place."""
        if self._points and self._points[-1] == drawn.point:
            return
        if self._points and self._points[-1].calls == drawn.point.calls:
            self._points.pop()
        self._points.append(drawn.point)
        self._waiting.append(drawn)
        if len(self._points) > POINTS:
            del self._points[1::2]
            self._distance *= 2
        self._next = drawn.point.calls + self._distance

    def take(self, *, at_once: bool = False) -> list[Drawn]:
        """Those that MLflow has not been told, every PACE seconds; they do not come again."""
        now = time.monotonic()
        if not at_once and now - self._taken < PACE:
            return []
        self._taken = now
        waiting, self._waiting = self._waiting, []
        return waiting


def drawn(view: View, answers: AnswerCounts) -> Drawn:
    """The point of this moment. MLflow draws the metrics of one prefix together, by name."""
    spent, states = view.account.spent, answers.by_state
    best, seed = view.policy.best.estimate, view.policy.seed.estimate
    failures = sum(answers.failed.values())
    point = CurvePoint(
        calls=spent.used_calls,
        seed=seed and seed.mean,
        best=best and best.mean,
        usd=spent.usd,
        failures=failures,
    )
    # MLflow's page that compares runs begins with the metric that was written first: not with an
    # estimate on rows that the search has seen.
    figures = {
        "tokens": spent.tokens,
        "score_best": point.best,
        "score_seed": point.seed,
        "answers_cut_off": states.get("cut off", 0),
        "answers_failed": failures,
        "answers_unread": states.get("unread", 0),
        "calls_per_second": view.calls_per_second,
        "cost_usd": spent.usd,
    }
    if len(spent.by_role) > 1:
        figures |= {f"cost_usd_{role}": one.usd for role, one in spent.by_role.items()}
    return Drawn(
        point,
        {f"progress/{name}": float(v) for name, v in figures.items() if v is not None},
    )

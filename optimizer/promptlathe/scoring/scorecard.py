"""From a trace to an outcome: the scorers made ready, and the goal. This is the hot path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from promptlathe.data.values import as_text
from promptlathe.records import Cell, Failure, Json, Outcome, Score, Trace
from promptlathe.runtime.seam import CallFailed, Context
from promptlathe.scoring.apart import Apart
from promptlathe.scoring.goal import Goal
from promptlathe.scoring.limits import Limit
from promptlathe.scoring.loading import said
from promptlathe.scoring.ranges import Worst
from promptlathe.scoring.scorer import Scorer, Surroundings, Unscored
from promptlathe.space import step_outputs

_NOT_ASKED = Score(None, None, "the step was not asked")


class Scorecard:
    """Scores traces. Made once for an objective, since labels and patterns are compiled."""

    def __init__(
        self,
        scorers: Sequence[Scorer],
        goal: Goal,
        around: Surroundings,
        *,
        first: str,
        limits: Sequence[Limit] = (),
    ) -> None:
        """first: the scorer whose reading of the output is told. limits: they say which end of a
        score is the worst, where the goal does not name it.

        Raises `InputError` for what could not score: a function that does not load, a goal that
        minimizes what has no known worst score.
        """
        self._worst = Worst(scorers, goal, limits)
        self._apart = Apart(around)
        self._measures = [(one.name, one.step, self._apart.measure(one)) for one in scorers]
        self._goal, self._first = goal, first

    async def score(self, cell: Cell, trace: Trace, ctx: Context) -> Outcome:
        """See `Objective.score`."""
        scores: dict[str, float] = {}
        rationales: dict[str, str] = {}
        soft: dict[str, float] = {}
        parsed: Json = None
        unread = False
        for name, step, measure in self._measures:
            seen = trace if step is None else _of_step(trace, step, cell)
            try:
                found = _NOT_ASKED if seen is None else measure(cell.example, seen, ctx)
                if not isinstance(found, Score):
                    found = await found
            except Unscored as error:
                return _unscored(cell, trace, name, str(error))
            except CallFailed as ended:
                if not ended.failure.of_prompt:
                    raise
                return _unscored(cell, trace, name, f"its call failed: {ended.failure.detail}")
            except Exception as error:  # noqa: BLE001  # a scorer never ends the run
                return _unscored(cell, trace, name, f"raised {said(error)}")
            if name == self._first:
                parsed = found.parsed
            if found.soft is not None:
                soft[name] = found.soft
            if found.rationale is not None:
                rationales[name] = found.rationale
            if found.value is None:
                unread = unread or step is None  # what a step said is not the output
                scores.update(self._worst.of(name))
            elif isinstance(found.value, Mapping):
                scores.update(found.value)
            else:
                scores[name] = found.value
        try:
            value = self._goal.value(scores)
        except KeyError as error:
            missing = f"the goal names {error.args[0]!r}, which no scorer gave"
            return _failed(cell, trace, f"{missing}; there are: {', '.join(scores)}")
        return Outcome(
            cell,
            trace,
            scores,
            value,
            parsed=None if parsed is None else as_text(parsed),
            unread=unread,
            rationales=rationales,
            soft=self._goal.value({**scores, **soft}) if soft else None,
        )

    def failed(self, cell: Cell, trace: Trace, failure: Failure) -> Outcome:
        """See `Objective.failed`."""
        if not failure.of_prompt:
            return Outcome(cell, trace, failure=failure)
        scores = self._worst.all
        return Outcome(cell, trace, scores, self._goal.value(scores), failure=failure)

    def close(self) -> None:
        """End the worker process."""
        self._apart.close()


def _of_step(trace: Trace, step: str, cell: Cell) -> Trace | None:
    """With the step's output; None when it was not asked."""
    outputs = step_outputs(trace.calls, cell.candidate.prompts)
    return replace(trace, output=outputs[step]) if step in outputs else None


def _unscored(cell: Cell, trace: Trace, scorer: str, why: str) -> Outcome:
    return _failed(cell, trace, f"the scorer {scorer}, on example {cell.example.id}: {why}")


def _failed(cell: Cell, trace: Trace, why: str) -> Outcome:
    return Outcome(cell, trace, failure=Failure("scorer", why))

"""From a reply to an outcome: the scorers made ready, and the goal. This is the hot path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptlathe.data.values import as_text
from promptlathe.errors import InputError
from promptlathe.records import Answer, Cell, Failure, Outcome
from promptlathe.scoring.goal import Goal
from promptlathe.scoring.parsing import Parsed
from promptlathe.scoring.scorer import Scorer, Surroundings


class Scorecard:
    """Scores replies. Made once for an objective, since labels and patterns are compiled."""

    def __init__(self, scorers: Sequence[Scorer], goal: Goal, around: Surroundings) -> None:
        self._measures = [(scorer.name, scorer.measure(around)) for scorer in scorers]
        self._goal = goal
        self._own = {scorer.name for scorer in scorers if scorer.keyword == "function"}

    def score(
        self, cell: Cell, reply: Answer | Failure, *, cost: float | None, cached: bool
    ) -> Outcome:
        """See `Objective.score`."""
        if isinstance(reply, Failure):
            return Outcome(cell, reply, cost=cost, cached=cached)
        scores: dict[str, float] = {}
        said: list[Parsed | None] = []
        unread: list[str] = []
        for name, measure in self._measures:
            score, parsed = measure(cell.example, reply.text)
            said.append(parsed)
            if score is None:
                unread.append(name)
                scores[name] = self._worst(name)
            elif isinstance(score, Mapping):
                scores.update(score)
            else:
                scores[name] = score
        return Outcome(
            cell,
            reply,
            scores=scores,
            value=self._value(scores, unread),
            parsed=None if said[0] is None else as_text(said[0]),
            unparsed=bool(unread),
            cost=cost,
            cached=cached,
        )

    def _worst(self, name: str) -> float:
        """What an unreadable answer scores: 0, or 1 where the goal wants little of the score."""
        if self._goal.weights.get(name, 0.0) >= 0:
            return 0.0
        if name in self._own:
            raise InputError(
                f"{name} gave None for an answer, but the goal minimizes it",
                "goal",
                "return the worst value for an answer that cannot be read",
            )
        return 1.0

    def _value(self, scores: Mapping[str, float], unread: Sequence[str]) -> float:
        try:
            return self._goal.value(scores)
        except KeyError as error:
            if self._own & set(unread):  # a function that gives several scores gave none
                return self._goal.value(
                    {name: scores.get(name, 0.0) for name in self._goal.weights}
                )
            raise InputError(
                f"the goal names {error.args[0]!r}, which no scorer gave",
                "goal",
                f"write `goal: maximize NAME` with one of: {', '.join(scores)}",
            ) from None

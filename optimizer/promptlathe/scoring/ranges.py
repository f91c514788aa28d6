"""Which scores there are to be had: the range of each score that the goal names, and the worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from promptlathe.errors import InputError
from promptlathe.scoring.goal import Goal
from promptlathe.scoring.limits import Limit
from promptlathe.scoring.scorer import Range, Scorer


def ranges_of(
    scorers: Sequence[Scorer], goal: Goal, limits: Sequence[Limit] = ()
) -> Mapping[str, Range | None]:
    """(lowest, highest) of each score that is known by name; None where it is not declared.

    A score that is no scorer's name is one of several that a function gives: it has that
    function's range, when all functions have the same.
    """
    found: dict[str, Range | None] = {}
    several: set[Range | None] = set()
    for scorer in scorers:
        match scorer.ranges:
            case Mapping() as by_name:
                found |= by_name
            case one:
                found[scorer.name] = one
                several |= {one} if scorer.keyword == "function" else set()
    shared = several.pop() if len(several) == 1 else None
    named = (*goal.weights, *(limit.metric for limit in limits if limit.on_score))
    return found | {name: shared for name in named if name not in found}


class Worst:
    """The worst score of each scorer, for what failed by the prompt or could not be read.

    The end of its range that the goal does not want, or else a limit; 0 where the range is not
    known. Raises `InputError` when a score of unknown range is minimized, since 0 would be its best
    then.
    """

    def __init__(self, scorers: Sequence[Scorer], goal: Goal, limits: Sequence[Limit] = ()) -> None:
        self._goal = goal
        self._unwanted = {limit.metric for limit in limits if not limit.at_least}
        ranges = ranges_of(scorers, goal, limits)
        self._scores = {name: self._end(name, ranges[name]) for name in ranges}
        given = {name for name in goal.weights if name not in {s.name for s in scorers}}
        self._of = {scorer.name: _names(scorer, given, goal) for scorer in scorers}

    def of(self, scorer: str) -> Mapping[str, float]:
        """The worst of what a scorer gives, by score."""
        return {name: self._scores[name] for name in self._of[scorer]}

    @property
    def all(self) -> Mapping[str, float]:
        """Of every scorer."""
        return {name: score for scorer in self._of for name, score in self.of(scorer).items()}

    def _end(self, name: str, known: Range | None) -> float:
        wanted = self._goal.weights.get(name, 0.0 if name not in self._unwanted else -1.0) >= 0
        if known is not None:
            return known[0] if wanted else known[1]
        if not wanted:
            raise InputError(
                f"the goal minimizes {name}, of which the worst score is not known: an output "
                "that cannot be read would have the best",
                "scorers",
                "declare  range: [best, worst]  of the function, such as"
                f"  function: {{path: metric.py:{name}, range: [0, 10]}}",
            )
        return 0.0


def _names(scorer: Scorer, given: set[str], goal: Goal) -> tuple[str, ...]:
    """The scores of a scorer, as far as they are known before it gives any.

    given: what the goal names beside the scorers: functions give it.
    """
    if isinstance(scorer.ranges, Mapping):
        return tuple(scorer.ranges)
    if scorer.keyword == "function" and given and scorer.name not in goal.weights:
        return tuple(sorted(given))
    return (scorer.name,)

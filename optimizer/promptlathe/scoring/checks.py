"""Whether an objective's limits and its goal can be kept and are meant."""

from collections.abc import Mapping, Sequence

from promptlathe import documents
from promptlathe.errors import InputError
from promptlathe.scoring.judging import Judge
from promptlathe.scoring.limits import METRICS, Limit
from promptlathe.scoring.scorer import Range, Scorer


def check_limits(
    limits: Sequence[Limit],
    scorers: Sequence[Scorer],
    ranges: Mapping[str, Range | None],
    document: documents.Document,
) -> None:
    """A limit is on a metric or on a score. Raises `InputError` naming the nearest."""
    known = [*METRICS, *(scorer.name for scorer in scorers)]
    known += [name for one in scorers if isinstance(one.ranges, Mapping) for name in one.ranges]
    free = any(scorer.keyword == "function" for scorer in scorers)  # it may give any score
    for limit in limits:
        place = document.where(("limits", limit.metric))
        near = documents.nearest(limit.metric, known)
        if limit.metric not in known and (near or not free):
            hint = f"; did you mean {near!r}?" if near else ""
            raise InputError(
                f"there is nothing named {limit.metric!r} to limit{hint}",
                place,
                f"there are: {', '.join(known)}",
            )
        if limit.on_score:
            _check_shown(limit, ranges.get(limit.metric), place)


def _check_shown(limit: Limit, known: Range | None, place: str | None) -> None:
    """Rows can show it: the score's range is known, and the limit lies inside of it."""
    if known is None:
        raise InputError(
            f"the range of {limit.metric} is not known, and without it no number of rows shows "
            "that a limit is kept",
            place,
            "declare it:  function: {path: metric.py:f, range: [0, 1]}  (by name where it "
            f"gives several: {{{limit.metric}: [0, 1]}})",
        )
    low, high = known
    beyond = limit.bound >= high if limit.at_least else limit.bound <= low
    if beyond or not low <= limit.bound <= high:
        hundredth = 0.01 * (high - low)
        near = f">= {high - hundredth:g}" if limit.at_least else f"<= {low + hundredth:g}"
        raise InputError(
            f"no number of rows can show {limit}: the score lies from {low:g} to {high:g}",
            place,
            f'write such as "{near}"',
        )


def check_goal(weights: Mapping[str, float], scorers: Sequence[Scorer], place: str | None) -> None:
    """Nobody wants more of what a judge finds bad. Raises `InputError`."""
    for scorer in scorers:
        if isinstance(scorer, Judge) and scorer.unwanted and weights.get(scorer.name, 0.0) > 0:
            raise InputError(
                f"the goal maximizes {scorer.name}, and a high score of the judge "
                f"{scorer.builtin} is bad",
                place,
                f"write  goal: minimize {scorer.name}  or subtract it, or leave it out of the "
                f'goal and limit it:  limits: {{{scorer.name}: "<= 0.01"}}',
            )

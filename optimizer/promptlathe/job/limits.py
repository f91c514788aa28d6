"""The objective's limits, when the search is over: who keeps them.

What calls take is compared on average. A limit on a score has to be shown: the end of a one-sided
95 % interval of its mean over the rows of `test` lies within the limit. A row without a score is
taken for the worst there is.
"""

from collections.abc import Iterable, Mapping, Sequence

from promptlathe.decide import Held, Kept
from promptlathe.decide.bounds import rows_needed, upper_bound
from promptlathe.records import FinalistName, Outcome, Standing
from promptlathe.results import Checked, Taken
from promptlathe.scoring import Limit
from promptlathe.scoring.scorer import Range

FEWEST_ANSWERS = 8
"""Answered calls below which a candidate is not taken in another's place."""


def kept(limits: Sequence[Checked]) -> Kept:
    """By each side, all of them: the first that is broken counts, else the first not shown."""

    def held(side: FinalistName) -> Held:
        states = [one.held(side) for one in limits]
        return "broken" if "broken" in states else "not shown" if "not shown" in states else "kept"

    return Kept(seed=held("seed"), champion=held("champion"), best=held("best"))


def check(
    limits: Iterable[Limit],
    seed: Sequence[Outcome],
    best: Sequence[Outcome],
    champion: Sequence[Outcome] = (),
    *,
    ranges: Mapping[str, Range | None] | None = None,
) -> tuple[Checked, ...]:
    """Each limit against the sides' outcomes on `test`. ranges: of the scores."""

    def taken(limit: Limit, outcomes: Sequence[Outcome]) -> Taken:
        known = (ranges or {}).get(limit.metric) if limit.on_score else None
        return Taken(limit.mean(outcomes)) if known is None else _scored(limit, outcomes, known)

    return tuple(
        Checked(
            one,
            taken(one, seed),
            taken(one, best),
            taken(one, champion) if champion else None,
        )
        for one in limits
    )


def too_few(limits: Iterable[Limit], rows: int, ranges: Mapping[str, Range | None]) -> list[str]:
    """A line for each limit on a score that so many rows cannot show, whatever they score."""
    notes: list[str] = []
    for limit in limits:
        known = ranges.get(limit.metric) if limit.on_score else None
        if known is None:
            continue
        needed = rows_needed([], _share(limit, limit.bound, known))
        if needed is not None and rows < needed:
            notes.append(
                f"{rows} test rows are too few to show {limit} with 95 % confidence: that takes "
                f"{needed:,} rows without a single miss, and a prompt that is not shown to keep a "
                "limit is not promoted"
            )
    return notes


def best_within(
    limits: Sequence[Limit],
    best: Standing,
    seed: Standing,
    standings: Iterable[Standing],
    outcomes: Iterable[Outcome],
) -> Standing:
    """The best, or, when it breaks a limit on `select`, the best of those that keep them all.

    By their means, scores too: the rows of `select` are what it was chosen on. That is the one with
    the highest lower end of its estimate; without one the seed. When that breaks a limit as well it
    is the best after all: the final comparison says so.
    """
    if not limits:
        return best
    told: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        told.setdefault(outcome.cell.candidate.id, []).append(outcome)

    def keeps(standing: Standing) -> bool:
        means = ((one, one.mean(told.get(standing.candidate.id, ()))) for one in limits)
        return all(mean is None or one.keeps(mean) for one, mean in means)

    if keeps(best):
        return best
    others = [
        (standing.estimate.low, -standing.number, standing)
        for standing in standings
        if standing.estimate
        and standing.cells - standing.failures >= FEWEST_ANSWERS
        and keeps(standing)
    ]
    fallback = seed if keeps(seed) else best
    return max(others, default=(0, 0, fallback))[-1]


def _scored(limit: Limit, outcomes: Sequence[Outcome], known: Range) -> Taken:
    """A row that the service or a scorer failed, and one whose prompt failed, is the worst."""
    given = [None if one.failure else one.scores.get(limit.metric) for one in outcomes]
    if not given:
        return Taken(None)
    low, high = known
    worst = low if limit.at_least else high
    values = [worst if value is None else value for value in given]
    shares = [_share(limit, value, known) for value in values]
    end = upper_bound(shares)
    return Taken(
        sum(values) / len(values),
        high - end * (high - low) if limit.at_least else low + end * (high - low),
        len(values),
        given.count(None),
        rows_needed(shares, _share(limit, limit.bound, known)),
    )


def _share(limit: Limit, value: float, known: Range) -> float:
    """How bad a score is, from 0 to 1."""
    low, high = known
    share = (high - value if limit.at_least else value - low) / (high - low)
    return min(1.0, max(0.0, share))

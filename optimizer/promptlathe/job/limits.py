"""The objective's limits, when the search is over: who keeps them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from promptlathe.records import Outcome, Standing
from promptlathe.scoring import Limit

FEWEST_ANSWERS = 8
"""Answered calls below which a candidate is not taken in another's place."""


@dataclass(frozen=True)
class Checked:
    """A limit, and what the prompts of the final comparison took on its rows."""

    metric: str
    most: float
    seed: float | None
    """Mean over its calls; None when the service does not say."""
    best: float | None
    champion: float | None = None

    @property
    def kept(self) -> bool:
        """By the best prompt, as far as it is known."""
        return self.best is None or self.best <= self.most

    @property
    def kept_by_seed(self) -> bool:
        return self.seed is None or self.seed <= self.most

    @property
    def kept_by_champion(self) -> bool:
        return self.champion is None or self.champion <= self.most

    @property
    def note(self) -> str | None:
        """What a reader should know."""
        if self.best is None:
            return f"the limit on {self.metric} was not checked: the service does not tell"
        if self.kept:
            return None
        found = f"the best prompt breaks the limit {self.metric} <= {self.most:g}: {self.best:.4g}"
        return found + ("" if self.kept_by_seed else f"; so does the seed prompt: {self.seed:.4g}")

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "kept": self.kept}


def check(
    limits: Iterable[Limit],
    seed: Sequence[Outcome],
    best: Sequence[Outcome],
    champion: Sequence[Outcome] = (),
) -> tuple[Checked, ...]:
    """Each limit against the sides' outcomes on `test`."""
    return tuple(
        Checked(one.metric, one.most, one.mean(seed), one.mean(best), one.mean(champion))
        for one in limits
    )


def best_within(
    limits: Sequence[Limit],
    best: Standing,
    seed: Standing,
    standings: Iterable[Standing],
    outcomes: Iterable[Outcome],
) -> Standing:
    """The best, or, when it breaks a limit on its calls, the best of those that keep them all.

    That is the one with the highest lower end of its estimate; without one the seed. When that
    breaks a limit as well it is the best after all: the final comparison says so.
    """
    if not limits:
        return best
    told: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        told.setdefault(outcome.cell.candidate.id, []).append(outcome)

    def keeps(standing: Standing) -> bool:
        means = ((one, one.mean(told.get(standing.candidate.id, ()))) for one in limits)
        return all(mean is None or mean <= one.most for one, mean in means)

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

"""Regret against calls: a scheme in a world, one call in flight."""

from collections.abc import Iterator, Sequence
from typing import TypedDict

from lab.schemes import BUDGETED, SCHEMES
from lab.worlds import Scheme, World


class Row(TypedDict):
    """One reading. `regret`: points (0 to 100) below the best candidate."""

    policy: str
    table: str
    seed: int
    calls: int
    regret: float


def measure(policy: str, world: World, *, seed: int, calls: Sequence[int]) -> list[Row]:
    """A row for each number of calls; schemes made for a budget are run anew for each."""
    points = sorted(set(calls))
    runs = [[n] for n in points] if policy in BUDGETED else [points]
    return [
        Row(policy=policy, table=world.name, seed=seed, calls=at, regret=regret)
        for run in runs
        for at, regret in zip(
            run, regrets(SCHEMES[policy](world, seed, run[-1]), world, run), strict=True
        )
    ]


def regrets(scheme: Scheme, world: World, points: Sequence[int]) -> Iterator[float]:
    """Regret of the recommendation after each number of calls (ascending), in points."""
    spent = 0
    for at in points:
        while spent < at and (cell := scheme.ask()) is not None:
            scheme.tell(*cell, world.outcome(*cell))
            spent += 1
        yield max(0.0, 100 * (world.best - world.quality(scheme.recommend())))

"""Agreement of two raters from their table, each figure with its 95 % interval.

kappa            Cohen 1960; with quadratic weights, Cohen 1968
AC1              Gwet 2008 (British Journal of Mathematical and Statistical Psychology 61:29-48):
                 kappa falls to 0 where nearly all answers have one label, AC1 does not
intervals        2.5 % and 97.5 % of the figure's posterior, as Basu, Banerjee and Sen 2000
                 (Biometrics 56:577-582) have it for kappa, under Perks' prior: one label, spread
                 evenly over the cells of the table. A bootstrap says that raters who agreed 20
                 times of 20 never differ; this does not. For two levels, the agreement's
                 interval is Jeffreys'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from promptlathe.scoring.calibration.calibration import Interval

DRAWS = 4000
Tables = NDArray[np.float64]
"""Probabilities: [..., label of people, verdict of the judge]."""


@dataclass(frozen=True)
class Agreement:
    """Of one table."""

    agreement: Interval
    kappa: Interval
    weighted_kappa: Interval | None
    ac1: Interval


def agreement_of(counts: NDArray[np.int64], values: Sequence[float]) -> Agreement:
    """counts: answers by label of people and verdict of the judge. values: of the levels."""
    size = len(values)
    worth = np.array(values)
    seen = counts / counts.sum()
    rng = np.random.default_rng(0)
    drawn = rng.dirichlet((counts + 1 / size**2).ravel(), DRAWS).reshape(DRAWS, size, size)
    apart = worth[None, :] - worth[:, None]

    def figure(of: Callable[[Tables], Tables]) -> Interval:
        low, high = np.quantile(of(drawn), (0.025, 0.975))
        value = float(of(seen[None])[0])
        return Interval(value, min(value, float(low)), max(value, float(high)))

    weighted = figure(lambda t: kappa(t, apart**2)) if size > 2 else None
    return Agreement(
        figure(lambda t: np.trace(t, axis1=-2, axis2=-1)),
        figure(lambda t: kappa(t, 1 - np.eye(size))),
        weighted,
        figure(ac1),
    )


def error_of(people: Sequence[float], judge: Sequence[float], step: float) -> Interval:
    """The judge's mean less that of people, on the same answers; step: between two levels.

    As Bonett and Price 2012 (Journal of Educational and Behavioral Statistics 37:479-488) have it
    for two levels: with one difference of a step more in each direction.
    """
    apart = np.subtract(judge, people)
    more = np.array([*apart, step, -step])
    half = 1.96 * float(more.std(ddof=1)) / len(more) ** 0.5
    middle = float(more.mean())
    return Interval(float(apart.mean()), middle - half, middle + half)


def kappa(tables: Tables, weights: NDArray[np.float64]) -> Tables:
    """1 less the disagreement over that of independent raters; 1 where neither can disagree."""
    people, judge = tables.sum(-1), tables.sum(-2)
    by_chance = (weights * people[..., :, None] * judge[..., None, :]).sum((-2, -1))
    found = (weights * tables).sum((-2, -1))
    return np.where(by_chance > 0, 1 - found / np.where(by_chance > 0, by_chance, 1), 1.0)


def ac1(tables: Tables) -> Tables:
    """Gwet's AC1."""
    share = (tables.sum(-1) + tables.sum(-2)) / 2
    by_chance = (share * (1 - share)).sum(-1) / (tables.shape[-1] - 1)
    return (np.trace(tables, axis1=-2, axis2=-1) - by_chance) / (1 - by_chance)

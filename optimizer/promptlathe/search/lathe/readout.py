"""A finished search's outcomes under the model (model.py), and its posterior in score points."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from promptlathe.records import Outcome
from promptlathe.search.lathe.landscape import Point, SpaceLandscape
from promptlathe.search.lathe.link import Array, logistic
from promptlathe.search.lathe.model import Data, Draws, Fit, fit
from promptlathe.search.lathe.settings import Earlier
from promptlathe.space import BoundSpace

DRAWS = 400
ROUNDS = 12
"""Fits, each of which takes the variances one step further."""
SETTLED = 0.05
"""Relative change of the variances, below which they are."""
WIDER = 4.0
"""Times the priors of the search: these shrink what a search has left early, as a search should;
a report should not. Intervals then hold for effects of a search by `lathe` as well."""


class Evidence:
    """The outcomes of a search as the model takes them; failures of the service are left out.

    Those of earlier runs that it began with count too, where they are cells of this one.
    """

    def __init__(
        self,
        landscape: SpaceLandscape,
        outcomes: Sequence[Outcome],
        earlier: Sequence[Earlier] = (),
    ) -> None:
        self.landscape = landscape
        self._values: dict[tuple[Point, str], list[float]] = defaultdict(list)
        self.calls: Counter[Point] = Counter()
        """Cells of each candidate that have a value."""
        for outcome in outcomes:
            if outcome.value is not None:
                point = outcome.cell.candidate.levels
                self._values[point, outcome.cell.example.id].append(outcome.value)
                self.calls[point] += 1
        for one in earlier:
            cell = tuple(one.levels.items()), one.example
            if one.known and cell not in self._values:
                self._values[cell].append(one.value)
                self.calls[cell[0]] += 1
        # Sorted: the order in which answers arrived must not matter.
        self.points = sorted(self.calls, key=repr)
        values = [value for some in self._values.values() for value in some]
        self.low, self.high = min([0.0, *values]), max([1.0, *values])

    @cached_property
    def fit(self) -> Fit:
        """The posterior, with its variances settled. Needs a point."""
        rows = {point: i for i, point in enumerate(self.points)}
        columns = {one: i for i, one in enumerate(sorted({e for _, e in self._values}))}
        y = np.full((len(rows), len(columns)), np.nan)
        trust = np.ones(y.shape)
        for (point, example), some in self._values.items():
            at = rows[point], columns[example]
            y[at] = (np.mean(some) - self.low) / (self.high - self.low)
            trust[at] = len(some)
        encoder = self.landscape.encoder
        phi = encoder.encode([self.landscape.values(point) for point in self.points])
        groups = tuple(replace(group, prior=WIDER * group.prior) for group in encoder.groups)
        data = Data(groups, phi, y, trust)
        found = fit(data)
        for _ in range(ROUNDS):
            before, found = np.array(found.priors.groups), fit(data, found)
            if np.all(abs(np.array(found.priors.groups) - before) <= SETTLED * before):
                break
        return found


class Readout:
    """Draws of the posterior, and how they turn features and candidates into points."""

    GRID = np.linspace(-8, 8, 97)

    def __init__(
        self, space: BoundSpace, outcomes: Sequence[Outcome], earlier: Sequence[Earlier] = ()
    ) -> None:
        """outcomes: of a search, with any policy; earlier: what it began with."""
        self.space = space
        self.told = Evidence(SpaceLandscape(space), outcomes, earlier)
        self._u: dict[Point, Array] = {}

    @cached_property
    def _draws(self) -> Draws:
        """Their means are known exactly."""
        fit = self.told.fit
        draws = fit.draw(DRAWS, np.random.default_rng(0))
        return replace(
            draws,
            tried=draws.tried + (fit.u - draws.tried.mean(1))[:, None],
            weights=draws.weights + (fit.weights - draws.weights.mean(1))[:, None],
        )

    @property
    def weights(self) -> Array:
        """(p, S)."""
        return self._draws.weights

    @cached_property
    def _u0(self) -> Array:
        """(S,) mean u of the tried candidates."""
        return self._draws.tried.mean(0)

    @cached_property
    def _curve(self) -> Array:
        """(len(GRID), S) expected score at u0 + z, in points."""
        curve = np.empty((len(self.GRID), DRAWS))
        for s, u0 in enumerate(self._u0):
            u = u0 + self.GRID[:, None] - self._draws.difficulty[:, s]
            curve[:, s] = 100 * (self.told.high - self.told.low) * logistic(u).mean(1)
        return curve

    def points(self, z: Array) -> Array:
        """(k, S) expected score at u0 + z, in points, for z (k, S)."""
        steps = len(self.GRID) - 1
        place = np.clip((z - self.GRID[0]) * steps / (self.GRID[-1] - self.GRID[0]), 0, steps)
        left = np.minimum(place.astype(int), steps - 1)
        share, draws = place - left, np.arange(DRAWS)
        return (1 - share) * self._curve[left, draws] + share * self._curve[left + 1, draws]

    def change(self, z: Array) -> Array:
        """(k, S) points against those at u0."""
        return self.points(z) - self.points(np.zeros((1, DRAWS)))

    def score(self, points: Sequence[Point]) -> Array:
        """(S,) mean expected score of these candidates, in points; some may not be tried."""
        return self.points(np.array([self._utility(one) - self._u0 for one in points])).mean(0)

    def _utility(self, point: Point) -> Array:
        """(S,) u, what the features do not explain included: of a candidate that was not tried,
        as much as others have."""
        if point not in self._u:
            self._u[point] = self._found(point)
        return self._u[point]

    def _found(self, point: Point) -> Array:
        if point in self.told.calls:
            return self._draws.tried[self.told.points.index(point)]
        phi = self.told.landscape.encoder.encode([self.told.landscape.values(point)])[0]
        rng = np.random.default_rng(zlib.crc32(repr(point).encode()))
        rest = np.sqrt(self.told.fit.priors.residual) * rng.standard_normal(DRAWS)
        return phi @ self.weights + rest


def interval(draws: Array) -> tuple[float, float]:
    """The central 95 % of (S,) draws."""
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)

"""Where the candidates are: a space as the policy `lathe` walks over it, never enumerated."""

from collections.abc import Hashable, Mapping, Sequence
from itertools import islice
from typing import Protocol

import numpy as np

from promptlathe.records import Candidate, Value
from promptlathe.search.lathe.features import Axis, Category, Encoder, Number, Rows, Texts
from promptlathe.search.lathe.link import Array
from promptlathe.search.lathe.model import Group
from promptlathe.space import BoundSpace, Categorical, Choice, Demos, Parameter, Real

Point = tuple[tuple[str, Value], ...]
"""Levels by name, canonical: what a candidate is before its prompt is written."""
SMALL = 256
"""A space that is no larger is looked at as a whole."""
TRIES = 20
"""Random points among which one with a new level is looked for."""
MOST_VALUES = 24
"""Of a number, that are compared when the best level is looked for."""


class Encoding(Protocol):
    """Candidates as rows of features; see features.Encoder."""

    @property
    def groups(self) -> tuple[Group, ...]: ...

    @property
    def width(self) -> int: ...

    def encode(self, candidates: Sequence[Sequence[Hashable]]) -> Array: ...


class Landscape(Protocol):
    """What the policy needs of a space; benchmarks bring a pool of recorded prompts instead."""

    seed: Point

    @property
    def encoder(self) -> Encoding: ...

    def values(self, point: Point) -> Sequence[Hashable]:
        """Its level on each of the encoder's axes; None where it is not active."""
        ...

    def left(self, levels: Mapping[str, Value]) -> Sequence[Hashable]:
        """As `values`, of a candidate of another space: None where this one has no such level."""
        ...

    def candidate(self, point: Point) -> Candidate: ...

    def suggest(
        self, rng: np.random.Generator, *, count: int, leaders: Sequence[Point], weights: Array
    ) -> list[Point]:
        """Points worth a look: random ones, neighbours of the leaders, and for each column of
        `weights` (p, S) the point with the best levels under them. Known ones may be among them.
        """
        ...


class SpaceLandscape:
    """A `Landscape` of a declared space."""

    def __init__(self, bound: BoundSpace) -> None:
        self._bound, self._space = bound, bound.space
        self._demos = [n for n, c in self._space.varied.items() if isinstance(c, Demos)]
        hidden = {f"{name}.draw" for name in self._demos}  # it acts through the rows it shows
        self._named = [p for p in self._space.parameters if p.name not in hidden]
        axes: list[Axis] = [self._axis(parameter) for parameter in self._named]
        axes += [Rows(f"{name} (rows)", bound.showable(name)) for name in self._demos]
        self.encoder = Encoder(axes, [self._space.step_of(axis.name) for axis in axes])
        self.seed: Point = tuple(self._space.seed_levels.items())
        size = self._space.size
        whole = size.exact and not size.continuous and size.count <= SMALL
        found = islice(self._space.combinations(), SMALL) if whole else ()
        self._all: list[Point] = [tuple(levels.items()) for levels in found]

    def values(self, point: Point) -> Sequence[Hashable]:
        levels = dict(point)
        shown = [self._bound.shown(name, levels) for name in self._demos]
        return [*(levels.get(p.name) for p in self._named), *shown]

    def left(self, levels: Mapping[str, Value]) -> Sequence[Hashable]:
        domains = {p.name: p.domain for p in self._space.parameters}
        known = {n: v for n, v in levels.items() if n in domains and v in domains[n]}
        shown = [self._left_rows(name, known) for name in self._demos]
        return [*(known.get(p.name) for p in self._named), *shown]

    def _left_rows(self, name: str, levels: Mapping[str, Value]) -> Hashable:
        try:
            return self._bound.shown(name, levels)
        except KeyError:  # which draw is not known
            return None

    def candidate(self, point: Point) -> Candidate:
        return self._bound.candidate(dict(point))

    def suggest(
        self, rng: np.random.Generator, *, count: int, leaders: Sequence[Point], weights: Array
    ) -> list[Point]:
        if self._all:
            return self._all
        points = [tuple(self._space.draw(rng).items()) for _ in range(count)]
        for leader in leaders:
            points += [self._changed(leader, rng) for _ in range(count // (2 * len(leaders)))]
        return list(dict.fromkeys([*points, *self._best(weights, rng)]))

    def with_new_levels(
        self, before: Landscape, point: Point, rng: np.random.Generator, each: int
    ) -> list[Point]:
        """For each level that the space before did not have: `point` with it, where that may be,
        then random points with it; `each` in all."""
        assert isinstance(before, SpaceLandscape)
        known = {p.name: p.domain for p in before._space.parameters}
        found: list[Point] = []
        for parameter in self._space.parameters:
            domain = parameter.domain
            old = known.get(parameter.name)
            for level in domain.values if isinstance(domain, Categorical) else ():
                if old is None or level not in old:
                    found += self._with_level(point, parameter.name, level, rng, each)
        return found

    def _with_level(
        self, point: Point, name: str, level: Value, rng: np.random.Generator, each: int
    ) -> list[Point]:
        kept = {**dict(point), name: level}
        bases = [kept, *({**self._space.draw(rng), name: level} for _ in range(TRIES))]
        points = dict.fromkeys(self._completed(base, rng) for base in bases)
        return [one for one in points if dict(one).get(name) == level][:each]

    def _axis(self, parameter: Parameter) -> Axis:
        component = self._space.varied.get(parameter.name)
        if isinstance(component, Choice):
            texts = {one.name: one.text or "" for one in component.choice}
            parents = {one.name: one.parents for one in component.choice if one.parents}
            return Texts(parameter.name, texts, parents)
        domain = parameter.domain
        if isinstance(domain, Categorical):
            return Category(parameter.name, domain.values)
        return Number(parameter.name, domain.low, domain.high)

    def _changed(self, point: Point, rng: np.random.Generator) -> Point:
        """One or two levels drawn anew; levels that become active are drawn too."""
        levels = dict(point)
        redrawn = set(rng.permutation(sorted(levels))[: 1 + int(rng.integers(2))].tolist())
        return self._completed({n: v for n, v in levels.items() if n not in redrawn}, rng)

    def _completed(self, kept: Mapping[str, Value], rng: np.random.Generator) -> Point:
        levels: dict[str, Value] = {}
        for parameter in self._space.parameters:
            if parameter.active(levels):
                given = kept.get(parameter.name)
                levels[parameter.name] = parameter.domain.draw(rng) if given is None else given
        if not self._space.allows(levels):
            levels = self._space.draw(rng)
        return tuple(levels.items())

    def _best(self, weights: Array, rng: np.random.Generator) -> list[Point]:
        """For each column of weights the best level of each parameter, by its own effect."""
        best: list[dict[str, Value]] = [{} for _ in range(weights.shape[1])]
        for parameter, axis, group in zip(
            self._named, self.encoder.axes, self.encoder.groups, strict=False
        ):
            values = _some_values(parameter, rng)
            table = np.array([axis.vector(value) for value in values])
            for s, place in enumerate(np.argmax(table @ weights[group.columns], axis=0)):
                best[s][parameter.name] = values[int(place)]
        return [self._completed(levels, rng) for levels in best]


def _some_values(parameter: Parameter, rng: np.random.Generator) -> list[Value]:
    domain = parameter.domain
    if isinstance(domain, Real):
        return [domain.rounded(float(v)) for v in np.linspace(domain.low, domain.high, MOST_VALUES)]
    values = list(domain.values)
    if len(values) <= MOST_VALUES or isinstance(domain, Categorical):
        return values
    places = np.linspace(0, len(values) - 1, MOST_VALUES).astype(int)
    return [values[int(i)] for i in places]

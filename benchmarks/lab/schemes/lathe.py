"""The policy `lathe` itself, in a world of the lab; `lathe:…` are its ablations."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from lab.worlds import Codes, Component, World
from promptlathe.records import Answer, Candidate, Cell, Example, Message, Prompt, Value
from promptlathe.search.lathe import LathePolicy, Point, Settings
from promptlathe.search.lathe.features import Axis, Category, Encoder, Number, Rows, Texts
from promptlathe.testing.records import outcome

SMALL = 256
"""Worlds that are looked at as a whole."""
MOST_RECORDED = 400
"""Recorded candidates that are looked at in one go."""


class WorldLandscape:
    """A `Landscape` of a world: levels are the codes."""

    def __init__(self, world: World) -> None:
        self._world, self._components = world, world.components
        self.encoder = Encoder([_axis(c) for c in self._components])
        self._pool = None if world.pool is None else [self.point(c) for c in world.pool]
        self._names = [component.name for component in self._components]
        self.seed = self._pool[0] if self._pool else self.point((0,) * len(self._components))

    def point(self, codes: Codes) -> Point:
        return tuple((c.name, int(code)) for c, code in zip(self._components, codes, strict=True))

    def values(self, point: Point) -> Sequence[Hashable]:
        return [c.levels[int(code)] for c, (_, code) in zip(self._components, point, strict=True)]

    def left(self, levels: Mapping[str, Value]) -> Sequence[Hashable]:
        return [
            c.levels[int(levels[c.name])] if c.name in levels else None for c in self._components
        ]

    def candidate(self, point: Point) -> Candidate:
        return Candidate.single(point, Prompt((Message("user", repr(point)),)))

    def suggest(
        self, rng: np.random.Generator, *, count: int, leaders: Sequence[Point], weights: np.ndarray
    ) -> list[Point]:
        if self._pool is not None:
            if len(self._pool) <= MOST_RECORDED:
                return self._pool
            return [self._pool[i] for i in rng.permutation(len(self._pool))[:MOST_RECORDED]]
        sizes = [len(component.levels) for component in self._components]
        codes = [tuple(int(rng.integers(size)) for size in sizes) for _ in range(count)]
        for leader in leaders:
            for _ in range(count // (2 * len(leaders))):
                changed = [int(code) for _, code in leader]
                for place in rng.permutation(len(sizes))[: 1 + int(rng.integers(2))]:
                    changed[place] = int(rng.integers(sizes[place]))
                codes.append(tuple(changed))
        best = [
            np.argmax(np.array([axis.vector(v) for v in c.levels]) @ weights[group.columns], axis=0)
            for c, axis, group in zip(
                self._components, self.encoder.axes, self.encoder.groups, strict=False
            )
        ]
        codes += [tuple(int(b[s]) for b in best) for s in range(weights.shape[1])]
        return [self.point(one) for one in dict.fromkeys(codes)]


class Lathe:
    """A `Scheme` around the policy."""

    def __init__(
        self,
        world: World,
        seed: int,
        calls: int,
        settings: Settings | None = None,
        *,
        cold: bool = False,
        right: bool = False,
    ) -> None:
        """cold: what the world remembers of earlier runs is left out. right: only whether answers
        are right counts, not how likely the model thought the right ones."""
        examples = [Example(f"{i:06}", {}, "select") for i in range(world.examples)]
        landscape = WorldLandscape(world)
        if world.pool is not None:  # no prompt is the user's own: any may be the first
            rng = np.random.default_rng([seed, 7])
            landscape.seed = landscape.point(world.pool[int(rng.integers(len(world.pool)))])
        earlier = () if cold else getattr(world, "earlier", ())
        self.policy = LathePolicy(
            landscape, examples, study=None, seed=seed, earlier=earlier, settings=settings
        )
        self._cell: Cell | None = None
        self._soft = None if right else getattr(world, "soft", None)

    def ask(self) -> tuple[Codes, int] | None:
        cells = self.policy.propose((), 1)
        if not cells:
            return None
        self._cell = cells[0]
        return _codes(self._cell.candidate), int(self._cell.example.id)

    def tell(self, codes: Codes, example: int, value: float) -> None:
        assert self._cell is not None
        soft = self._soft and self._soft(codes, example)
        self.policy.tell(outcome(self._cell, Answer("", 1, 1), {"score": value}, value, soft=soft))

    def recommend(self) -> Codes:
        """As of all answers so far, as at the end of a job."""
        self.policy.close()
        return _codes(self.policy.best.candidate)


def _codes(candidate: Candidate) -> Codes:
    return tuple(int(code) for _, code in candidate.levels)


def _axis(component: Component) -> Axis:
    levels = component.levels
    match component.kind:
        case "number":
            numbers = [float(level) for level in levels]  # type: ignore[arg-type]
            return Number(component.name, min(numbers), max(numbers))
        case "text":
            return Texts(component.name, {level: str(level) for level in levels})
        case "rows":
            rows = dict.fromkeys(row for level in levels for row in level)  # type: ignore[union-attr]
            return Rows(component.name, list(rows))
        case "category":
            return Category(component.name, levels)

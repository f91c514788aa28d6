"""A world to search in, a scheme that searches it, and the contract between them.

A world answers cells (candidate x example) and knows the true quality of every candidate: recorded
answers of a model (recorded.py) or a simulation (factorial.py). A scheme buys cells one at a time
and can say at any moment which candidate it would recommend:

    ask() -> (codes, example)        the next cell to buy; never one that was bought before
    tell(codes, example, value)      its answer; one call is in flight at a time
    recommend() -> codes             allowed at any time, also before the first answer
    ask() -> None                    nothing is left to buy
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, Protocol

import numpy as np

Codes = tuple[int, ...]
"""A candidate: one level index for each component."""
Cell = tuple[Codes, int]
"""What is bought: a candidate's answer on one example."""


@dataclass(frozen=True)
class Component:
    """What varies, and what kind of thing its levels are.

    category  names without structure
    text      texts: similar ones may act alike
    number    ordered numbers
    rows      tuples of demo texts, in the order in which they stand in the prompt
    """

    name: str
    levels: tuple[Hashable, ...]
    kind: Literal["category", "text", "number", "rows"] = "category"


class World(Protocol):
    """Answers of candidates on `examples` examples, and the truth about them."""

    @property
    def name(self) -> str: ...

    @property
    def components(self) -> tuple[Component, ...]: ...

    @property
    def pool(self) -> Sequence[Codes] | None:
        """The only candidates that there are; None: every combination of levels."""
        ...

    @property
    def examples(self) -> int: ...

    @property
    def best(self) -> float:
        """The quality of the best candidate."""
        ...

    def outcome(self, codes: Codes, example: int, repeat: int = 0) -> float:
        """The score of a cell in [0, 1]: always the same one for the same arguments."""
        ...

    def quality(self, codes: Codes) -> float:
        """The true mean score, in [0, 1]."""
        ...


class Scheme(Protocol):
    """A policy under test; see the contract above."""

    def ask(self) -> Cell | None: ...

    def tell(self, codes: Codes, example: int, value: float) -> None: ...

    def recommend(self) -> Codes: ...


Make = Callable[[World, int, int], Scheme]
"""(world, seed, calls: the whole budget) -> a scheme."""


def size(world: World) -> int:
    """How many candidates there are."""
    if world.pool is not None:
        return len(world.pool)
    return prod(len(component.levels) for component in world.components)


def shuffled(world: World, rng: np.random.Generator) -> Iterator[Codes]:
    """All candidates in random order, drawn as they are needed: nothing is enumerated."""
    if world.pool is not None:
        yield from (world.pool[i] for i in rng.permutation(len(world.pool)))
        return
    shape = [len(component.levels) for component in world.components]
    total, seen = prod(shape), set[int]()
    while len(seen) < total // 2:
        index = int(rng.integers(total))
        if index not in seen:
            seen.add(index)
            yield _unravel(index, shape)
    # Draws would mostly hit what was seen: shuffle the rest.
    rest = [index for index in range(total) if index not in seen]
    yield from (_unravel(rest[i], shape) for i in rng.permutation(len(rest)))


def _unravel(index: int, shape: Sequence[int]) -> Codes:
    return tuple(int(code) for code in np.unravel_index(index, shape))

"""A scheme written as one generator of cells: what most baselines are."""

from collections.abc import Iterator

import numpy as np

from lab.worlds import Cell, Codes, World


class Script:
    """A `Scheme` whose subclass writes `plan`: it yields cells and finds their answers in `scores`.

    The plan runs ahead to its next cell as soon as an answer is told, so that `choice`, which it
    sets, has seen all answers. Cells that are known already are not yielded again: use `missing`.
    """

    def __init__(self, world: World, seed: int, calls: int) -> None:
        self.world, self.calls = world, calls
        self.rng = np.random.default_rng(seed)
        self.scores: dict[Codes, dict[int, float]] = {}
        self.choice: Codes = ()
        self.bought = 0
        self._plan = self.plan()
        self._next = next(self._plan, None)

    def plan(self) -> Iterator[Cell]:
        raise NotImplementedError

    def ask(self) -> Cell | None:
        return self._next

    def tell(self, codes: Codes, example: int, value: float) -> None:
        self.scores.setdefault(codes, {})[example] = value
        self.bought += 1
        self._next = next(self._plan, None)

    def recommend(self) -> Codes:
        return self.choice

    def missing(self, codes: Codes, examples: np.ndarray) -> Iterator[Cell]:
        """The cells of a candidate on these examples that were not bought yet."""
        known = self.scores.get(codes, {})
        yield from ((codes, int(i)) for i in examples if int(i) not in known)

    def mean(self, codes: Codes) -> float:
        """Mean score of what was bought; -1 before anything was."""
        known = self.scores.get(codes)
        return sum(known.values()) / len(known) if known else -1.0

    def full_pass(self, codes: Codes) -> Iterator[Cell]:
        yield from self.missing(codes, self.order)

    @property
    def order(self) -> np.ndarray:
        """The examples in one random order, the same for all candidates."""
        if not hasattr(self, "_order"):
            self._order = self.rng.permutation(self.world.examples)
        return self._order

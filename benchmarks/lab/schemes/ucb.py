"""UCB1 on a random pool of candidates (Auer, Cesa-Bianchi & Fischer 2002)."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from lab.schemes.script import Script
from lab.worlds import Cell, shuffled, size

PER_CANDIDATE = 20
"""Calls for each candidate on average: a larger pool is cut down to a random subset."""
WIDTH = 0.1
"""The exploration constant. Auer's is 2, for any scores in [0, 1], and explores far too much among
prompts that differ by a few points; of 2, 0.5 and 0.1 (and 5, 10, 20, 40 calls each) the best."""


class Ucb(Script):
    """Each candidate once, then the highest mean + sqrt(WIDTH ln t / n), on a random new example.

    Recommends the candidate with the most calls, the better mean among equals.
    """

    def plan(self) -> Iterator[Cell]:
        each = min(PER_CANDIDATE, self.world.examples)
        count = min(size(self.world), max(2, self.calls // each))
        arms = list(islice(shuffled(self.world, self.rng), count))
        examples = [self.rng.permutation(self.world.examples) for _ in arms]
        pulls, totals = np.zeros(count), np.zeros(count)
        self.choice = arms[0]
        for time in range(count * self.world.examples):
            arm = time if time < count else self._highest(pulls, totals, time)
            example = int(examples[arm][int(pulls[arm])])
            yield arms[arm], example
            totals[arm] += self.scores[arms[arm]][example]
            pulls[arm] += 1
            self.choice = arms[self._best(pulls, totals)]

    def _highest(self, pulls: np.ndarray, totals: np.ndarray, time: int) -> int:
        bound = totals / pulls + np.sqrt(WIDTH * np.log(time) / pulls)
        bound[pulls == self.world.examples] = -np.inf  # nothing left to ask
        return int(bound.argmax())

    def _best(self, pulls: np.ndarray, totals: np.ndarray) -> int:
        return int(np.lexsort((totals / np.maximum(pulls, 1), pulls))[-1])

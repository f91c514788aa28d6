"""TRIPLE's scheme: sequential halving on a pool of prompts with a fixed budget (Shi et al. 2024).

Karnin, Koren & Somekh 2013, algorithm 3: ceil(log2 n) rounds of equal cost; in each, every
survivor meets floor(N / (survivors x rounds)) examples drawn at random, its own each time, without
those that it has met; then the better half by the mean of all of its answers survives.
"""

import math
from collections.abc import Iterator
from itertools import islice

from lab.schemes.script import Script
from lab.worlds import Cell, shuffled, size

PER_CANDIDATE = 5
"""Calls for each candidate on average: a larger pool is cut down to a random subset.

Of 3, 5, 10 and 20, all about equally good."""


class Triple(Script):
    """Recommends the best mean among the survivors."""

    def plan(self) -> Iterator[Cell]:
        each = min(PER_CANDIDATE, self.world.examples)
        count = min(size(self.world), max(2, self.calls // each))
        while count > 2 and count * math.ceil(math.log2(count)) > self.calls:
            count -= 1  # each meets at least one example in the first round
        alive = list(islice(shuffled(self.world, self.rng), count))
        self.choice = alive[0]
        number = math.ceil(math.log2(count))
        for _ in range(number):
            share = max(1, self.calls // (len(alive) * number))
            for codes in alive:
                yield from islice(
                    self.missing(codes, self.rng.permutation(self.world.examples)), share
                )
            alive.sort(key=self.mean, reverse=True)
            alive = alive[: math.ceil(len(alive) / 2)]
            self.choice = alive[0]

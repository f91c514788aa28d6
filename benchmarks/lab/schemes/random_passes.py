"""Random search: candidates in random order, each on every example."""

from collections.abc import Iterator

from lab.schemes.script import Script
from lab.worlds import Cell, shuffled


class RandomPasses(Script):
    """Recommends the best mean; before a first pass is complete, the candidate under way."""

    def plan(self) -> Iterator[Cell]:
        best = -1.0
        for codes in shuffled(self.world, self.rng):
            if not self.scores:
                self.choice = codes
            yield from self.full_pass(codes)
            if self.mean(codes) > best:
                best, self.choice = self.mean(codes), codes

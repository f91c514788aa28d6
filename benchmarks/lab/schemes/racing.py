"""CAPO's scheme: racing in blocks of 30 examples with paired t-tests at alpha 0.2.

Zehle et al. 2025, section 3: all candidates answer the same block; after each, a candidate goes
when at least `KEEP` others are better by a one-sided paired t-test on all blocks so far; until
`KEEP` are left, or the examples are used up. A race that ends within the budget is followed by
another of the winner with new candidates, on the same blocks, whose answers are known for it.
"""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from lab.schemes.script import Script
from lab.worlds import Cell, Codes, shuffled

BLOCK = 30
ALPHA = 0.2
KEEP = 1
BLOCKS_EACH = 2
"""Blocks for each candidate of a race: sets how many race. Of 1.2, 2, 3 and 5, the best."""


class Racing(Script):
    """Recommends the best mean among the survivors that have met the most blocks."""

    def plan(self) -> Iterator[Cell]:
        newcomers = shuffled(self.world, self.rng)
        block = min(BLOCK, self.world.examples)
        field = max(2, int(self.calls / (block * BLOCKS_EACH)))
        alive: list[Codes] = []
        while fresh := list(islice(newcomers, max(1, field - len(alive)))):
            alive += fresh
            self.choice = self.choice or alive[0]
            for start in range(0, self.world.examples, block):
                for codes in alive:
                    yield from self.missing(codes, self.order[start : start + block])
                alive = self._survivors(alive, self.order[: start + block])
                self.choice = alive[0]
                if len(alive) <= KEEP:
                    break
            alive = alive[:KEEP]

    def _survivors(self, alive: list[Codes], examples: np.ndarray) -> list[Codes]:
        """Those that fewer than KEEP others beat, the best mean first."""
        from scipy.stats import t

        known = np.array([[self.scores[codes][int(i)] for i in examples] for codes in alive])
        means = known.mean(axis=1)
        n = known.shape[1]
        if n < 2:
            return sorted(alive, key=self.mean, reverse=True)
        # Paired: the variance of a difference is var a + var b - 2 cov.
        covariance = np.atleast_2d(np.cov(known))
        variance = np.diag(covariance)
        spread = np.maximum(variance[:, None] + variance - 2 * covariance, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = (means - means[:, None]) / np.sqrt(spread / n)
        better = np.nan_to_num(statistic, nan=0.0) > t.ppf(1 - ALPHA, n - 1)
        beaten = better.sum(axis=1) >= KEEP
        ranked = sorted(range(len(alive)), key=lambda i: -means[i])
        return [alive[i] for i in ranked if not beaten[i]]

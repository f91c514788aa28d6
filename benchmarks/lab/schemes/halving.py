"""Paired successive halving: after each round the worse half goes, all on the same examples.

Karnin, Koren & Somekh 2013 (algorithm 3), with three things that make it stronger here: the
examples come in one order for all, so that candidates are compared in pairs; answers of earlier
rounds count; and what a round cannot use, since the examples are all bought, goes to the others.
"""

from collections.abc import Iterator
from itertools import islice

from lab.schemes.script import Script
from lab.worlds import Cell, shuffled, size

FIRST_ROUND = 2
"""Examples in the first round, when there are more candidates than calls can try.

Of 1, 2, 4, 8 and 16, the best over the recorded and the simulated worlds; 1 and 4 are close."""


class Halving(Script):
    """The schedule is made for the budget; see `rounds`."""

    def plan(self) -> Iterator[Cell]:
        count = field(size(self.world), self.calls, self.world.examples)
        alive = list(islice(shuffled(self.world, self.rng), count))
        self.choice = alive[0]
        for members, seen in rounds(count, self.calls, self.world.examples):
            alive = alive[:members]
            for codes in alive:
                yield from self.missing(codes, self.order[:seen])
                self.choice = max(alive, key=self._rank)
            alive.sort(key=self.mean, reverse=True)
            self.choice = alive[0]

    def _rank(self, codes: tuple[int, ...]) -> tuple[int, float]:
        return len(self.scores.get(codes, ())), self.mean(codes)


def field(candidates: int, calls: int, examples: int) -> int:
    """How many candidates start: as many as get FIRST_ROUND examples in the first round."""
    count = min(candidates, max(2, calls))
    while count > 2 and rounds(count, calls, examples)[0][1] < min(FIRST_ROUND, examples):
        count -= max(1, count // 20)
    return count


def rounds(count: int, calls: int, examples: int) -> list[tuple[int, int]]:
    """(candidates, examples that each has seen at its end) of every round.

    Each round costs the same, as far as there are examples; the total is at most `calls`.
    """
    fields = [count]
    while fields[-1] > 2:
        fields.append((fields[-1] + 1) // 2)

    def schedule(unit: float) -> list[tuple[int, int]]:
        seen, plan = 0.0, list[tuple[int, int]]()
        for members in fields:
            seen += unit / members
            plan.append((members, min(examples, int(seen))))
        return plan

    def cost(plan: list[tuple[int, int]]) -> int:
        before = [0, *(seen for _, seen in plan)]
        return sum(n * (seen - was) for (n, seen), was in zip(plan, before, strict=False))

    low, high = 0.0, float(count * examples + 1)
    for _ in range(60):  # bisection on what one round costs
        middle = (low + high) / 2
        low, high = (middle, high) if cost(schedule(middle)) <= calls else (low, middle)
    return schedule(low)

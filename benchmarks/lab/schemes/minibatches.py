"""MIPROv2's scheme (Opsahl-Ong et al. 2024; DSPy): TPE on random minibatches of 35 examples.

After every fifth minibatch, the candidate with the best mean over its minibatches, among those
without a full pass, gets one, and its score joins the study as a trial of its own. DSPy's first
step, a full pass of the program as it came, is left out, which spares it calls here. Cells that
were bought before are read again for nothing.
"""

from collections import defaultdict
from collections.abc import Iterator

from lab.schemes.script import Script
from lab.schemes.suggest import Suggester
from lab.worlds import Cell, Codes

BATCH = 35
FULL_EVERY = 5
FREE = 50
"""Minibatches in a row that bought nothing, until a candidate that was not run is taken."""


class Minibatches(Script):
    """Recommends the best full score; before there is one, the best mean of minibatches."""

    def plan(self) -> Iterator[Cell]:
        suggester = Suggester(self.world, self.rng, repeats=True)
        batches: dict[Codes, list[float]] = defaultdict(list)
        full: dict[Codes, float] = {}
        idle = trials = 0
        while (found := suggester.next() if idle < FREE else suggester.fresh()) is not None:
            trial, codes = found
            before = self.bought
            self.choice = self.choice or codes
            yield from self._minibatch(codes, batches[codes])
            suggester.tell(trial, codes, batches[codes][-1])
            trials += 1
            if trials % FULL_EVERY == 0 and (waiting := batches.keys() - full.keys()):
                # Sorted: the order of a set must not decide between ties.
                promising = max(sorted(waiting), key=lambda c: _mean(batches[c]))
                yield from self.full_pass(promising)
                full[promising] = self.mean(promising)
                suggester.add(promising, full[promising])
            self.choice = max(full, key=full.__getitem__) if full else _best(batches)
            idle = idle + 1 if self.bought == before else 0

    def _minibatch(self, codes: Codes, into: list[float]) -> Iterator[Cell]:
        count = min(BATCH, self.world.examples)
        examples = self.rng.choice(self.world.examples, count, replace=False)
        yield from self.missing(codes, examples)
        into.append(_mean([self.scores[codes][int(i)] for i in examples]))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _best(batches: dict[Codes, list[float]]) -> Codes:
    return max(batches, key=lambda codes: _mean(batches[codes]))

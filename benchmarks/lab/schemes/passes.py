"""An Optuna sampler with full passes: every candidate on every example."""

from collections.abc import Iterator

from lab.schemes.script import Script
from lab.schemes.suggest import Suggester
from lab.worlds import Cell


class TpePasses(Script):
    """Recommends the best complete candidate; before there is one, the one under way."""

    sampler = "tpe"

    def plan(self) -> Iterator[Cell]:
        suggester = Suggester(self.world, self.rng, sampler=self.sampler)
        best = -1.0
        while (found := suggester.next()) is not None:
            trial, codes = found
            if not self.scores:
                self.choice = codes
            yield from self.full_pass(codes)
            suggester.tell(trial, codes, self.mean(codes))
            if self.mean(codes) > best:
                best, self.choice = self.mean(codes), codes


class GpPasses(TpePasses):
    """The same with Optuna's Gaussian process sampler, which needs torch."""

    sampler = "gp"

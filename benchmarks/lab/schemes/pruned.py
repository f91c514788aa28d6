"""Optuna's pruners with TPE: a candidate's examples are bought until the pruner stops it."""

import warnings
from collections.abc import Iterator

import optuna
from optuna.exceptions import ExperimentalWarning

from lab.schemes.script import Script
from lab.schemes.suggest import Suggester
from lab.worlds import Cell


class Wilcoxon(Script):
    """WilcoxonPruner, as its documentation says: examples shuffled for each candidate, each
    example's score reported under the example's number, a pruned trial told its mean so far.

    It is asked at every tenth example from the twentieth on: scipy's exact test, below 14
    differing pairs, takes half a second. Recommends the best trial.
    """

    START, EVERY = 20, 10

    def plan(self) -> Iterator[Cell]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            pruner = optuna.pruners.WilcoxonPruner(p_threshold=0.1, n_startup_steps=self.START)
        suggester = Suggester(self.world, self.rng, pruner=pruner)
        best = -1.0
        while (found := suggester.next()) is not None:
            trial, codes = found
            if not self.scores:
                self.choice = codes
            for seen, example in enumerate(self.rng.permutation(self.world.examples), start=1):
                yield codes, int(example)
                trial.report(self.scores[codes][int(example)], int(example))
                if seen >= self.START and seen % self.EVERY == 0 and trial.should_prune():
                    break
            suggester.tell(trial, codes, self.mean(codes))
            # The pruner never stops a trial whose mean so far is the best: a pruned one is not it.
            if self.mean(codes) > best:
                best, self.choice = self.mean(codes), codes


class Hyperband(Script):
    """HyperbandPruner (Li et al. 2018, asynchronous in Optuna): the examples are the resource.

    They come in one order for all. Recommends the best complete candidate; before there is one,
    the best mean among those with the most examples.
    """

    FIRST = 10
    """Examples before the first chance to be stopped."""

    def plan(self) -> Iterator[Cell]:
        total = self.world.examples
        pruner = optuna.pruners.HyperbandPruner(
            min_resource=min(self.FIRST, total), max_resource=total
        )
        suggester = Suggester(self.world, self.rng, pruner=pruner)
        while (found := suggester.next()) is not None:
            trial, codes = found
            self.choice = self.choice or codes
            for seen, cell in enumerate(self.full_pass(codes), start=1):
                yield cell
                trial.report(self.mean(codes), seen)
                if seen < total and trial.should_prune():
                    suggester.prune(trial)
                    break
            else:
                suggester.tell(trial, codes, self.mean(codes))
            self.choice = max(self.scores, key=lambda c: (len(self.scores[c]), self.mean(c)))

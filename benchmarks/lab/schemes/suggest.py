"""Candidates from an Optuna sampler: what the baselines with a sampler share.

One categorical parameter for each component (its level's index), an integer for a number. Where
only a pool of candidates was recorded, a suggestion is snapped to the candidate of the pool with
the most equal components, ties at random, and Optuna is told the candidate that was really run.
"""

from importlib.util import find_spec

import numpy as np
import optuna
from optuna.trial import Trial, TrialState, create_trial

from lab.worlds import Codes, World, shuffled

optuna.logging.set_verbosity(optuna.logging.WARNING)

DUPLICATES = 10
"""Suggestions in a row that were run before, until a random new candidate is taken instead."""
HAVE_TORCH = find_spec("torch") is not None


class Suggester:
    """Names candidates, and is told their values."""

    def __init__(
        self,
        world: World,
        rng: np.random.Generator,
        *,
        sampler: str = "tpe",
        pruner: optuna.pruners.BasePruner | None = None,
        repeats: bool = False,
    ) -> None:
        """With `repeats` a candidate may be named again; without, never."""
        self._world, self._rng, self._repeats = world, rng, repeats
        seed = int(rng.integers(1 << 31))
        self.study = optuna.create_study(
            study_name=f"bench-{seed}",  # Hyperband deals its brackets by a hash of the name
            direction="maximize",
            sampler=_sampler(sampler, seed),
            pruner=pruner or optuna.pruners.NopPruner(),
        )
        self._varied = [i for i, c in enumerate(world.components) if len(c.levels) > 1]
        self._row = {codes: i for i, codes in enumerate(world.pool or ())}
        self._pool = np.array(world.pool or (), dtype=np.int64)
        self._run = np.zeros(len(self._pool), dtype=bool)
        self._values: dict[Codes, float | None] = {}
        self._others = shuffled(world, rng)

    def next(self) -> tuple[Trial, Codes] | None:
        """The next candidate, and its open trial; None when all were run (and none may again)."""
        for _ in range(DUPLICATES):
            trial = self.study.ask()
            suggested = self._suggest(trial)
            codes = self._snap(suggested) if len(self._pool) else suggested
            if codes is None:
                self._tell(trial, None)
                return None
            if self._repeats or codes not in self._values:
                if codes != suggested:
                    self._tell(trial, None)
                    trial = self._open(codes)
                return self._enter(trial, codes)
            self._tell(trial, self._values[codes])
        return self.fresh()

    def fresh(self) -> tuple[Trial, Codes] | None:
        """A random candidate that was not run yet, and its open trial."""
        for codes in self._others:
            if codes not in self._values:
                return self._enter(self._open(codes), codes)
        return None

    def tell(self, trial: Trial, codes: Codes, value: float) -> None:
        """Complete a trial with the value of its candidate."""
        self._values[codes] = value
        self._tell(trial, value)

    def prune(self, trial: Trial) -> None:
        self.study.tell(trial, state=TrialState.PRUNED)

    def add(self, codes: Codes, value: float) -> None:
        """A value from outside, as a trial of its own."""
        self._values[codes] = value
        distributions = {
            self._world.components[i].name: self._distribution(i) for i in self._varied
        }
        self.study.add_trial(
            create_trial(params=self._params(codes), distributions=distributions, value=value)
        )

    def _enter(self, trial: Trial, codes: Codes) -> tuple[Trial, Codes]:
        self._values.setdefault(codes, None)
        if codes in self._row:
            self._run[self._row[codes]] = True
        return trial, codes

    def _tell(self, trial: Trial, value: float | None) -> None:
        if value is None:
            self.study.tell(trial, state=TrialState.FAIL)  # samplers pass over failed trials
        else:
            self.study.tell(trial, value)

    def _open(self, codes: Codes) -> Trial:
        self.study.enqueue_trial(self._params(codes))
        trial = self.study.ask()
        self._suggest(trial)
        return trial

    def _params(self, codes: Codes) -> dict[str, int]:
        return {self._world.components[i].name: codes[i] for i in self._varied}

    def _distribution(self, place: int) -> optuna.distributions.BaseDistribution:
        component = self._world.components[place]
        if component.kind == "number":
            return optuna.distributions.IntDistribution(0, len(component.levels) - 1)
        return optuna.distributions.CategoricalDistribution(range(len(component.levels)))

    def _suggest(self, trial: Trial) -> Codes:
        codes = [0] * len(self._world.components)
        for i in self._varied:
            component = self._world.components[i]
            top = len(component.levels)
            if component.kind == "number":
                codes[i] = trial.suggest_int(component.name, 0, top - 1)
            else:
                codes[i] = trial.suggest_categorical(component.name, range(top))
        return tuple(codes)

    def _snap(self, codes: Codes) -> Codes | None:
        """The nearest candidate of the pool; one that was not run before one that was."""
        if self._run.all() and not self._repeats:
            return None
        likeness = 2 * (self._pool == codes).sum(axis=1) - self._run
        if not self._repeats:
            likeness[self._run] = -2
        nearest = np.flatnonzero(likeness == likeness.max())
        return self._world.pool[int(self._rng.choice(nearest))]


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "gp":
        import torch

        torch.set_num_threads(1)  # the bench runs one process on each core
        return optuna.samplers.GPSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)

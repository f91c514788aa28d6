"""Optuna: standard samplers by ask and tell, and the stored study. The one place importing it.

Each candidate is a trial: its levels are the parameters, the running mean is reported at each
comparison, and a candidate that a policy drops is a pruned trial.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from promptlathe.errors import MissingExtra
from promptlathe.records import Value
from promptlathe.space import Categorical, Integer, Real, SearchSpace

if TYPE_CHECKING:
    import optuna

SamplerName = Literal["tpe", "gp", "nsga2", "random"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial that Optuna opened: its number and the levels it suggests."""

    number: int
    levels: dict[str, Value]


def check_sampler(name: SamplerName) -> None:
    """Raises MissingExtra when the sampler needs a package that is not installed."""
    if name == "gp" and find_spec("torch") is None:
        raise MissingExtra("torch", "gp", "search.policy: gp")


class Study:
    """An Optuna study over the flat parameters of a space.

    `path` is the journal file that Optuna's dashboard and plots open; None keeps it in memory.
    With the sampler `nsga2` there are two objectives: score (up) and tokens per cell (down).
    Tokens that are not known count as the most of the trials before.
    """

    def __init__(
        self, space: SearchSpace, *, sampler: SamplerName, seed: int, name: str, path: Path | None
    ) -> None:
        import optuna

        check_sampler(sampler)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space, self._seed = space, seed
        self._sampler: SamplerName = sampler
        self._name, self._storage = name, _storage(path)
        self.multi_objective = sampler == "nsga2"
        self._study = self._create()
        self._open: dict[int, optuna.Trial] = {}
        self._dearest = 0.0

    def _create(self) -> "optuna.Study":
        import optuna

        return optuna.create_study(
            storage=self._storage,
            study_name=self._name,
            sampler=_sampler(self._sampler, self._seed),
            directions=["maximize", "minimize"] if self.multi_objective else ["maximize"],
        )

    def ask(self, levels: Mapping[str, Value] | None = None) -> Proposal:
        """Open a trial; with `levels`, one that has just these."""
        if levels is not None:
            self._study.enqueue_trial(dict(levels))
        return self._suggest(self._study.ask())

    def _suggest(self, trial: "optuna.Trial") -> Proposal:
        suggested: dict[str, Value] = {}
        for parameter in self._space.parameters:
            if not parameter.active(suggested):
                continue
            match parameter.domain:
                case Categorical(values=values):
                    value = cast("Value", trial.suggest_categorical(parameter.name, values))
                case Integer(low=low, high=high):
                    value = trial.suggest_int(parameter.name, low, high)
                case real:
                    value = real.rounded(trial.suggest_float(parameter.name, real.low, real.high))
            suggested[parameter.name] = value
        self._open[trial.number] = trial
        return Proposal(trial.number, suggested)

    def add(
        self, levels: Mapping[str, Value], mean: float | None, tokens: float | None, note: str = ""
    ) -> None:
        """A closed trial, for a policy that needs no suggestions; `mean` None: it failed."""
        import optuna

        values = None
        if mean is not None:
            values = self._values(mean, tokens)
        self._study.add_trial(
            optuna.create_trial(
                state=self._states.FAIL if mean is None else self._states.COMPLETE,
                values=values,
                params=dict(levels),
                distributions={
                    p.name: _distribution(p.domain)
                    for p in self._space.parameters
                    if p.name in levels
                },
                user_attrs={"note": note} if note else {},
            )
        )

    def extend(self, space: SearchSpace) -> None:
        """Take a space that has more levels; the trials keep their numbers.

        A categorical distribution of Optuna cannot grow, so the study is made anew under its
        name: closed trials are added with the wider distributions, open ones asked for again.
        """
        import optuna

        trials = self._study.trials
        reported = {number: trials[number].intermediate_values for number in self._open}
        wider = {p.name: _distribution(p.domain) for p in space.parameters}
        optuna.delete_study(study_name=self._name, storage=self._storage)
        self._space = space
        # A sampler cannot be carried over, and a new one shall not draw the same again.
        self._seed += 1
        self._study = self._create()
        for trial in trials:
            if trial.number in self._open:
                self._study.enqueue_trial(trial.params)
            else:
                trial.distributions = {name: wider[name] for name in trial.params}
                self._study.add_trial(trial)
        for number in sorted(reported):
            again = self._suggest(self._study.ask()).number
            for step, mean in reported[number].items():
                self.report(again, mean, step)

    def report(self, number: int, mean: float, step: int) -> None:
        """The running mean after `step` examples (Optuna takes none for two objectives)."""
        if not self.multi_objective:
            self._open[number].report(mean, step)

    def complete(self, number: int, mean: float, tokens: float | None, note: str = "") -> None:
        """Close a trial with its mean score and mean tokens per cell."""
        trial = self._open.pop(number)
        if note:
            trial.set_user_attr("note", note)
        self._study.tell(trial, self._values(mean, tokens))

    def _values(self, mean: float, tokens: float | None) -> list[float]:
        """Of a trial's objectives."""
        self._dearest = max(self._dearest, tokens or 0.0)
        return [mean, self._dearest if tokens is None else tokens][: 1 + self.multi_objective]

    def prune(self, number: int, mean: float, tokens: float | None) -> None:
        """Close a trial that was dropped; its last reported mean counts."""
        if self.multi_objective:
            self.complete(number, mean, tokens, "dropped")
            return
        self._study.tell(self._open.pop(number), state=self._states.PRUNED)

    def discard(self, number: int, note: str) -> None:
        """Close a trial that says nothing: forbidden, a duplicate, or never finished."""
        trial = self._open.pop(number)
        trial.set_user_attr("note", note)
        self._study.tell(trial, state=self._states.FAIL)

    @property
    def _states(self) -> "type[optuna.trial.TrialState]":
        from optuna.trial import TrialState

        return TrialState

    @property
    def open_numbers(self) -> Sequence[int]:
        """Trials that were asked for and not yet closed."""
        return tuple(self._open)


def _distribution(
    domain: Categorical | Integer | Real,
) -> "optuna.distributions.BaseDistribution":
    """What `Study.ask` makes Optuna record for a domain."""
    import optuna.distributions as distributions

    match domain:
        case Categorical(values=values):
            return distributions.CategoricalDistribution(values)
        case Integer(low=low, high=high):
            return distributions.IntDistribution(low, high)
        case Real(low=low, high=high):
            return distributions.FloatDistribution(low, high)


def _storage(path: Path | None) -> "optuna.storages.BaseStorage":
    from optuna.storages import InMemoryStorage, JournalStorage

    if path is None:
        return InMemoryStorage()
    from optuna.storages.journal import JournalFileBackend

    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(os.fspath(path)))


def _sampler(name: SamplerName, seed: int) -> "optuna.samplers.BaseSampler":
    import optuna.samplers as samplers

    match name:
        case "tpe":
            return samplers.TPESampler(seed=seed)
        case "gp":
            return samplers.GPSampler(seed=seed)
        case "nsga2":
            return samplers.NSGAIISampler(seed=seed, population_size=12)
        case "random":
            return samplers.RandomSampler(seed=seed)

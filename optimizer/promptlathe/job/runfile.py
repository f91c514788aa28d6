"""The run file: space, objective, model, budget, search, parallel, tracking."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from promptlathe import documents
from promptlathe.cron import Cron, check_cron, check_zone
from promptlathe.documents import Document, Loc, Within
from promptlathe.errors import InputError
from promptlathe.models.pricing import Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.notify import Notify
from promptlathe.records import Budget
from promptlathe.report.languages import LanguageCode
from promptlathe.scoring import Objective
from promptlathe.scoring.functions import Function
from promptlathe.scoring.loading import load_object
from promptlathe.search import PolicyName
from promptlathe.search.operators import NAMES, USUAL
from promptlathe.space import SearchSpace
from promptlathe.space.steps import Step, load_steps
from promptlathe.targets.given import GivenTarget, check_target, given_target

LONGEST_NAME = 200
"""Characters; MLflow takes 256 for a prompt, of which the names of steps are a part."""
PROMPT_NAME = re.compile(r"[A-Za-z0-9_.-]+")

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
AModel = Annotated[
    ModelSettings,
    BeforeValidator(lambda given: given, json_schema_input_type=str | ModelSettings),
]
"""A model's name, or its settings."""
OtherModel = Annotated[
    ModelSettings | None,
    BeforeValidator(lambda given: given, json_schema_input_type=str | ModelSettings | None),
]


class BudgetOptions(documents.Model):
    """Upper limits, checked before a call is sent; leave out what shall not be limited."""

    calls: Count | None = Field(default=None, description="Calls of every role")
    tokens: Count | None = Field(default=None, description="Input and output tokens together")
    usd: Positive | None = Field(default=None, description="Needs `prices`")
    minutes: Positive | None = Field(default=None, description="Wall-clock time")

    @property
    def record(self) -> Budget:
        """The limits; 1,000 calls when there are none."""
        limits = Budget(self.calls, self.tokens, self.usd, self.minutes)
        return Budget(calls=1000) if limits == Budget() else limits


class ScoutOptions(documents.Model):
    """A cheap model that is asked about the rows before the model itself is."""

    model: AModel
    calls: Count = Field(default=300, description="At most; on top of the budget")


class SearchOptions(documents.Model):
    """How candidates are chosen."""

    policy: PolicyName = Field(default="lathe", description="What decides which calls to make")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Of everything that is random")
    warm_start: bool = Field(
        default=True,
        description="Learn from earlier runs of the same objective in the ledger (lathe only)",
    )
    soft: Literal["auto", "off"] = Field(
        default="auto",
        description="Learn also from how likely the model thought the labels, where its service "
        "says so (lathe only)",
    )
    scout: ScoutOptions | None = Field(
        default=None,
        description="A cheap model that is asked first which rows are hard and which levels are "
        "good, while the ledger knows little of that (lathe only)",
    )
    operators: tuple[str, ...] | None = Field(
        default=None,
        description=f"What makes new levels: {', '.join(NAMES)}, or file.py:function. By default "
        f"{', '.join(USUAL)}, when a component is marked `rewrite: true`",
    )
    rewrite_share: float = Field(
        default=0.2,
        ge=0,
        le=0.9,
        description="Share of the budget (calls, tokens, USD) that may go to making levels: "
        "requests to the rewriter, and rows of `train` that are read for them",
    )


class ParallelOptions(documents.Model):
    """How many calls at a time, and where they are made."""

    engine: Literal["local", "ray", "batch"] = "local"
    concurrency: int = Field(
        default=16, ge=1, le=4096, description="Calls in flight; of batches, those of a round"
    )
    workers: int = Field(default=2, ge=1, le=1024, description="Ray actors")
    address: str = Field(
        default="auto", description="Ray cluster; auto: the running one, or a new one"
    )


class TrackOptions(documents.Model):
    """Where MLflow records the job."""

    experiment: str | None = Field(default=None, min_length=1, max_length=LONGEST_NAME)
    prompt: str | None = Field(
        default=None, max_length=LONGEST_NAME, description="Name in the prompt registry"
    )
    promote: Literal["if_better", "propose", "never"] = Field(
        default="if_better",
        description="A better prompt becomes the champion (if_better); or the challenger, which "
        "waits for `promptlathe promote` (propose)",
    )
    candidates: Literal["front", "all"] = Field(
        default="front",
        description="Which candidates have runs of their own: seed, best, champion and those on "
        "the Pareto front, or all; the table candidates.json holds all of them in any case",
    )
    uri: str | None = Field(
        default=None,
        description="MLflow tracking URI; by default MLFLOW_TRACKING_URI's, else in the workspace",
    )

    @field_validator("prompt")
    @classmethod
    def _registry_name(cls, name: str | None) -> str | None:
        if name is not None and not PROMPT_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is not a name for the prompt registry",
                "use letters, digits, '-', '_' and '.' only",
            )
        return name


class WatchOptions(documents.Model):
    """Looks at whether the champion still does what it did (`promptlathe watch`)."""

    rows: Count = Field(default=60, description="Held-out rows of a look, the same ones each time")
    seed: bool = Field(
        default=True, description="Whether the seed prompt is asked as well, for comparison"
    )
    schedule: str | None = Field(
        default=None, description="Cron expression: when `promptlathe schedule run` looks"
    )
    alpha: float = Field(
        default=0.01, gt=0, lt=1, description="Chance of a false alarm, in all looks together"
    )
    on_drift: Literal["notify", "optimize"] = Field(
        default="notify",
        description="What follows on an alarm: it is told (notify); and the job is run (optimize)",
    )

    @field_validator("schedule")
    @classmethod
    def _fires(cls, expression: str | None) -> str | None:
        return expression if expression is None else check_cron(expression)


class RetireOptions(documents.Model):
    """What is said of a model that its service will shut down."""

    warn_days: int = Field(
        default=60, ge=0, le=3650, description="From how many days before on it is told"
    )


class ReportOptions(documents.Model):
    """The page that explains a finished run."""

    language: LanguageCode = Field(default="en", description="Of the page")


Work = Literal["run", "watch"]
"""A command that a scheduler carries out."""
Part = Annotated[str | dict[str, Any], Field(description="A path, or the content itself")]


class ModelledStep(Step):
    """One call of a chain, with a model of its own where it has one."""

    model: OtherModel = Field(default=None, description="By default the run file's")


class RunFile(documents.Model):
    """A whole job in one file."""

    space: Part | None = Field(
        default=None,
        description="A path, or the content itself; or file.py:name, a space made in Python",
    )
    steps: dict[str, ModelledStep] | None = Field(
        default=None,
        min_length=1,
        description="In place of `space`, the prompts of a chain, in order",
    )
    output: str | None = Field(
        default=None, description="The step whose output is scored; by default the last"
    )
    target: str | None = Field(
        default=None,
        description="A function of yours, or a framework's object, file.py:name, in the chain's "
        "place",
    )
    objective: Part
    model: AModel
    rewriter: OtherModel = Field(
        default=None, description="Who writes new texts; by default the model itself"
    )
    judge: OtherModel = Field(
        default=None, description="Who scores, for judges; by default the model itself"
    )
    prices: Prices = Field(default_factory=Prices, description="USD per million tokens, by model")
    budget: BudgetOptions = Field(default_factory=lambda: BudgetOptions())
    search: SearchOptions = Field(default_factory=lambda: SearchOptions())
    parallel: ParallelOptions = Field(default_factory=lambda: ParallelOptions())
    track: TrackOptions | Literal[False] = Field(default_factory=lambda: TrackOptions())
    report: ReportOptions | Literal[False] = Field(default_factory=lambda: ReportOptions())
    ledger: str | None = Field(
        default=None, description="SQLAlchemy URL; by default in the workspace"
    )
    notify: tuple[Notify, ...] = Field(
        default=(), description="Who is told when a command ends: webhook, command or email"
    )
    watch: WatchOptions = Field(default_factory=lambda: WatchOptions())
    retire: RetireOptions = Field(default_factory=lambda: RetireOptions())
    schedule: str | None = Field(
        default=None,
        description="Cron expression: when `promptlathe schedule run` starts the job",
    )
    timezone: str | None = Field(
        default=None, description="Of schedules, as Europe/Paris; by default the machine's"
    )

    @field_validator("schedule")
    @classmethod
    def _fires(cls, expression: str | None) -> str | None:
        return expression if expression is None else check_cron(expression)

    @field_validator("timezone")
    @classmethod
    def _exists(cls, name: str | None) -> str | None:
        return name if name is None else check_zone(name)

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.space is None) == (self.steps is None):
            raise ValueError("either `space` or `steps` is needed", "write one of the two")
        if self.output is not None and self.steps is None:
            raise ValueError("`output` names a step, and there is none", "remove it")
        return self

    @property
    def crons(self) -> dict[Work, Cron]:
        """When a scheduler starts what."""
        times: dict[Work, str | None] = {"run": self.schedule, "watch": self.watch.schedule}
        return {work: Cron(one, self.timezone) for work, one in times.items() if one}

    @property
    def made(self) -> str | None:
        """The space that is made in Python."""
        return self.space if isinstance(self.space, str) and ".py:" in self.space else None

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """The run file alone, without the files that it names. Raises InputError, with a line."""
        document = documents.load(path)
        return documents.parse(cls, document, context=document)

    @classmethod
    def load(
        cls,
        path: str | Path,
        settings: tuple[tuple[str, str], ...] = (),
        within: Within = None,
    ) -> "Loaded":
        """Read a run file and the files that it names, which lie in the folders `within`;
        `settings` are `--set` pairs.

        Raises InputError with file and line.
        """
        document = documents.load(path, within)
        for key, value in settings:
            document = documents.set_value(document, key, value)
        file = documents.parse(cls, document, context=document)
        objective_part = _part(document, "objective")
        objective = Objective.from_document(objective_part)
        if file.made is not None:
            space, place = None, _at(document, "space")
        elif file.steps is None:
            part = _part(document, "space")
            space, place = SearchSpace.from_document(part), part.where
        else:
            loaded = load_steps(
                document, file.steps, output=file.output, function=file.target is not None
            )
            space, place = loaded.space, loaded.where
        models = {name: one.model for name, one in (file.steps or {}).items() if one.model}
        places = {"space": place, "objective": objective_part.where, "run": document.where}
        return Loaded(file, space, objective, models, document, places)


@dataclass(frozen=True)
class Loaded:
    """A run file with its space and objective. Nothing of yours was executed yet."""

    file: RunFile
    space: SearchSpace | None
    """None: it is made in Python."""
    objective: Objective
    step_models: Mapping[str, ModelSettings]
    document: Document
    """The run file's."""
    places: Mapping[str, Callable[[Loc], str | None]]
    """Where `space`, `objective` and `run` were read from."""

    def place(self, part: str, loc: Loc = ()) -> str | None:
        """The file and line that say something about `loc` of a part, for messages."""
        return self.places[part](loc)

    @property
    def code(self) -> tuple[tuple[Path, str], ...]:
        """What executes code when it is loaded: (folder, `file.py:name`), operators aside."""
        named = [(self.document.folder, one) for one in (self.file.made, self.file.target) if one]
        scorers = [one for one in self.objective.scorers if isinstance(one, Function)]
        return (*named, *((self.objective.folder, one.path) for one in scorers))

    def load_space(self) -> SearchSpace:
        """The space; the file of one that is made in Python is executed. Raises InputError."""
        if self.space is not None:
            return self.space
        made = self._named("space", str(self.file.made), lambda found: found)
        if not isinstance(made, SearchSpace):
            raise InputError(
                f"{self.file.made} is {documents.describe(made)}, and no space",
                self.place("run", ("space",)),
                "name one that pl.SearchSpace(…) or pl.from_langchain(…) made",
            )
        return made

    def load_target(self, space: SearchSpace) -> GivenTarget | None:
        """The target that is made in Python; its file is executed. Raises InputError."""
        if self.file.target is None:
            return None
        target = self._named(
            "target", self.file.target, lambda one: given_target(one, lambda: self.objective.fields)
        )
        try:
            check_target(target, space)
        except InputError as error:
            raise InputError(error.what, self.place("run", ("target",)), error.fix) from None
        return target

    def _named(self, key: str, path: str, made: Callable[[Any], Any]) -> Any:
        """What `file.py:name` names, made what it shall be."""
        try:
            return made(load_object(path, self.document.folder, self.document.within))
        except InputError as error:
            here = error.where in ("scorers", "target", path)
            where = self.document.where((key,)) if here else error.where
            raise InputError(error.what, where, error.fix) from None


def _at(document: Document, key: str) -> Callable[[Loc], str | None]:
    """The place of one key, whatever is asked for."""
    return lambda loc: document.where((key,))


def _part(document: Document, name: str) -> Document:
    """A part that stands in the run file, or in the file that it names."""
    given = document.data[name]
    if not isinstance(given, str):
        return document.at(name)
    return document.named(given, f"the {name}", (name,))

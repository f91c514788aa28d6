"""A job, as data: what a run file says, or `optimize` was given."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from promptlathe.documents import Loc, Within
from promptlathe.job.placing import Memory, division
from promptlathe.job.runfile import (
    BudgetOptions,
    ParallelOptions,
    ReportOptions,
    RetireOptions,
    RunFile,
    SearchOptions,
    TrackOptions,
    WatchOptions,
)
from promptlathe.models.pricing import Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.notify import Notify
from promptlathe.records import Budget
from promptlathe.runtime.engine import Engine
from promptlathe.scoring import Objective
from promptlathe.search.operators import USUAL, WITHOUT_REWRITER
from promptlathe.space import JoinedSpace, SearchSpace
from promptlathe.targets import PromptTarget, StepsTarget
from promptlathe.targets.given import GivenTarget
from promptlathe.track.store import store_uri

WRITER_TOKENS = 4096
"""Of a rewriter's answer at most, unless the run file says else."""
STATE = ".promptlathe"
"""The folder in a workspace where everything is kept that a job leaves behind."""
ALONE = PromptTarget()
LONGEST_NAME = 100
"""Characters of a job's name that are taken of its file's."""
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.-]+")


def job_name(path: Path) -> str:
    """A job is called like its run file."""
    made = NOT_IN_NAMES.sub("-", _resolved(path).stem)[:LONGEST_NAME].strip("-")
    return made or "promptlathe"


@dataclass(frozen=True)
class Job:
    """Space, objective, target, models, budget, search, parallel and tracking.

    workspace: the folder whose `.promptlathe/` keeps ledger, studies and MLflow's database.
    """

    space: SearchSpace
    objective: Objective
    model: ModelSettings
    rewriter: ModelSettings | None = None
    """Who writes new texts; None: the model itself."""
    judge: ModelSettings | None = None
    """Who scores, for scorers that ask a model; None: the model itself."""
    step_models: Mapping[str, ModelSettings] = field(default_factory=dict[str, ModelSettings])
    """Of the steps that have a model of their own."""
    function: GivenTarget | None = None
    """A function of yours, or a framework's object, under test; None: the prompt, or the chain of
    its steps."""
    carrier: Callable[[Engine], Engine] | None = None
    """Made of the engine one that carries some calls otherwise; None: it carries all."""
    name: str = "promptlathe"
    """Of the studies, and by default of the experiment and of the prompt."""
    budget: Budget = field(default_factory=lambda: BudgetOptions().record)
    prices: Prices = field(default_factory=Prices)
    search: SearchOptions = field(default_factory=SearchOptions)
    parallel: ParallelOptions = field(default_factory=ParallelOptions)
    track: TrackOptions | Literal[False] = field(default_factory=TrackOptions)
    report: ReportOptions | Literal[False] = field(default_factory=ReportOptions)
    notify: tuple[Notify, ...] = ()
    """Whom commands tell how it ended."""
    watch: WatchOptions = field(default_factory=WatchOptions)
    retire: RetireOptions = field(default_factory=RetireOptions)
    ledger: str | None = None
    as_of: datetime | None = None
    """When a run that is replayed began: what came later had not happened. None: now."""
    workspace: Path = field(default_factory=Path.cwd)
    within: Within = None
    """The folders that the paths of its operators may not lead out of; None: anywhere."""
    place: Callable[[str, Loc], str | None] = lambda part, loc: None
    """Which file and line say something about `space`, `objective` or `run`, for messages."""

    def __post_init__(self) -> None:
        """Of a function under test, nobody knows what it shows."""
        showing = getattr(self.objective, "showing", None)  # Python may give anything: `check` says
        shown = getattr(self.space, "shown", None)
        if showing and shown is not None and self.function is None:
            object.__setattr__(self, "objective", showing(shown))
        if showing:
            object.__setattr__(self, "objective", self.objective.judged_by(self.scorer.api))
        if showing and self.objective.in_mlflow:
            store = store_uri(self.track.uri if self.track else None, self.state)
            object.__setattr__(self, "objective", self.objective.reading(store))
        if showing:
            objective = self.objective
            terms = division(objective.splits)
            memory = Memory(self.ledger, self.state, objective.name, terms, self.as_of)
            object.__setattr__(self, "objective", objective.remembering(memory))

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        settings: tuple[tuple[str, str], ...] = (),
        workspace: Path | None = None,
        allow_outside: bool = True,
        announce: Callable[[Sequence[str]], None] = lambda code: None,
    ) -> "Job":
        """Read a run file.

        allow_outside: files that it names may lie anywhere; else in the workspace, or beside the
        run file. announce: told of the functions of yours, as `folder/file.py:function`, before
        the first of their files is executed.
        Raises InputError, with file and line.
        """
        path = Path(path)
        home = workspace or workspace_of(path)
        within = None if allow_outside else tuple(_roots(path, home))
        loaded = RunFile.load(path, settings, within)
        file = loaded.file
        own = [one for one in file.search.operators or () if ".py:" in one]
        if code := [*loaded.code, *((home, one) for one in own)]:
            announce([_shown(folder, one, home) for folder, one in code])
        space = loaded.load_space()
        return cls(
            space=space,
            objective=loaded.objective,
            model=file.model,
            rewriter=file.rewriter,
            judge=file.judge,
            step_models=loaded.step_models,
            function=loaded.load_target(space),
            name=job_name(path),
            budget=file.budget.record,
            prices=file.prices,
            search=file.search,
            parallel=file.parallel,
            track=file.track,
            report=file.report,
            notify=file.notify,
            watch=file.watch,
            retire=file.retire,
            ledger=file.ledger,
            workspace=home,
            within=within,
            place=loaded.place,
        )

    @property
    def state(self) -> Path:
        """Where everything is kept that a job leaves behind."""
        return self.workspace / STATE

    @property
    def target(self) -> GivenTarget | StepsTarget | PromptTarget:
        """What is under test."""
        if self.function is not None:
            return self.function
        return StepsTarget(self.space.output) if isinstance(self.space, JoinedSpace) else ALONE

    @property
    def scorer(self) -> ModelSettings:
        """Who scores, for scorers that ask a model."""
        return self.judge or self.model

    @property
    def writer(self) -> ModelSettings:
        """Who writes new texts, with room for a long one unless that is limited by name."""
        writer = self.rewriter or self.model.model_copy(update={"stop": None})
        if self.rewriter and "max_tokens" in self.rewriter.model_fields_set:
            return writer
        most = max(WRITER_TOKENS, writer.max_tokens)
        return writer.model_copy(update={"max_tokens": most})

    @property
    def operators(self) -> tuple[str, ...]:
        """What makes new levels: as named, or the usual ones where a text may be rewritten; the
        embedded model writes none, and one that draws neither."""
        usual = USUAL if self.writer.writes else WITHOUT_REWRITER
        named = self.search.operators
        return named if named is not None else usual if self.space.rewritable else ()

    @property
    def paid(self) -> Prices:
        """The prices as this job's engine pays them."""
        return self.prices.in_batches() if self.parallel.engine == "batch" else self.prices

    @property
    def prompt_name(self) -> str:
        """The prompt's name in MLflow's registry."""
        return (self.track and self.track.prompt) or self.name


def workspace_of(path: Path) -> Path:
    """The folder above `runs/`, or the run file's own; of a file among what a workspace keeps,
    such as a resolved run file, that workspace."""
    return _workspace(_resolved(path).parent)


def _workspace(folder: Path) -> Path:
    if STATE in folder.parts:
        return Path(*folder.parts[: folder.parts.index(STATE)])
    return folder.parent if folder.name == "runs" else folder


def _roots(path: Path, workspace: Path) -> Iterator[Path]:
    """Where files may lie that a run file names."""
    yield _resolved(workspace)
    yield workspace_of(path)
    yield _workspace(_resolved(path.parent))  # of a link: its own folder, too


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, ValueError, RuntimeError):  # no path at all: what reads it says so
        return path.absolute()


def _shown(folder: Path, code: str, workspace: Path) -> str:
    """`file.py:function` relative to the workspace, where it lies in it."""
    file, _, function = code.rpartition(":")
    place = _resolved(folder / file)
    home = _resolved(workspace)
    return f"{place.relative_to(home) if place.is_relative_to(home) else place}:{function}"

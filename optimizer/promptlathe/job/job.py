"""A job, as data: what a run file says, or `optimize` was given."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from promptlathe.documents import Loc
from promptlathe.job.runfile import (
    BudgetOptions,
    ParallelOptions,
    RunFile,
    SearchOptions,
    TrackOptions,
)
from promptlathe.models.pricing import Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget
from promptlathe.scoring import Objective
from promptlathe.search.operators import USUAL, WITHOUT_REWRITER
from promptlathe.space import JoinedSpace, SearchSpace
from promptlathe.targets import FunctionTarget, PromptTarget, StepsTarget

WRITER_TOKENS = 4096
"""Of a rewriter's answer at most, unless the run file says else."""
STATE = ".promptlathe"
"""The folder in a workspace where everything is kept that a job leaves behind."""
ALONE = PromptTarget()
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.-]+")


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
    function: FunctionTarget | None = None
    """A function of yours under test; None: the prompt, or the chain of its steps."""
    name: str = "promptlathe"
    """Of the studies, and by default of the experiment and of the prompt."""
    budget: Budget = field(default_factory=lambda: BudgetOptions().record)
    prices: Prices = field(default_factory=Prices)
    search: SearchOptions = field(default_factory=SearchOptions)
    parallel: ParallelOptions = field(default_factory=ParallelOptions)
    track: TrackOptions | Literal[False] = field(default_factory=TrackOptions)
    ledger: str | None = None
    workspace: Path = field(default_factory=Path.cwd)
    place: Callable[[str, Loc], str | None] = lambda part, loc: None
    """Which file and line say something about `space`, `objective` or `run`, for messages."""

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        settings: tuple[tuple[str, str], ...] = (),
        workspace: Path | None = None,
    ) -> "Job":
        """Read a run file. Raises InputError, with file and line."""
        path = Path(path)
        loaded = RunFile.load(path, settings)
        file = loaded.file
        return cls(
            space=loaded.space,
            objective=loaded.objective,
            model=file.model,
            rewriter=file.rewriter,
            judge=file.judge,
            step_models=loaded.step_models,
            function=loaded.function,
            name=NOT_IN_NAMES.sub("-", path.resolve().stem).strip("-") or "promptlathe",
            budget=file.budget.record,
            prices=file.prices,
            search=file.search,
            parallel=file.parallel,
            track=file.track,
            ledger=file.ledger,
            workspace=workspace or workspace_of(path),
            place=loaded.place,
        )

    @property
    def state(self) -> Path:
        """Where everything is kept that a job leaves behind."""
        return self.workspace / STATE

    @property
    def target(self) -> FunctionTarget | StepsTarget | PromptTarget:
        """What is under test."""
        if self.function is not None:
            return self.function
        return StepsTarget(self.space.output) if isinstance(self.space, JoinedSpace) else ALONE

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
        embedded model writes none."""
        usual = WITHOUT_REWRITER if self.writer.embedded else USUAL
        named = self.search.operators
        return named if named is not None else usual if self.space.rewritable else ()

    @property
    def prompt_name(self) -> str:
        """The prompt's name in MLflow's registry."""
        return (self.track and self.track.prompt) or self.name


def workspace_of(path: Path) -> Path:
    """The folder above `runs/`, or the run file's own."""
    folder = path.resolve().parent
    return folder.parent if folder.name == "runs" else folder

"""A job: a run file made executable."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from promptlathe.documents import Loc
from promptlathe.job.plan import Plan, plan
from promptlathe.job.progress import Progress
from promptlathe.job.result import Result
from promptlathe.job.runfile import (
    BudgetOptions,
    ParallelOptions,
    RunFile,
    SearchOptions,
    TrackOptions,
)
from promptlathe.job.stores import STATE, check_stores, make_state
from promptlathe.models.pricing import Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget
from promptlathe.scoring import Objective
from promptlathe.search.operators import USUAL, WITHOUT_REWRITER
from promptlathe.space import SearchSpace

WRITER_TOKENS = 4096
"""Of a rewriter's answer at most, unless the run file says else."""
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Job:
    """Space, objective, model, budget, search, parallel and tracking, ready to run.

    workspace: the folder whose `.promptlathe/` keeps ledger, studies and MLflow's database.
    """

    space: SearchSpace
    objective: Objective
    model: ModelSettings
    rewriter: ModelSettings | None = None
    """Who writes new texts; None: the model itself."""
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

    @cached_property
    def plan(self) -> Plan:
        """What will be done. Raises InputError or BudgetTooSmall; sends nothing."""
        return plan(self)

    def check(self) -> Plan:
        """The plan, after everything that could stop the job was checked, the stores too."""
        made = self.plan
        check_stores(self)
        return made

    def run(self, *, progress: Progress | None = None, replay: str | None = None) -> Result:
        """Run to the end.

        replay: the `run` of an earlier result; its outcomes are told in the same order again.
        Raises InputError, BudgetTooSmall, ModelUnavailable or Interrupted.
        """
        from promptlathe.job.running import run_job

        self.check()
        make_state(self.state)
        return run_job(self, progress=progress, replay=replay)


def workspace_of(path: Path) -> Path:
    """The folder above `runs/`, or the run file's own."""
    folder = path.resolve().parent
    return folder.parent if folder.name == "runs" else folder

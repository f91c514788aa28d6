"""The front door for notebooks and scripts."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from promptlathe import documents
from promptlathe.documents import Document
from promptlathe.errors import InputError
from promptlathe.job import Job, run
from promptlathe.job.progress import Progress
from promptlathe.job.runfile import (
    BudgetOptions,
    ParallelOptions,
    ReportOptions,
    SearchOptions,
    TrackOptions,
)
from promptlathe.models.pricing import Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.notebook import Result, progress_of
from promptlathe.records import Budget
from promptlathe.scoring import Objective
from promptlathe.search import PolicyName
from promptlathe.space import SearchSpace, join
from promptlathe.targets.given import check_target, given_target


def optimize(
    space: SearchSpace | Mapping[str, SearchSpace],
    objective: Objective,
    *,
    target: Any = None,
    model: str | Mapping[str, Any] = "pocket",
    step_models: Mapping[str, str | Mapping[str, Any]] | None = None,
    budget: Budget | Mapping[str, float] | None = None,
    seed: int = 0,
    policy: PolicyName = "lathe",
    warm_start: bool = True,
    soft: Literal["auto", "off"] = "auto",
    scout: Mapping[str, Any] | None = None,
    rewriter: str | Mapping[str, Any] | None = None,
    judge: str | Mapping[str, Any] | None = None,
    operators: Sequence[str] | None = None,
    rewrite_share: float = 0.2,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    parallel: Mapping[str, Any] | None = None,
    track: Mapping[str, Any] | Literal[False] | None = None,
    report: Mapping[str, Any] | Literal[False] | None = None,
    name: str = "promptlathe",
    workspace: str | Path | None = None,
    progress: bool | Progress = True,
) -> Result:
    """Optimize a prompt: the same job as `promptlathe run`, with the same words.

    space: of one prompt, or a mapping of spaces by name: of a chain, in order, or of the prompts
        that `target` uses.
    target: a function of yours, `f(row, prompts, llm)`, sync or async (see `target`); or an
        object of LangChain, LlamaIndex or DSPy, of which the space was made (`from_langchain`);
        or a function of row fields that formats prompts of MLflow's registry (`from_mlflow`).
    model: a name, or a mapping with the keys of the run file's `model`.
    step_models: by step of a chain, where it has a model of its own.
    budget: upper limits, `{"calls": 400, "usd": 2}` or a `Budget`: calls, tokens, usd, minutes;
        1,000 calls by default.
    warm_start: learn from earlier runs of the same objective in the workspace.
    soft: learn also from how likely the model thought the labels, where its service says so.
    scout: `{"model": …, "calls": 300}`, a cheap model that is asked first which rows are hard,
        while the ledger knows little of that; on top of the budget.
    rewriter: who writes new texts for components with `rewrite=True`; None: the model itself.
    judge: who scores, for scorers that ask a model; None: the model itself.
    operators: what makes new levels; None: the usual ones, where a text may be rewritten.
    rewrite_share: share of the calls that may go to making levels.
    prices: USD per million tokens by model, `{"gpt-6-luna": {"input": 0.1, "output": 0.5}}`.
    parallel, track, report: mappings with the keys of the run file; `track=False` records nothing,
        `report=False` makes no page.
    workspace: the folder for `.promptlathe/`; by default the working directory.

    progress: widgets in a notebook that has ipywidgets, else lines on stderr; False for none; or
        an object whose `update(view)` is called at every outcome, and every second.

    Raises InputError, BudgetTooSmall, ModelUnavailable or Interrupted.
    """
    given = {
        "search": {
            "policy": policy,
            "seed": seed,
            "warm_start": warm_start,
            "soft": soft,
            "scout": scout,
            "operators": operators,
            "rewrite_share": rewrite_share,
        },
        "rewriter": rewriter,
        "judge": judge,
        "parallel": {} if parallel is None else parallel,
        "track": {} if track is None else track,
        "report": {} if report is None else report,
        "model": model,
        "step_models": step_models,
        "prices": {} if prices is None else prices,
        "budget": {} if budget is None else budget,
    }

    def read(part: str, kind: Any) -> Any:
        return documents.parse(kind, Document(given).at(part))

    try:
        folder = Path.cwd() if workspace is None else Path(workspace)
    except TypeError:
        found = documents.describe(workspace)
        raise InputError(f"expected a path, found {found}", "workspace", "name a folder") from None
    function = None if target is None else given_target(target, lambda: _fields(objective))
    joined = _joined(space, function=function is not None)
    if function is not None and isinstance(joined, SearchSpace):
        check_target(function, joined)
    job = Job(
        space=joined,
        objective=objective,
        model=read("model", ModelSettings),
        step_models={
            step: documents.parse(ModelSettings, Document(given).at("step_models", step))
            for step in step_models or {}
        },
        rewriter=None if rewriter is None else read("rewriter", ModelSettings),
        judge=None if judge is None else read("judge", ModelSettings),
        function=function,
        name=name,
        budget=budget if isinstance(budget, Budget) else read("budget", BudgetOptions).record,
        prices=read("prices", Prices),
        search=read("search", SearchOptions),
        parallel=read("parallel", ParallelOptions),
        track=False if track is False else read("track", TrackOptions),
        report=False if report is False else read("report", ReportOptions),
        workspace=folder,
    )
    with progress_of(progress) as shown:
        return Result.of(run(job, progress=shown))


def _fields(objective: Any) -> Collection[str]:
    """Of the rows; none of what is no objective, which is told later."""
    return objective.fields if isinstance(objective, Objective) else ()


def _joined(space: Any, *, function: bool) -> Any:
    """One space of several; what is neither is told later."""
    return join(space, function=function) if isinstance(space, Mapping) else space

"""The front door for notebooks and scripts."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from promptlathe import documents
from promptlathe.documents import Document
from promptlathe.job import Job, Result
from promptlathe.job.runfile import ParallelOptions, SearchOptions, TrackOptions
from promptlathe.models.pricing import Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.objective import Objective
from promptlathe.records import Budget
from promptlathe.search import SamplerName
from promptlathe.space import SearchSpace


def optimize(
    space: SearchSpace,
    objective: Objective,
    *,
    model: str | Mapping[str, Any] = "pocket",
    budget: Budget | None = None,
    seed: int = 0,
    policy: SamplerName = "tpe",
    prices: Mapping[str, Mapping[str, float]] | None = None,
    parallel: Mapping[str, Any] | None = None,
    track: Mapping[str, Any] | Literal[False] | None = None,
    name: str = "promptlathe",
    workspace: str | Path | None = None,
) -> Result:
    """Optimize a prompt: the same job as `promptlathe run`, with the same words.

    model: a name, or a mapping with the keys of the run file's `model`.
    budget: upper limits in calls, tokens, USD and minutes; 1,000 calls by default.
    prices: USD per million tokens by model, `{"gpt-5-mini": {"input": 0.25, "output": 2}}`.
    parallel, track: mappings with the keys of the run file; `track=False` records nothing.
    workspace: the folder for `.promptlathe/`; by default the working directory.

    Raises InputError, BudgetTooSmall, ModelUnavailable or Interrupted.
    """
    options: dict[str, Any] = {"search": _read(SearchOptions, {"policy": policy, "seed": seed})}
    if parallel is not None:
        options["parallel"] = _read(ParallelOptions, parallel)
    if track is not None:
        options["track"] = track and _read(TrackOptions, track)
    if workspace is not None:
        options["workspace"] = Path(workspace)
    job = Job(
        space=space,
        objective=objective,
        model=documents.parse(ModelSettings, Document(model)),
        name=name,
        prices=documents.parse(Prices, Document(dict(prices or {}))),
        **options,
    )
    return (replace(job, budget=budget) if budget else job).run()


def _read(kind: Any, given: Mapping[str, Any]) -> Any:
    return documents.parse(kind, Document(dict(given)))

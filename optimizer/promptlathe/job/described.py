"""A run in MLflow's words: what it is, and how it ended."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from promptlathe.data.dataset import source_name
from promptlathe.job.candidacies import as_table, candidates_tables, marks
from promptlathe.job.job import Job
from promptlathe.job.plan import Plan
from promptlathe.job.resolved import resolved
from promptlathe.records import Example, Split
from promptlathe.results import Result
from promptlathe.search.lathe.contrasts import Contrast
from promptlathe.search.lathe.effects import Effect
from promptlathe.search.operators import ancestry
from promptlathe.track.records import About, Dataset

PASS_FAIL = (
    "exact_match",
    "contains",
    "regex",
    "numeric",
    "length",
    "readability",
    "banned",
    "json_schema",
    "language",
)
"""Scorers that give 0 or 1 only."""


def about(job: Job, plan: Plan, run: str, began: int) -> About:
    """What MLflow is told of the run before its first call. began: milliseconds since 1970."""
    objective = job.objective
    examples: dict[Split, Sequence[Example]] = {
        "train": plan.space.train,
        "select": plan.select,
        "test": plan.test,
    }
    source = source_name(objective.dataset) or objective.name
    return About(
        experiment=experiment_of(job),
        prompt=job.prompt_name,
        title=f"{job.name} · {job.search.policy}",
        began=began,
        run_file=resolved(job),
        model=job.model.name,
        target=objective.target,
        prompts=tuple(plan.space.seed.prompts),
        pass_fail=frozenset(s.name for s in objective.scorers if s.keyword in PASS_FAIL),
        parameters=job.model.parameters,
        params=_params(job, plan),
        tags={"promptlathe.run": run},
        datasets=tuple(
            Dataset.of(objective.name, split, source, rows) for split, rows in examples.items()
        ),
    )


def experiment_of(job: Job) -> str:
    """MLflow's, of the job's runs: the run file's, MLFLOW_EXPERIMENT_NAME's, or named like it."""
    named = job.track and job.track.experiment
    return named or os.environ.get("MLFLOW_EXPERIMENT_NAME", "").strip() or job.name


def _params(job: Job, plan: Plan) -> Mapping[str, object]:
    limits = {f"budget.{name}": limit for name, limit in job.budget.limits.items()}
    weights = {"model.file": str(job.model.weights)} if job.model.gguf is not None else {}
    return {
        "model": job.model.name,
        **weights,
        "search.policy": job.search.policy,
        "search.seed": job.search.seed,
        "parallel.engine": job.parallel.engine,
        "parallel.concurrency": job.parallel.concurrency,
        "space.size": str(job.space.size),
        "objective": job.objective.name,
        "rows.train": len(plan.space.train),
        "rows.select": len(plan.select),
        "rows.test": len(plan.test),
        **limits,
        **{f"limits.{limit.metric}": limit.bound for limit in job.objective.limits.all},
    }


def tables(result: Result) -> dict[str, str]:
    """In MLflow's form, by file name; only those that have a line."""
    tables = {
        "in_best.json": _effects(result.found_in_best),
        "effects.json": _effects(result.found_effects),
        "lineage.json": [_flat(one.to_dict()) for one in result.lineage],
        "operators.json": [_flat(asdict(one)) for one in result.operators],
        "steps.json": [_flat(one.to_dict()) for one in result.steps],
        "changed_rows.json": [one.line for one in result.changed],
        "answers.json": [
            {"candidate": standing.number, "levels": json.dumps(dict(standing.candidate.levels))}
            | _flat(counts.to_dict())
            for standing, counts in zip(result.standings, result.by_candidate, strict=True)
            if counts.total
        ],
    }
    made = {name: as_table(lines) for name, lines in tables.items() if lines}
    return {**candidates_tables(result.standings, marks(result)), **made}


def _effects(found: Sequence[Effect | Contrast]) -> list[dict[str, Any]]:
    """The strongest first, in points with two digits."""
    lines = [asdict(one) for one in sorted(found, key=lambda one: -abs(one.effect))]
    figures = ("effect", "low", "high")
    return [{k: round(v, 2) if k in figures else v for k, v in line.items()} for line in lines]


def _flat(line: Mapping[str, Any]) -> dict[str, Any]:
    """Lists and mappings as text, for a table's cells."""
    return {
        name: value
        if isinstance(value, str | int | float | None)
        else json.dumps(value, ensure_ascii=False)
        for name, value in line.items()
    }


def tags(result: Result) -> dict[str, str]:
    """Which operators worked, and how the levels of the best prompt came about."""
    if not result.operators:
        return {}
    worked = [f"{o.operator}: {o.levels}" for o in result.operators if o.levels]
    kept = [one for one in result.lineage if one.kept]
    made = [f"{one.origin.component}: {ancestry(one, result.lineage)}" for one in kept]
    return {
        "promptlathe.operators": ", ".join(worked) or "no level was made",
        "promptlathe.lineage": "; ".join(made) or "the best prompt has no level that was made",
    }


def metrics(result: Result) -> dict[str, float]:
    """More metrics of the parent run; what is unknown is left out."""
    spent = result.spent
    found: dict[str, float | None] = {
        "calls": spent.calls,
        "tokens": spent.tokens,
        "cached_calls": spent.cached_calls,
        "candidates": len(result.standings),
        "seconds": result.seconds,
        "cost_usd": spent.usd,
        "test_opened": result.opened,
    }
    found |= {f"answers_{one.replace(' ', '_')}": n for one, n in result.answers.by_state.items()}
    found["answers_failed"] = sum(result.answers.failed.values())
    for one in result.steps:
        found |= {
            f"step_{one.step}_calls": one.calls,
            f"step_{one.step}_tokens": one.tokens,
            f"step_{one.step}_cost_usd": one.usd,
            f"step_{one.step}_latency": one.latency,
            f"step_{one.step}_cut_off": one.cut_off,
            f"step_{one.step}_failed": sum(one.failed.values()),
        }
    for one in result.limits:
        found |= {f"limit_{one.limit.metric}": one.best.mean}
        found |= {f"limit_{one.limit.metric}_95": one.best.end}
    for role in ("rewrite", "judge"):
        used = spent.of(role)
        found |= {f"{role}_calls": used.calls, f"{role}_tokens": used.tokens}
        found[f"{role}_cost_usd"] = used.usd
    return {name: float(value) for name, value in found.items() if value is not None}

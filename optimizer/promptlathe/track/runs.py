"""The parent run and its children, as MLflow stores them."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from promptlathe.records import Standing
from promptlathe.track.artifacts import prompts_json, prompts_text
from promptlathe.track.backend import Away, Backend, said
from promptlathe.track.records import About, Candidacy, Dataset, Status

PARENT = "mlflow.parentRunId"
PARAM_LIMIT = 6000
BATCH = 1000
"""Metrics that MLflow takes in one call."""

RECORD = "promptlathe.record"
"""Run tag: which record of a run it is, by which it is found again."""


@dataclass(frozen=True)
class Run:
    """A run in MLflow."""

    id: str
    name: str


def begin(backend: Backend, experiment: str, name: str, tags: Mapping[str, str], at: int) -> Run:
    """Create a run, explicitly: there is no active run. `at`: milliseconds since 1970."""
    everything = {
        "mlflow.source.name": "promptlathe",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": backend.user,
        **tags,
    }
    run = backend.client.create_run(experiment, at, everything, name)
    return Run(str(run.info.run_id), name)


def find(backend: Backend, experiment: str, tags: Mapping[str, str]) -> list[Run]:
    """The runs that have these tags."""
    query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    found = backend.client.search_runs([experiment], query)
    return [Run(str(run.info.run_id), str(run.info.run_name)) for run in found]


def exists(backend: Backend, run: str) -> bool:
    """False in a store that was made anew. Raises Away when it does not say."""
    from mlflow.exceptions import MlflowException

    try:
        backend.client.get_run(run)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise Away(backend.uri, said(backend.uri, error)) from error
    return True


def log(
    backend: Backend,
    run: Run,
    at: int,
    *,
    metrics: Mapping[str, float | None] | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write all of it in one call. A metric of None is left out; long params are cut."""
    from mlflow.entities import Metric, Param, RunTag

    backend.client.log_batch(
        run.id,
        metrics=[Metric(k, float(v), at, 0) for k, v in (metrics or {}).items() if v is not None],
        params=[Param(k, str(v)[:PARAM_LIMIT]) for k, v in (params or {}).items()],
        tags=[RunTag(k, v) for k, v in (tags or {}).items()],
    )


def log_texts(backend: Backend, run: Run, texts: Mapping[str, str]) -> None:
    """Keep texts as artifacts, by file name."""
    for file, text in texts.items():
        backend.client.log_text(run.id, text, file)


def log_points(
    backend: Backend, run: Run, at: int, points: Iterable[tuple[str, int, float]]
) -> None:
    """Write stepped metrics: (name, step, value)."""
    from mlflow.entities import Metric

    metrics = [Metric(name, value, at, step) for name, step, value in points]
    for first in range(0, len(metrics), BATCH):
        backend.client.log_batch(run.id, metrics[first : first + BATCH])


def rename(backend: Backend, run: Run, name: str) -> None:
    """Give it a name that says what came out."""
    backend.client.update_run(run.id, name=name)


def end(backend: Backend, run: Run, at: int, status: Status = "FINISHED") -> None:
    """Close a run."""
    backend.client.set_terminated(run.id, status, at)


def log_datasets(backend: Backend, run: Run, datasets: Iterable[Dataset]) -> None:
    """Name the data as inputs of a run, one for each split."""
    from mlflow.entities import Dataset as Entity
    from mlflow.entities import DatasetInput, InputTag

    inputs = [
        DatasetInput(
            dataset=Entity(
                name=f"{d.name}.{d.split}",
                digest=d.digest,
                source_type="local",
                source=json.dumps({"uri": d.source}),
                schema=json.dumps(
                    {
                        "mlflow_colspec": [
                            {"type": "string", "name": name, "required": True} for name in d.fields
                        ]
                    }
                ),
                profile=json.dumps({"num_rows": d.rows}),
            ),
            tags=[InputTag("mlflow.data.context", d.split)],
        )
        for d in datasets
    ]
    if inputs:
        backend.client.log_inputs(run.id, datasets=inputs)


def begin_parent(backend: Backend, experiment: str, about: About, record: str) -> Run:
    """The run of an optimization."""
    kind = {"promptlathe.kind": "optimization", RECORD: record}
    return begin(backend, experiment, about.run_name, {**kind, **about.tags}, about.began)


def candidate_tags(parent: str, candidacy: Candidacy) -> dict[str, str]:
    """By which a candidate's nested run is found."""
    return {
        PARENT: parent,
        "promptlathe.kind": "candidate",
        "promptlathe.candidate": candidacy.standing.candidate.id,
    }


def nest_candidate(
    backend: Backend, experiment: str, parent: str, candidacy: Candidacy, *, began: int, at: int
) -> None:
    """A nested run for a candidate that was not in the final comparison.

    began: when the search did; so the sides of the comparison stand before it, the latest first.
    One that MLflow does not take whole ends as FAILED, and raises.
    """
    number = f"candidate {candidacy.standing.number}"
    name = f"{candidacy.mark} · {number}" if candidacy.mark else number
    run = begin(backend, experiment, name, candidate_tags(parent, candidacy), began)
    try:
        log_candidate(backend, run, candidacy, at)
    except Exception:
        with suppress(Exception):  # the first error says what is wrong
            end(backend, run, at, "FAILED")
        raise
    end(backend, run, at)


def log_candidate(backend: Backend, run: Run, candidacy: Candidacy, at: int) -> None:
    """Levels as params, what the search knows of it as metrics, its prompts as files."""
    standing, candidate = candidacy.standing, candidacy.standing.candidate
    tags = {"promptlathe.candidate": candidate.id, "promptlathe.state": standing.state}
    tags |= {"promptlathe.number": str(standing.number)}
    figures = {f"select_{name}": figure for name, figure in figures_of(standing).items()}
    log(backend, run, at, params=dict(candidate.levels), metrics=figures, tags=tags)
    texts = {
        "prompt.txt": prompts_text(candidate.prompts),
        "prompt.json": prompts_json(candidate.prompts),
    }
    log_texts(backend, run, texts)


def figures_of(standing: Standing) -> dict[str, float | None]:
    """What the search knows of a candidate, by the names that it has in MLflow."""
    estimate = standing.estimate
    return {
        "estimate": estimate and estimate.mean,
        "low": estimate and estimate.low,
        "high": estimate and estimate.high,
        "rows": estimate and estimate.n,
        "cells": standing.cells,
        "tokens": standing.tokens,
        "cost_usd": standing.cost,
        "failures": standing.failures,
        "failed": standing.failed,
        "unread": standing.unread,
    }

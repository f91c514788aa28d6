"""The parent run and its children, as MLflow stores them."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from promptlathe.records import Standing
from promptlathe.track.artifacts import prompts_json, prompts_text
from promptlathe.track.backend import Backend
from promptlathe.track.records import About, Dataset, Status

PARENT = "mlflow.parentRunId"
PARAM_LIMIT = 6000


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Run:
    """A run in MLflow."""

    id: str
    name: str


def begin(backend: Backend, experiment: str, name: str, tags: Mapping[str, str]) -> Run:
    """Create a run, explicitly: there is no active run."""
    everything = {
        "mlflow.source.name": "promptlathe",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": backend.user,
        **tags,
    }
    run = backend.client.create_run(experiment, now(), everything, name)
    return Run(str(run.info.run_id), name)


def log(
    backend: Backend,
    run: Run,
    *,
    metrics: Mapping[str, float | None] | None = None,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write all of it in one call. A metric of None is left out; long params are cut."""
    from mlflow.entities import Metric, Param, RunTag

    at = now()
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


def log_points(backend: Backend, run: Run, points: Iterable[tuple[str, int, float]]) -> None:
    """Write stepped metrics: (name, step, value)."""
    from mlflow.entities import Metric

    at = now()
    if metrics := [Metric(name, value, at, step) for name, step, value in points]:
        backend.client.log_batch(run.id, metrics)


def end(backend: Backend, run: Run, status: Status = "FINISHED") -> None:
    """Close a run."""
    backend.client.set_terminated(run.id, status)


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


def begin_parent(backend: Backend, experiment: str, about: About) -> Run:
    """The run of an optimization, with everything that is known before its first call."""
    run = begin(
        backend, experiment, about.run_name, {"promptlathe.kind": "optimization", **about.tags}
    )
    log(backend, run, params=about.params)
    log_datasets(backend, run, about.datasets)
    log_texts(backend, run, {"run.yaml": about.run_file})
    return run


def log_candidate(backend: Backend, experiment: str, parent: Run, standing: Standing) -> None:
    """A nested run for a scored candidate: levels as params, what it gave as metrics.

    One that MLflow does not take whole ends as FAILED, and raises.
    """
    candidate = standing.candidate
    run = begin(
        backend,
        experiment,
        f"candidate {standing.number}",
        {
            PARENT: parent.id,
            "promptlathe.kind": "candidate",
            "promptlathe.candidate": candidate.id,
            "promptlathe.state": standing.state,
        },
    )
    try:
        log(backend, run, params=dict(candidate.levels), metrics=_figures(standing))
        texts = {
            "prompt.txt": prompts_text(candidate.prompts),
            "prompt.json": prompts_json(candidate.prompts),
        }
        log_texts(backend, run, texts)
    except Exception:
        end(backend, run, "FAILED")
        raise
    end(backend, run)


def _figures(standing: Standing) -> dict[str, float | None]:
    estimate = standing.estimate
    return {
        "estimate": estimate and estimate.mean,
        "estimate_low": estimate and estimate.low,
        "estimate_high": estimate and estimate.high,
        "examples": estimate and estimate.n,
        "cells": standing.cells,
        "tokens": standing.tokens,
        "cost_usd": standing.cost,
        "failures": standing.failures,
        "failed": standing.failed,
        "unread": standing.unread,
    }

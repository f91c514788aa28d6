"""The parent run and its children, as MLflow stores them."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from promptlathe.records import Standing
from promptlathe.track.artifacts import prompt_json, prompt_text
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
    artifacts: str
    """URI of its artifacts."""


def begin(
    backend: Backend,
    experiment: str,
    name: str,
    tags: Mapping[str, str],
    *,
    started: int | None = None,
) -> Run:
    """Create a run, explicitly: there is no active run."""
    from mlflow.entities import RunTag

    everything = {
        "mlflow.source.name": "promptlathe",
        "mlflow.source.type": "LOCAL",
        "mlflow.user": backend.user,
        **tags,
    }
    run = backend.store.create_run(
        experiment_id=experiment,
        user_id=backend.user,
        start_time=started or now(),
        tags=[RunTag(key, value) for key, value in everything.items()],
        run_name=name,
    )
    return Run(str(run.info.run_id), name, str(run.info.artifact_uri))


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
    backend.store.log_batch(
        run.id,
        metrics=[Metric(k, float(v), at, 0) for k, v in (metrics or {}).items() if v is not None],
        params=[Param(k, str(v)[:PARAM_LIMIT]) for k, v in (params or {}).items()],
        tags=[RunTag(k, v) for k, v in (tags or {}).items()],
    )


def log_text(backend: Backend, run: Run, text: str, file: str) -> None:
    """Keep `text` as an artifact. On this machine it is simply written (1.1 → 0.1 ms)."""
    scheme = urlsplit(run.artifacts).scheme
    if scheme not in {"", "file"}:
        backend.client.log_text(run.id, text, file)
        return
    folder = Path(url2pathname(urlsplit(run.artifacts).path) if scheme else run.artifacts)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text, "utf-8")


def log_points(backend: Backend, run: Run, points: Iterable[tuple[str, int, float]]) -> None:
    """Write stepped metrics: (name, step, value)."""
    from mlflow.entities import Metric

    at = now()
    if metrics := [Metric(name, value, at, step) for name, step, value in points]:
        for first in range(0, len(metrics), 1000):
            backend.store.log_batch(run.id, metrics[first : first + 1000], params=[], tags=[])


def end(backend: Backend, run: Run, status: Status = "FINISHED") -> None:
    """Close a run."""
    from mlflow.entities import RunStatus

    # Typed as an enum's member in newer stubs, as an int in older ones: both take this.
    value: Any = RunStatus.from_string(status)
    backend.store.update_run_info(run.id, value, now(), run.name)


def log_datasets(backend: Backend, run: Run, datasets: Iterable[Dataset]) -> None:
    """Name the data as inputs of a run, one for each split."""
    import json

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
        backend.store.log_inputs(run.id, datasets=inputs)


def begin_parent(backend: Backend, experiment: str, about: About) -> Run:
    """The run of an optimization, with everything that is known before its first call."""
    run = begin(
        backend, experiment, about.run_name, {"promptlathe.kind": "optimization", **about.tags}
    )
    log(backend, run, params=about.params)
    log_datasets(backend, run, about.datasets)
    log_text(backend, run, about.run_file, "run.yaml")
    return run


def log_candidate(backend: Backend, experiment: str, parent: Run, standing: Standing) -> None:
    """A nested run for a scored candidate: levels as params, what it gave as metrics."""
    candidate, estimate = standing.candidate, standing.estimate
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
    log(
        backend,
        run,
        params=dict(candidate.levels),
        metrics={
            "estimate": estimate and estimate.mean,
            "estimate_low": estimate and estimate.low,
            "estimate_high": estimate and estimate.high,
            "examples": estimate and estimate.n,
            "calls": standing.calls,
            "tokens": standing.tokens,
            "cost_usd": standing.cost,
            "failures": standing.failures,
            "unparsed": standing.unparsed,
        },
    )
    log_text(backend, run, prompt_text(candidate.prompt), "prompt.txt")
    log_text(backend, run, prompt_json(candidate.prompt), "prompt.json")
    end(backend, run)

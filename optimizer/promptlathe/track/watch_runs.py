"""Looks of a watch in MLflow: a run for each champion, its metrics over the looks.

One run, and not one for each look: MLflow draws a metric of one run over its steps, so that a
person sees the days side by side.
"""

from collections.abc import Mapping
from datetime import datetime

from promptlathe.track.backend import Backend
from promptlathe.track.registry import versions_listed
from promptlathe.track.runs import begin, find

WATCHED = "promptlathe.watched"
"""Run tag: the versions that are watched."""


def log_look(
    backend: Backend,
    experiment: str,
    versions: Mapping[str, int],
    at: datetime,
    *,
    step: int,
    metrics: Mapping[str, float | None],
    verdict: str,
) -> str:
    """A step more; the run's id. step: the look's number, from 1. Raises what MLflow raises."""
    from mlflow.entities import Metric, RunTag

    moment = int(at.timestamp() * 1000)
    place, listed = backend.experiment(experiment), versions_listed(versions)
    tags = {WATCHED: listed}
    runs = find(backend, place, tags)
    run = runs[0] if runs else begin(backend, place, f"watch · {listed}", tags, moment)
    backend.client.log_batch(
        run.id,
        metrics=[Metric(k, v, moment, step) for k, v in metrics.items() if v is not None],
        tags=[RunTag("verdict", verdict), RunTag("last look", at.isoformat(timespec="seconds"))],
    )
    return run.id

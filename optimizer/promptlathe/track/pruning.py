"""What MLflow keeps below old runs is given back: their candidates' runs, and traces of rows.

The line of an optimization stays, with its metrics and artifacts. Runs that are deleted are in
MLflow's trash, from which its UI brings them back (`mlflow gc` empties it); traces are gone.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing

from promptlathe.track.backend import Away, Backend, away, said
from promptlathe.track.runs import PARENT
from promptlathe.track.store import sqlite_file

PAGE = 100
"""Traces that are deleted at a time, as many as MLflow lists."""


def forget_below(backend: Backend, runs: Iterable[str]) -> tuple[int, int]:
    """Runs and traces that are deleted below these runs (MLflow's ids); those that the store does
    not have are passed over. Raises Away when it goes away."""
    deleted = traces = 0
    try:
        for experiment, run in _there(backend, runs):
            below = backend.client.search_runs([experiment], f"tags.`{PARENT}` = '{run}'")
            for one in (run, *(child.info.run_id for child in below)):
                traces += _forget_traces(backend, experiment, one)
            for child in below:
                backend.client.delete_run(child.info.run_id)
            deleted += len(below)
    except Exception as error:
        if not away(error):
            raise
        raise Away(backend.uri, said(backend.uri, error)) from error
    return deleted, traces


def compact(uri: str) -> None:
    """Give the space of a SQLite store back to the disk."""
    file = sqlite_file(uri)
    if file is not None:
        with closing(sqlite3.connect(file, timeout=20)) as connection:
            connection.execute("VACUUM")


def _there(backend: Backend, runs: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Experiment and id of those that the store has."""
    from mlflow.exceptions import MlflowException

    for run in runs:
        try:
            found = backend.client.get_run(run)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        else:
            yield found.info.experiment_id, run


def _forget_traces(backend: Backend, experiment: str, run: str) -> int:
    gone = 0
    while True:
        found = backend.client.search_traces(
            locations=[experiment],
            filter_string=f"metadata.`mlflow.sourceRun` = '{run}'",
            max_results=PAGE,
            include_spans=False,
        )
        ids = [one.info.trace_id for one in found]
        if not ids:
            return gone
        gone += backend.client.delete_traces(experiment, trace_ids=ids)

"""MLflow itself, opened by explicit URI.

All that can be is written by `MlflowClient`. What is not public is used in two places only, each
with its reason beside it: docs/decisions/0013-mlflow-internals.md.
"""

import fcntl
import getpass
import os
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager

from promptlathe.documents import hiding, secrets_of, shown_url
from promptlathe.errors import InputError
from promptlathe.track.store import sqlite_file

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Its evaluation and its server open more sessions at once than the default pool of 15.
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "64",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""What MLflow has to find in the environment before it is imported, unless set by the user."""

STORE = "PROMPTLATHE_TRACKING_STORE"
"""The variable in which the writer's process finds the store's URI: a process's arguments can be
read by every user of the machine."""


def environment(artifacts: str | None) -> dict[str, str]:
    """Environment for a process that imports MLflow: this one's, completed.

    The active run and experiment of the caller are taken out: ours are always explicit.
    """
    env = ENVIRONMENT | dict(os.environ)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        env.pop(name, None)
    if artifacts:
        # Not public, and no other way: a store that MLflow makes without it has its experiment 0
        # (`Default`, which a user may name) in ./mlruns of the current folder for ever.
        env["_MLFLOW_SERVER_ARTIFACT_ROOT"] = artifacts
    return env


class Backend:
    """A tracking store and prompt registry at one URI."""

    def __init__(self, uri: str, artifacts: str | None = None) -> None:
        """Import MLflow and open the store, making it when it is missing (2–4 s).

        Raises InputError when that fails.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.tracing.client import TracingClient
        from mlflow.tracking import MlflowClient
        from sqlalchemy.exc import SQLAlchemyError

        self.uri = uri
        # A server decides itself where artifacts are kept.
        self.artifacts = None if uri.startswith(("http://", "https://")) else artifacts
        try:
            with _alone(uri):
                self.client = MlflowClient(uri, uri)
                # What MLflow's own exporter of traces writes with, and not documented. The
                # documented way (`MlflowClient.start_trace` to `end_trace`, then
                # `mlflow.log_assessment`) took 24 ms of processor time for a trace of two spans
                # and two assessments in SQLite, this 3 ms, and it only logs what cannot be
                # written. With 300 held-out rows: 7 s against 1 s, after the last answer.
                self.traces = TracingClient(uri)
            self.client.search_experiments(max_results=1)
        except (MlflowException, SQLAlchemyError, OSError, sqlite3.Error, ImportError) as error:
            raise unusable(uri, error) from error
        self.user = _user()

    def experiment(self, name: str) -> str:
        """The id of the experiment `name`, made when it is missing. May raise InputError."""
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return self.client.create_experiment(name, artifact_location=self.artifacts)
            except MlflowException:
                # Another process may have been quicker.
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise InputError(
                f"the MLflow experiment {name!r} is deleted",
                shown_url(self.uri),
                f"restore it (mlflow experiments restore -x {found.experiment_id}), "
                "or name another with track.experiment",
            )
        return str(found.experiment_id)


def unusable(uri: str, error: BaseException) -> InputError:
    """What MLflow said, in one line, as bad input."""
    said = hiding(*secrets_of(uri))(str(error)).strip().splitlines() or [type(error).__name__]
    return InputError(
        f"the MLflow store cannot be used: {said[0]}",
        shown_url(uri),
        "check the address and the server, or leave track.uri out to use the workspace's own",
    )


@contextmanager
def _alone(uri: str) -> Generator[None]:
    """Let one process at a time open a SQLite file: MLflow's making of it is not safe for two.

    A missing file is made in WAL mode: readers and the writer then do not wait for each other.
    """
    path = sqlite_file(uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            with closing(sqlite3.connect(path)) as db:
                db.execute("PRAGMA journal_mode=WAL")
        yield


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no account, as in some containers
        return "unknown"

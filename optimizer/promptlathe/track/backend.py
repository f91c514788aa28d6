"""MLflow itself, opened by explicit URI, and many writes in one transaction.

MLflow's own writing code is used throughout. What makes it slow on SQLite is around it: every
call opens several sessions, each with three PRAGMAs and a commit, and reads the experiment
again. So a batch of calls shares one session, and the experiment is read once.
"""

import fcntl
import getpass
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Any

from promptlathe.errors import InputError
from promptlathe.track.store import redacted, sqlite_file

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Its evaluation and its server open more sessions at once than the default pool of 15.
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "64",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""What MLflow has to find in the environment before it is imported, unless set by the user."""


def environment(artifacts: str | None) -> dict[str, str]:
    """Environment for a process that imports MLflow: this one's, completed.

    The active run and experiment of the caller are taken out: ours are always explicit.
    """
    env = ENVIRONMENT | dict(os.environ)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        env.pop(name, None)
    if artifacts:
        # Otherwise MLflow's experiment 0 would point to ./mlruns of the current folder.
        env["_MLFLOW_SERVER_ARTIFACT_ROOT"] = artifacts
    return env


class Backend:
    """A tracking store and prompt registry at one URI."""

    def __init__(self, uri: str, artifacts: str | None = None) -> None:
        """Import MLflow and open the store, making it when it is missing (2–4 s).

        Raises InputError when that fails.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
        from sqlalchemy.exc import SQLAlchemyError

        self.uri = uri
        # A server decides itself where artifacts are kept.
        self.artifacts = None if uri.startswith(("http://", "https://")) else artifacts
        try:
            with _alone(uri):
                self.client = MlflowClient(uri, uri)
                # The store behind the client: the same calls for a database and for a server,
                # and the only way to give a run's start, end and tags in one call each.
                self.store: Any = self.client._tracking_client.store  # pyright: ignore[reportPrivateUsage]
            self.store.search_experiments(max_results=1)
        except (MlflowException, SQLAlchemyError, OSError, sqlite3.Error, ImportError) as error:
            raise unusable(uri, error) from error
        if hasattr(self.store, "ManagedSessionMaker"):
            self.store.get_experiment = lru_cache(self.store.get_experiment)
        self.user = _user()

    @contextmanager
    def one_transaction(self) -> Generator["Batch"]:
        """All writes inside are committed together, or not at all; a server writes each.

        Not for many writes: a session slows down with what it holds, so keep it to about 30
        runs or traces.
        """
        maker: Callable[..., Any] | None = getattr(self.store, "ManagedSessionMaker", None)
        if maker is None:
            yield Batch(None)
            return
        with maker(read_only=False) as session:

            @contextmanager
            def shared(read_only: bool = True) -> Generator[Any]:
                yield session

            self.store.ManagedSessionMaker = shared
            try:
                yield Batch(session)
            finally:
                self.store.ManagedSessionMaker = maker

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
                redacted(self.uri),
                f"restore it (mlflow experiments restore -x {found.experiment_id}), "
                "or name another with track.experiment",
            )
        return str(found.experiment_id)


class Batch:
    """The session that the writes of one transaction share, if there is one."""

    def __init__(self, session: Any) -> None:
        self._session = session

    @contextmanager
    def collected(self) -> Generator[None]:
        """Inserts inside are sent together at the end; nothing inside may read them."""
        if self._session is None:
            yield
            return
        flush = self._session.flush
        self._session.flush = _nothing
        try:
            with self._session.no_autoflush:
                yield
        finally:
            self._session.flush = flush
        flush()


def _nothing(*_: object) -> None:
    pass


def unusable(uri: str, error: BaseException) -> InputError:
    """What MLflow said, in one line, as bad input."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    return InputError(
        f"the MLflow store cannot be used: {redacted(said[0])}",
        redacted(uri),
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

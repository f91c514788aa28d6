"""MLflow itself, opened by explicit URI.

All that can be is written by `MlflowClient`. What is not public is used in two places only, each
with its reason beside it: docs/decisions/0013-mlflow-internals.md.
"""

import getpass
import os
import re
import sqlite3
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from filelock import FileLock

from promptlathe.documents import hiding, secrets_of, shown_url
from promptlathe.errors import InputError, PromptlatheError
from promptlathe.track.store import sqlite_file

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Its evaluation and its server open more sessions at once than the default pool of 15.
    "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "64",
    # What a server does not take is kept and tried again by us. MLflow's own 7 attempts of 120
    # seconds, with pauses that double, are for a program that has nothing else to do.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""What MLflow has to find in the environment before it is imported, unless set by the user."""
STORE = "PROMPTLATHE_TRACKING_STORE"
"""The variable in which the writer's process finds a store's whole URI: in the spool it stands
without its password, and a process's arguments can be read by every user of the machine."""
ARTIFACTS = "_MLFLOW_SERVER_ARTIFACT_ROOT"
"""Not public, and no other way: a store that MLflow makes without it has its experiment 0
(`Default`, which a user may name) in ./mlruns of the current folder for ever."""
AGAIN = (401, 403, 407, 408, 429)
"""HTTP statuses below 500 that say nothing about what was sent."""
SERVERS = ("http://", "https://")
PLACES = (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)
"""What another attempt to open a store does not change."""


def environment() -> dict[str, str]:
    """Environment for a process that imports MLflow: this one's, completed.

    The active run and experiment of the caller are taken out: ours are always explicit.
    """
    env = ENVIRONMENT | dict(os.environ)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        env.pop(name, None)
    return env


class Away(PromptlatheError):
    """The store does not take anything now; what is to be written may be taken later."""

    def __init__(self, uri: str, said: str) -> None:
        super().__init__(uri, said)
        self.uri, self.said = uri, said

    def __str__(self) -> str:
        return f"{shown_url(self.uri)}: {self.said}"


class Backend:
    """A tracking store and prompt registry at one URI."""

    def __init__(
        self,
        uri: str,
        artifacts: str | None = None,
        *,
        working: Callable[[], object] = lambda: None,
    ) -> None:
        """Import MLflow and open the store, making it when it is missing (2–4 s).

        working: told before a SQLite store is opened, which is work of this machine. Raises
        InputError when it cannot be used, and Away when it does not answer.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.tracing.client import TracingClient
        from mlflow.tracking import MlflowClient
        from sqlalchemy.exc import SQLAlchemyError

        self.uri, self.user = uri, _user()
        # A server decides itself where artifacts are kept.
        self.artifacts = None if uri.startswith(SERVERS) else artifacts
        self._file = sqlite_file(uri)
        if self._file is not None:
            working()
        try:
            with _set({ARTIFACTS: self.artifacts}), _alone(self._file):
                if self._file is not None and not self._file.exists():
                    _make(self._file)
                self.client = MlflowClient(uri, uri)
                # What MLflow's own exporter of traces writes with, and not documented. The
                # documented way (`MlflowClient.start_trace` to `end_trace`, then
                # `mlflow.log_assessment`) took 24 ms of processor time for a trace of two spans
                # and two assessments in SQLite, this 3 ms, and it only logs what cannot be
                # written. With 300 held-out rows: 7 s against 1 s, after the last answer.
                self.traces = TracingClient(uri)
            self.client.search_experiments(max_results=1)
            self._inode = self._file and self._file.stat().st_ino
        except (MlflowException, SQLAlchemyError, OSError, sqlite3.Error, ImportError) as error:
            if away(error) and not isinstance(error, PLACES):
                raise Away(uri, said(uri, error)) from error
            raise unusable(uri, error) from error

    def check(self) -> None:
        """Raises Away when the database's file is not the one that was opened.

        SQLite itself goes on writing into a file that has no name any more.
        """
        if self._file is None:
            return
        try:
            there = self._file.stat().st_ino
        except FileNotFoundError:
            there = None
        if there != self._inode:
            raise Away(self.uri, "its database was deleted or replaced")

    def answers(self) -> bool:
        """It is a server, and there, whatever it made of the last request.

        Of a database this says nothing: one whose disk is full still answers.
        """
        if not self.uri.startswith(SERVERS):
            return False
        try:
            self.client.search_experiments(max_results=1)
        except Exception:  # noqa: BLE001 - a server may answer with anything
            return False
        return True

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


_MET = re.compile("unique constraint|duplicate key|duplicate entry", re.IGNORECASE)
"""How SQLite, PostgreSQL and MySQL refuse a second row with the same key."""


def away(error: Exception) -> bool:
    """Nothing is wrong with what was sent: the store is down, full, locked, or closed to us."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import InterfaceError, OperationalError

    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
        return status >= 500 or status in AGAIN or error.error_code == "ENDPOINT_NOT_FOUND"
    kinds = (Away, OSError, sqlite3.OperationalError, OperationalError, InterfaceError)
    return isinstance(error, kinds)


def met(error: Exception) -> bool:
    """Another writer wrote the same thing at the same moment, so that it is there now."""
    return bool(_MET.search(str(error)))


def said(uri: str, error: BaseException) -> str:
    """What MLflow, or what it stands on, said of a store: in one line, without its password."""
    if isinstance(error, Away):
        return error.said
    hide = hiding(*secrets_of(uri))
    below = error.__cause__ or error.__context__
    reason = getattr(below.args[0], "reason", None) if below and below.args else None
    if reason is not None and reason.args:  # of urllib3, below requests
        return hide(str(reason.args[0]).rpartition(": ")[2].strip("."))
    cause = getattr(below, "orig", None) or getattr(error, "orig", None) or error
    return (hide(str(cause)).strip().splitlines() or [type(cause).__name__])[0]


def unusable(uri: str, error: BaseException) -> InputError:
    """What MLflow said, as bad input."""
    return InputError(
        f"the MLflow store cannot be used: {said(uri, error)}",
        shown_url(uri),
        "check the address and the server, or leave track.uri out to use the workspace's own",
    )


@contextmanager
def _alone(path: Path | None) -> Generator[None]:
    """One process at a time opens a SQLite file: MLflow's making of it is not safe for two."""
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f"{path.name}.lock")):
        yield


def _make(path: Path) -> None:
    """Make a SQLite store whole or not at all, also when killed, or when the disk is full.

    In WAL mode: readers and the writer then do not wait for each other.
    """
    from mlflow.tracking import MlflowClient

    new = path.with_name(f"{path.name}.new")
    for end in ("", "-journal", "-wal", "-shm"):  # of an attempt that was killed
        Path(f"{new}{end}").unlink(missing_ok=True)
    # No connection stays open to a file that is about to get another name.
    pool = {"MLFLOW_SQLALCHEMYSTORE_POOLCLASS": "NullPool"}
    with _set(pool | {"MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": None}):
        MlflowClient(f"sqlite:///{new}", f"sqlite:///{new}").search_experiments(max_results=1)
    with closing(sqlite3.connect(new)) as database:
        database.execute("PRAGMA journal_mode=WAL")
    new.replace(path)


@contextmanager
def _set(variables: Mapping[str, str | None]) -> Generator[None]:
    """Environment variables, for a while."""
    before = {name: os.environ.get(name) for name in variables}

    def put(values: Mapping[str, str | None]) -> None:
        for name, value in values.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    put(variables)
    try:
        yield
    finally:
        put(before)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no account, as in some containers
        return "unknown"

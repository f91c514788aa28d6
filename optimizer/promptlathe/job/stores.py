"""The stores of a job, checked before anything is paid for."""

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from promptlathe.command_line import command
from promptlathe.documents import HIDDEN, find, shown_url
from promptlathe.errors import InputError, StorageFailed
from promptlathe.job.job import STATE, Job
from promptlathe.track.running import under_way
from promptlathe.track.store import (
    URI,
    check_store,
    default_artifacts,
    default_uri,
    environment_uri,
    is_server,
    store_uri,
)
from promptlathe.whole_files import write_whole

if TYPE_CHECKING:
    from sqlalchemy import URL

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No room on the disk, in the user's share of it, or for a file of that size."""

POINTER = "ledger.url"
"""In the state folder: where the latest run was kept, if elsewhere; without a password."""


def check_stores(job: Job) -> list[str]:
    """What to know of them. Raises InputError for a workspace, ledger or MLflow store that cannot
    be used."""
    from promptlathe.ledger import check_ledger

    find(Path(), str(job.workspace), where="the workspace")
    writable(job.state)
    check_ledger(ledger_url(job))
    notes: list[str] = []
    given = job.track and not job.track.uri and environment_uri()
    if job.track and (away := check_store(tracking_uri(job), where=URI if given else None)):
        notes.append(f"{away}: what a run tells MLflow waits in {job.state / 'spool'}")
    if others := under_way(job.state):
        runs = "another run is" if len(others) == 1 else f"{len(others)} other runs are"
        notes.append(
            f"{runs} under way in this workspace ({', '.join(others)}): calls that are equal are "
            "paid once, and jobs on the same prompt wait for each other"
        )
    return notes


@contextmanager
def storage(state: Path) -> Generator[None]:
    """Raises StorageFailed for a full disk, whoever of us has found it full."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        place = str(error.filename or state)
        raise StorageFailed(f"cannot be written: {error.strerror}", place, space(state)) from error


def space(state: Path) -> str:
    """What to do about a full disk."""
    return f"make room on the disk of {state}, then start the same command again: it goes on"


def tracking_uri(job: Job) -> str:
    """The run file's, MLFLOW_TRACKING_URI's, or the SQLite database in the workspace."""
    return store_uri(job.track.uri if job.track else None, job.state)


def recorded_in(workspace: Path | None, latest: str = "") -> tuple[str, str | None]:
    """The store to look at, and where it keeps artifacts: MLFLOW_TRACKING_URI's, or `latest`, where
    the latest run was recorded elsewhere, or that of the workspace. Raises InputError when nothing
    was ever run there."""
    if named := environment_uri():
        return named, None
    if latest:
        if HIDDEN in latest and not is_server(latest):
            raise InputError(
                "the latest run was recorded in a database whose password is not kept",
                latest,
                "set MLFLOW_TRACKING_URI to the whole address",
            )
        return latest, None
    state = existing_state(workspace, "mlflow.db")
    return default_uri(state), default_artifacts(state)


def ledger_url(job: Job) -> "str | URL":
    """The run file's, PROMPTLATHE_LEDGER's, or the SQLite database in the workspace, whatever its
    path holds."""
    from promptlathe.ledger import ledger_at

    return ledger_at(job.ledger, job.state)


def point_to_ledger(job: Job) -> None:
    """Leave behind where this run is kept, for commands that read no run file."""
    from sqlalchemy import make_url

    from promptlathe.ledger import file_of

    pointer, url = job.state / POINTER, make_url(ledger_url(job))
    file = file_of(url)
    if file and file.resolve() == job.state.resolve() / "ledger.db":
        pointer.unlink(missing_ok=True)
        return
    whole = url.set(database=str(file.resolve())) if file else url
    write_whole(pointer, shown_url(whole.render_as_string(hide_password=False)) + "\n")


def ledger_in(workspace: Path | None) -> "tuple[str | URL, Path]":
    """The ledger to look at, and the state folder of the workspace: PROMPTLATHE_LEDGER's, or that
    of the latest run. Raises InputError when nothing was ever run there."""
    from sqlalchemy import make_url

    from promptlathe.ledger import LEDGER, file_of, sqlite_url

    if named := os.environ.get(LEDGER):
        return named, (workspace or Path.cwd()) / STATE
    state = existing_state(workspace, POINTER, "ledger.db")
    pointer = state / POINTER
    if not pointer.exists():
        return sqlite_url(state.resolve() / "ledger.db"), state
    url = pointer.read_text("utf-8").strip()
    fix = f"set {LEDGER} to its whole address"
    if HIDDEN in url:
        raise InputError("the latest run is in a ledger whose password is not kept", url, fix)
    file = file_of(make_url(url))
    if file and not file.exists():
        raise InputError("the ledger of the latest run is not there any more", str(file), fix)
    return url, state


def asking_file(job: Job) -> Path:
    """Where the calls under way are marked: beside the ledger, or in the workspace for a server."""
    from sqlalchemy import make_url

    from promptlathe.ledger import file_of

    file = file_of(make_url(ledger_url(job))) or job.state / "ledger"
    return file.with_name(f"{file.name}.asking")


def existing_state(workspace: Path | None, *kept: str) -> Path:
    """The state folder of `workspace` that keeps one of these; by default of the working directory
    or one above it.

    Raises InputError when nothing was ever run there.
    """
    if workspace:
        find(Path(), str(workspace), where="--workspace")
    here = (workspace or Path.cwd()).resolve()
    for folder in (here,) if workspace else (here, *here.parents):
        if any((folder / STATE / name).exists() for name in kept):
            return folder / STATE
    raise InputError(
        "no run was recorded here yet",
        str(here / STATE),
        f"run a job first ({command('run', 'FILE')}), or name the folder with --workspace DIR",
    )


def writable(folder: Path) -> None:
    """Raises InputError when nothing could be written there; makes neither folder nor file."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InputError(
            "the workspace is not writable: a file stands where a folder has to be",
            str(there),
            "move the file away, or choose another workspace with --workspace DIR",
        )
    try:
        TemporaryFile(dir=there).close()
    except OSError as error:
        raise InputError(
            f"the workspace is not writable: {error.strerror}",
            str(there),
            "choose another with --workspace DIR, or change its permissions",
        ) from None


def make_state(folder: Path) -> None:
    """Make the state folder, which keeps itself out of version control."""
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_whole(ignore, "*\n")

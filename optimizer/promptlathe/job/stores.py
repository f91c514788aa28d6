"""The stores of a job, checked before anything is paid for."""

from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from promptlathe.documents import find
from promptlathe.errors import InputError
from promptlathe.job.job import STATE, Job
from promptlathe.track.store import check_store, default_uri

if TYPE_CHECKING:
    from sqlalchemy import URL


def check_stores(job: Job) -> None:
    """Raises InputError for a workspace, ledger or MLflow store that cannot be used."""
    from promptlathe.ledger import check_ledger

    find(Path(), str(job.workspace), where="the workspace")
    writable(job.state)
    check_ledger(ledger_url(job))
    if job.track:
        check_store(tracking_uri(job))


def tracking_uri(job: Job) -> str:
    """The run file's, or the SQLite database in the workspace."""
    if job.track and job.track.uri:
        return job.track.uri
    return default_uri(job.state)


def ledger_url(job: Job) -> "str | URL":
    """The run file's, or the SQLite database in the workspace, whatever its path holds."""
    from promptlathe.ledger import sqlite_url

    return job.ledger or sqlite_url(job.state.resolve() / "ledger.db")


def existing_state(workspace: Path | None) -> Path:
    """The state folder of `workspace`; by default of the working directory or one above it.

    Raises InputError when nothing was ever run there.
    """
    if workspace:
        find(Path(), str(workspace), where="--workspace")
    here = (workspace or Path.cwd()).resolve()
    for folder in (here,) if workspace else (here, *here.parents):
        if (folder / STATE / "mlflow.db").is_file():
            return folder / STATE
    raise InputError(
        "no run was recorded here yet",
        str(here / STATE),
        "run a job first (promptlathe run FILE), or name the folder with --workspace DIR",
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
        ignore.write_text("*\n", encoding="utf-8")

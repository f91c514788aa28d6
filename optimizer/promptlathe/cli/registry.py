"""The prompt registry of a workspace, for commands."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from promptlathe.cli.tables import Column, table
from promptlathe.cli.terminal import short, visible
from promptlathe.documents import hiding, secrets_of, shown_url
from promptlathe.errors import InputError
from promptlathe.job.latest import latest_recorded
from promptlathe.job.stores import recorded_in
from promptlathe.track.aliases import Version
from promptlathe.track.backend import ENVIRONMENT, Away, Backend, said
from promptlathe.track.store import check_prompt_name, check_store

_REACH = "see that the store can be reached, or set MLFLOW_TRACKING_URI to another one"


@contextmanager
def registry(workspace: Path | None, name: str) -> Generator[Backend]:
    """The store, whose registry may have the prompt `name`.

    Raises InputError for a name that no prompt can have, and for a store that does not answer.
    """
    check_prompt_name(name, "NAME")
    with store(workspace) as backend:
        yield backend


@contextmanager
def store(workspace: Path | None) -> Generator[Backend]:
    """MLFLOW_TRACKING_URI's, the one of the latest run, or the workspace's own.

    Raises InputError for a store that does not answer.
    """
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    last = latest_recorded(workspace)
    uri, artifacts = recorded_in(workspace, last.store if last else "")
    if away := check_store(uri):
        raise InputError(away, shown_url(uri), _REACH)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield Backend(uri, artifacts)
    except Away as error:
        raise InputError(hiding(*secrets_of(uri))(error.said), shown_url(uri), _REACH) from None
    except (MlflowException, SQLAlchemyError) as error:
        text = hiding(*secrets_of(uri))(said(uri, error))
        raise InputError(f"MLflow refused: {text}", shown_url(uri), _REACH) from None


def version_lines(versions: list[Version]) -> list[str]:
    """A table, and a line for each rollback and each drift."""
    shown = (
        Column("version", [str(one.number) for one in versions], right=True),
        Column("when (UTC)", [one.at[:16].replace("T", " ") for one in versions]),
        Column("alias", [", ".join(one.aliases) for one in versions]),
        Column("verdict", [one.verdict or "" for one in versions]),
        Column("gain", ["" if one.gain is None else f"{one.gain:+.3f}" for one in versions]),
        Column("interval", [_interval(one) for one in versions]),
        Column("rows", [_count(one.rows) for one in versions], right=True),
        Column("calls", [_count(one.calls) for one in versions], right=True),
        Column("opening", [_count(one.opening) for one in versions], right=True),
        Column("MLflow run", [(one.run or "")[:12] for one in versions]),
    )
    return [*table(shown), *(line for _, line in sorted(_events(versions)))]


def _events(versions: list[Version]) -> Iterator[tuple[str, str]]:
    """Each with its moment: rollbacks and drifts."""
    for one in versions:
        for back in one.rollbacks:
            reason = short(visible(back.reason), 200) or "no reason given"
            said = f"rolled back from {one.number} to {back.to}: {reason}"
            yield back.at, f"{back.at[:16].replace('T', ' ')}  {said}"
        if seen := one.drift:
            said = (
                f"{one.number} drifts: {100 * seen.drop:.0f} points lower since {seen.since[:10]}"
            )
            yield seen.at, f"{seen.at[:16].replace('T', ' ')}  {said}"


def _interval(one: Version) -> str:
    return "{:+.3f} to {:+.3f}".format(*one.interval) if one.interval else ""


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"

"""Where MLflow keeps things, and whether it can: cheap checks that do not import mlflow."""

import os
import re
import socket
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

from promptlathe.documents import find, shown_url
from promptlathe.errors import InputError

ALIAS = "champion"
CHALLENGER = "challenger"
"""Alias of the version that waits for somebody to promote it."""
PREVIOUS = "previous"
"""Alias of the version that was the champion before."""
URI = "MLFLOW_TRACKING_URI"
PROMPT_NAME = re.compile(r"[A-Za-z0-9_.-]+")
CONNECT_SECONDS = 2.0
DATABASES = ("postgresql", "mysql", "mssql", "databricks")
_MISREAD = re.compile("[?\ud800-\udfff]|%[0-9A-Fa-f]{2}")
_REVISION = re.compile(r"^(down_)?revision\s*=\s*[\"'](\w+)[\"']", re.MULTILINE)


def default_uri(state: Path) -> str:
    """The tracking URI of a workspace whose state folder is `state`.

    Raises InputError for a path that MLflow would take for another one: it reads `?` as the
    beginning of a query, and `%20` as a space.
    """
    path = str(state.resolve() / "mlflow.db")
    if _MISREAD.search(path):
        raise InputError(
            "MLflow cannot keep its store in a path with '?', with '%' before two digits, or that "
            "is not UTF-8",
            path,
            "choose another folder with --workspace DIR, name a store with track.uri, or record "
            "nothing with track: false",
        )
    return f"sqlite:///{path}"


def store_uri(named: str | None, state: Path) -> str:
    """The store that the run file names, else MLFLOW_TRACKING_URI, else the workspace's own."""
    return named or environment_uri() or default_uri(state)


def environment_uri() -> str:
    """The environment's, or nothing; a SQLite file by its whole path, wherever it is read."""
    named = os.environ.get(URI, "").strip()
    file = sqlite_file(named)
    if file is None or file.name in {"", ":memory:"} or file.is_absolute():
        return named
    return named.replace(str(file), str(file.resolve()), 1)


def default_artifacts(state: Path) -> str:
    """The artifact folder of a workspace whose state folder is `state`: its path, or a URI where
    MLflow would read a path otherwise."""
    path = state.resolve() / "artifacts"
    return str(path) if quote(str(path)) == str(path) else path.as_uri()


def sqlite_file(uri: str) -> Path | None:
    """The database file of a `sqlite:///` URI; None for any other kind of store."""
    if not re.match(r"sqlite(\+\w+)?:", uri):
        return None
    return Path(uri.partition(":///")[2].partition("?")[0])


def is_server(uri: str) -> bool:
    """It is an MLflow server, which has its pages already."""
    return uri.startswith(("http://", "https://"))


def check_prompt_name(name: str, where: str | None = None) -> None:
    """Raise InputError unless MLflow's prompt registry takes `name`."""
    if not PROMPT_NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is not a name for the prompt registry",
            where,
            "use letters, digits, '-', '_' and '.' only",
        )


def check_store(uri: str, *, where: str | None = None) -> str | None:
    """Raise InputError when MLflow could not use `uri`, as far as a quick look tells.

    A database file is looked into; a server is connected to, and what is returned says that it
    does not answer; other databases are left to `Tracker.started`.
    """
    path = sqlite_file(uri)
    scheme = uri.partition("://")[0] if "://" in uri else urlsplit(uri).scheme
    if scheme in {"http", "https"}:
        return _check_server(uri, where or shown_url(uri))
    if path is not None:
        _check_file(path, where or str(path))
    elif scheme.partition("+")[0] not in {"", "file", *DATABASES}:
        raise InputError(
            f"MLflow knows no store of the kind {scheme!r}",
            where or shown_url(uri),
            "name a database as sqlite:///path/to/mlflow.db, or a server as http://host:port",
        )
    elif scheme in {"", "file"}:
        raise InputError(
            f"{shown_url(uri)!r} is a folder, and MLflow keeps runs in a database or on a server",
            where,
            "name a database as sqlite:///path/to/mlflow.db, or a server as http://host:port",
        )
    return None


def _check_file(path: Path, where: str) -> None:
    other = "name another store with track.uri, or another state folder"
    if path.name in {"", ":memory:"}:
        raise InputError("an in-memory store keeps nothing", where, other)
    find(Path(), str(path), where=where)
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a database", where, other)
    _check_writable(path, where)
    if path.exists():
        _check_schema(path, where)


def _check_writable(path: Path, where: str) -> None:
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder", where, "name another state folder")
    blocked = next((p for p in (folder, path) if p.exists() and not os.access(p, os.W_OK)), None)
    if blocked:
        raise InputError(
            f"{blocked} is not writable", where, "change its permissions, or name another store"
        )


def _check_schema(path: Path, where: str) -> None:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
            tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
            found = (
                [revision for (revision,) in db.execute("SELECT version_num FROM alembic_version")]
                if "alembic_version" in tables
                else []
            )
    except sqlite3.Error as error:
        raise InputError(
            f"cannot be read as a database: {error}",
            where,
            "move the file away, or name another store",
        ) from error
    if not tables:
        return
    if "experiments" not in tables:
        raise InputError("is a database of something else than MLflow", where, "name another store")
    if not found:
        return  # another process is making it just now
    known, newest = revisions()
    if unknown := [revision for revision in found if revision not in known]:
        raise InputError(
            f"the database has a newer schema ({unknown[0]}) than the installed MLflow knows",
            where,
            "upgrade MLflow (pip install -U mlflow), or name another store",
        )
    if found != [newest]:
        raise InputError(
            f"the database has the schema {found[0]} of an older MLflow",
            where,
            f"copy the file as a backup, then run: mlflow db upgrade sqlite:///{path}",
        )


def revisions() -> tuple[frozenset[str], str]:
    """The schema revisions that the installed MLflow knows, and the newest of them."""
    spec = find_spec("mlflow")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("MLflow is not installed", None, "install it with: pip install mlflow")
    folder = Path(spec.submodule_search_locations[0], "store", "db_migrations", "versions")
    known: set[str] = set()
    replaced: set[str] = set()
    for file in folder.glob("*_*.py"):
        for down, revision in _REVISION.findall(file.read_text("utf-8")):
            (replaced if down else known).add(revision)
    return frozenset(known), next(iter(known - replaced), "")


def _check_server(uri: str, where: str) -> str | None:
    try:
        parts = urlsplit(uri)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:  # a port that is no number, a bracket that does not close
        raise InputError(
            "the address cannot be read",
            where,
            "quote the signs @ : / of a password as %40 %3A %2F",
        ) from None
    if parts.scheme in getproxies() and not proxy_bypass(parts.hostname or ""):
        return None  # only the proxy can tell
    failed: list[Exception] = []

    def connect() -> None:
        try:
            socket.create_connection((parts.hostname or "", port), CONNECT_SECONDS).close()
        except (OSError, UnicodeError) as error:
            failed.append(error)

    # In a thread: nothing interrupts the search for a name, which may take long.
    thread = Thread(target=connect, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    error = failed[0] if failed else TimeoutError("timed out") if thread.is_alive() else None
    unknown = isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME
    if unknown or isinstance(error, UnicodeError):
        raise InputError(
            "no machine has this name",
            where,
            "correct the address, or leave track.uri out",
        ) from None
    return f"no MLflow server answers at {where} ({error})" if error else None

"""Opening a database, and what is said when it cannot be used."""

import os
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from filelock import FileLock
from sqlalchemy import (
    DDL,
    URL,
    Column,
    Connection,
    Engine,
    MetaData,
    Table,
    create_engine,
    event,
    insert,
    inspect,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect
from sqlalchemy.exc import (
    IntegrityError,
    InvalidRequestError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.schema import CreateColumn

from promptlathe.documents import hiding, secrets_of, shown_url
from promptlathe.errors import InputError, StorageFailed

LEDGER = "PROMPTLATHE_LEDGER"
"""The variable that names a ledger where the run file does not."""
FULL = re.compile("disk is full|no space left|quota exceeded|file too large", re.IGNORECASE)
"""As SQLite, PostgreSQL and the operating system say it."""
ATTEMPTS = 5
"""To make the tables beside other processes that do."""

UNUSABLE = (SQLAlchemyError, OSError, ImportError, ValueError)
"""What opening a database raises. ValueError: a port that is no number."""


def sqlite_url(path: Path) -> URL:
    """Of a SQLite database in a file. As a text, `?` and `%` in its path would mean something."""
    return URL.create("sqlite", database=str(path))


def ledger_at(named: str | None, state: Path) -> str | URL:
    """Its address: as named, or as PROMPTLATHE_LEDGER names it, or in the state folder."""
    return named or os.environ.get(LEDGER) or sqlite_url(state.absolute() / "ledger.db")


def check_ledger(url: str | URL) -> None:
    """Raise InputError when the database could not be opened; makes neither file nor table."""
    try:
        engine = create_engine(url)
        file = file_of(engine.url)
        if file is not None and not file.exists():
            return
        with engine.connect() as connection:
            inspect(connection).get_table_names()
        engine.dispose()
    except UNUSABLE as error:
        raise unusable(url, error) from None


def file_of(address: URL) -> Path | None:
    """The file of a SQLite database; None for one in memory, and for any other."""
    if address.get_backend_name() != "sqlite" or address.database in (None, "", ":memory:"):
        return None
    return Path(str(address.database))


def unusable(address: str | URL, error: Exception) -> InputError | StorageFailed:
    """What is said of a database that cannot be opened."""
    cause, where = _said(address, error)
    if FULL.search(cause):
        return failed(address, error)
    return InputError(
        f"the ledger cannot be used: {cause}",
        where,
        "move a file away that is no ledger, or name another database under `ledger:` "
        "(sqlite:///path/to/ledger.db, postgresql+psycopg://…)",
    )


def failed(address: str | URL, error: Exception) -> StorageFailed:
    """What is said of one that fails while a run goes on."""
    cause, where = _said(address, error)
    if FULL.search(cause):
        what, fix = "the disk of the ledger is full", "make room"
    elif isinstance(error, Deleted):
        what, fix = cause, "leave the state folder alone while a run is under way"
    else:
        what, fix = f"the ledger went away: {cause}", "see that the database can be used"
    again = "then start the same command again: it goes on with what is kept"
    return StorageFailed(what, where, f"{fix}, {again}")


class Deleted(Exception):
    """A SQLite database has lost its file: SQLite goes on writing where nobody finds it."""


def _said(address: str | URL, error: Exception) -> tuple[str, str]:
    """What the database said, in one line, and where it is; without the password."""
    file = address.database if isinstance(address, URL) else None
    url = file or str(address)
    hide = hiding(*secrets_of(url))
    lines = hide(str(getattr(error, "orig", None) or error)).strip().splitlines()
    return lines[0] if lines else type(error).__name__, file or shown_url(url)


def restore(connection: Connection, file: Path) -> None:
    """Write a database whose file was deleted once more, from the connection that still has it."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    source: Any = connection.connection.driver_connection
    with closing(sqlite3.connect(new)) as copy:
        source.backup(copy)
    for end in ("-wal", "-shm"):  # they belong to the file that is gone
        Path(f"{file}{end}").unlink(missing_ok=True)
    new.replace(file)


def open_database(url: str | URL, metadata: MetaData) -> Engine:
    """The engine of a database that has the tables; several processes may come first at once."""
    engine = create_engine(url)
    file = file_of(engine.url)
    if file is None:
        _prepare_with_others(engine, metadata)
        return _durable(engine)
    file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(file.with_name(f"{file.name}.lock")):
        if file.exists():
            _prepare(engine, metadata)
        else:  # one that is killed, or finds the disk full, leaves no half a database
            new = file.with_name(f"{file.name}.new")
            new.unlink(missing_ok=True)
            beside = create_engine(engine.url.set(database=str(new)))
            _prepare(beside, metadata)
            beside.dispose()
            new.replace(file)
    return _durable(engine)


def _prepare_with_others(engine: Engine, metadata: MetaData) -> None:
    """On a server: who finds that another process has just made a table looks again."""
    for _ in range(ATTEMPTS):
        try:
            return _prepare(engine, metadata)
        except (IntegrityError, OperationalError, ProgrammingError):
            time.sleep(0.1)
    return _prepare(engine, metadata)


def _prepare(engine: Engine, metadata: MetaData) -> None:
    metadata.create_all(engine)
    add_columns(engine, metadata)


def _durable(engine: Engine) -> Engine:
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine, "connect")
    def _set(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=20000")

    return engine


def add_columns(engine: Engine, metadata: MetaData) -> None:
    """Give the tables of an older version the columns that they lack; these may be empty.

    Raises InvalidRequestError, before anything is changed, for a table that is not ours.
    """
    there = inspect(engine)
    missing: list[tuple[Table, Column[Any]]] = []
    for table in metadata.sorted_tables:
        known = {column["name"] for column in there.get_columns(table.name)}
        missing += [(table, column) for column in table.columns if column.name not in known]
    for table, column in missing:
        if not column.nullable:
            raise InvalidRequestError(f"its table {table.name} is another program's")
    with engine.begin() as connection:
        for table, column in missing:
            declared = CreateColumn(column).compile(dialect=engine.dialect)
            name = engine.dialect.identifier_preparer.format_table(table)
            connection.execute(DDL(f"ALTER TABLE {name} ADD COLUMN {declared}"))


def insert_new(dialect: str, table: Table) -> Any:
    """INSERT that leaves a row alone that is there already."""
    if dialect == "sqlite":
        return sqlite_dialect.insert(table).on_conflict_do_nothing()
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return insert(table).prefix_with("IGNORE", dialect="mysql")

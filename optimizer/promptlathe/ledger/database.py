"""Opening a database, and what is said when it cannot be used."""

from pathlib import Path
from typing import Any

from filelock import FileLock
from sqlalchemy import (
    DDL,
    URL,
    Column,
    Engine,
    MetaData,
    Table,
    create_engine,
    event,
    insert,
    inspect,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InvalidRequestError, SQLAlchemyError
from sqlalchemy.schema import CreateColumn

from promptlathe.documents import hiding, secrets_of, shown_url
from promptlathe.errors import InputError

UNUSABLE = (SQLAlchemyError, OSError, ImportError, ValueError)
"""What opening a database raises. ValueError: a port that is no number."""


def sqlite_url(path: Path) -> URL:
    """Of a SQLite database in a file. As a text, `?` and `%` in its path would mean something."""
    return URL.create("sqlite", database=str(path))


def check_ledger(url: str | URL) -> None:
    """Raise InputError when the database could not be opened; makes neither file nor table."""
    try:
        engine = create_engine(url)
        file = _file_of(engine.url)
        if file is not None and not file.exists():
            return
        with engine.connect() as connection:
            inspect(connection).get_table_names()
        engine.dispose()
    except UNUSABLE as error:
        raise unusable(url, error) from None


def _file_of(address: URL) -> Path | None:
    """The file of a SQLite database; None for one in memory, and for any other."""
    if address.get_backend_name() != "sqlite" or address.database in (None, "", ":memory:"):
        return None
    return Path(str(address.database))


def unusable(address: str | URL, error: Exception) -> InputError:
    """What the database said, in one line and without the password, as bad input."""
    file = address.database if isinstance(address, URL) else None
    url = file or str(address)
    hide = hiding(*secrets_of(url))
    cause = hide(str(getattr(error, "orig", None) or error)).strip().splitlines()
    return InputError(
        f"the ledger cannot be used: {cause[0] if cause else type(error).__name__}",
        file or shown_url(url),
        "move a file away that is no ledger, or name another database under `ledger:` "
        "(sqlite:///path/to/ledger.db, postgresql+psycopg://…)",
    )


def open_database(url: str | URL, metadata: MetaData) -> Engine:
    """The engine of a database that has the tables; several processes may come first at once."""
    engine = create_engine(url)
    file = _file_of(engine.url)
    if file is None:
        _prepare(engine, metadata)
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
        return sqlite.insert(table).on_conflict_do_nothing()
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return insert(table).prefix_with("IGNORE", dialect="mysql")

"""The durable record of every outcome: cache, resume and replay are all read from it.

Five tables: `answers`, one row for each distinct call ever answered in the workspace; `runs`, the
terms of each run; `told`, the order in which a run's policy was told its outcomes; `candidates`,
the levels of the candidates in them; `stops`, where each stage of the search ended. Failures are
told, not cached: a later run asks again.
"""

import json
import re
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from sqlalchemy import (
    URL,
    Boolean,
    Column,
    DateTime,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    create_engine,
    event,
    func,
    insert,
    inspect,
    make_url,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from promptlathe.errors import InputError
from promptlathe.records import Answer, Call, Cell, Failure, FailureReason, Outcome, Value

Key = tuple[str, str, int]
"""(candidate, example, repeat) of a cell."""

_metadata = MetaData()
_answers = Table(
    "answers",
    _metadata,
    Column("key", String(16), primary_key=True),
    Column("model", String(200), nullable=False),
    Column("endpoint", String(500), nullable=False),
    Column("role", String(20), nullable=False),
    Column("text", Text, nullable=False),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("latency", Float, nullable=False),
    Column("finish_reason", String(40)),
    Column("at", DateTime(timezone=True), nullable=False),
)
_told = Table(
    "told",
    _metadata,
    Column("run", String(32), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("candidate", String(16), nullable=False),
    Column("example", String(40), nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("value", Float),
    Column("failure", String(20)),
    Column("cached", Boolean, nullable=False),
)
_stops = Table(
    "stops",
    _metadata,
    Column("run", String(32), primary_key=True),
    Column("stage", Integer, primary_key=True),
    Column("told", Integer, nullable=False),
    Column("limit", String(20), nullable=False),
)
_runs = Table(
    "runs",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("run", String(32), nullable=False, unique=True),
    Column("objective", String(16), nullable=False, index=True),
    Column("model", String(200), nullable=False),
    Column("endpoint", String(500), nullable=False),
    Column("parameters", String(16), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("earlier", Text, nullable=False),
)
_candidates = Table(
    "candidates",
    _metadata,
    Column("run", String(32), primary_key=True),
    Column("candidate", String(16), primary_key=True),
    Column("levels", Text, nullable=False),
)
_ANSWER_COLUMNS = ("text", "input_tokens", "output_tokens", "latency", "finish_reason")
_CHUNK = 500
EARLIER_RUNS = 50
"""The most recent ones that a run learns from."""
EARLIER_OUTCOMES = 4000
"""The most recent ones that a run learns from."""
# Made once: SQLAlchemy takes longer to build and compare statements than SQLite to run them.
_FIND = select(*(_answers.c[name] for name in ("key", *_ANSWER_COLUMNS))).where(
    _answers.c.key.in_(bindparam("keys", expanding=True))
)
_TELL = insert(_told)
_OUTCOMES = (
    select(
        _told.c.candidate,
        _told.c.example,
        _told.c.value,
        _candidates.c.levels,
        _runs.c.model,
        _runs.c.endpoint,
        _runs.c.parameters,
    )
    .join_from(
        _told,
        _candidates,
        (_told.c.run == _candidates.c.run) & (_told.c.candidate == _candidates.c.candidate),
    )
    .join(_runs, _told.c.run == _runs.c.run)
    .where(
        _told.c.run == bindparam("of"),
        _told.c.seq < bindparam("until"),
        _told.c.value.is_not(None),
        _told.c.repeat == 0,
    )
    .order_by(_told.c.seq.desc())
)


@dataclass(frozen=True)
class Terms:
    """What decides a score, apart from prompt and example."""

    objective: str
    """`Objective.scoring`."""
    model: str
    endpoint: str
    parameters: str
    """Content hash of what is sent with every call."""


@dataclass(frozen=True)
class Known:
    """An outcome of an earlier run."""

    candidate: str
    levels: Mapping[str, Value]
    example: str
    value: float
    same_model: bool
    """The model, its service and its parameters were the same."""


@dataclass(frozen=True)
class Course:
    """How a run went, as far as the answers do not say it."""

    stages: tuple[tuple[tuple[Key, ...], str], ...] = ()
    """For each stage of the search: its cells in the order they were told, and the limit of the
    budget that ended it (empty when there was nothing left to propose)."""
    failures: dict[Key, Failure] = field(default_factory=dict["Key", Failure])


class Ledger:
    """Durable outcomes at a SQLAlchemy URL. Several processes may use one file at a time.

    A row is on disk when `record` returns (SQLite: WAL with synchronous=FULL).
    Every method raises InputError when the database cannot be opened, read or written.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._seq: dict[str, int] = {}
        self._named: set[tuple[str, str]] = set()
        """(run, candidate) whose levels were written by this ledger."""
        try:
            self._engine = _open(url)
            dialect = self._engine.dialect.name
            self._insert_new = _insert_new(dialect, _answers)
            self._insert_candidate = _insert_new(dialect, _candidates)
            _metadata.create_all(self._engine)
            self._connection = self._engine.connect()
        except (SQLAlchemyError, OSError, ImportError) as error:
            raise _unusable(url, error) from None

    def find(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The known answers among `keys`."""
        known: dict[str, Answer] = {}
        with self._transaction():
            for start in range(0, len(keys), _CHUNK):
                asked = {"keys": keys[start : start + _CHUNK]}
                for key, *values in self._connection.execute(_FIND, asked):
                    known[key] = Answer(*values)
        return known

    def record(
        self,
        answers: Iterable[tuple[Call, Answer]],
        run: str | None = None,
        told: Sequence[Outcome] = (),
    ) -> None:
        """Write new answers, and a run's outcomes in the order in which they will be told.

        Of two answers to one call the first stays: another process may have been quicker.
        """
        now = datetime.now(UTC)
        rows = [_answer_row(call, answer, now) for call, answer in answers]
        order: list[dict[str, Any]] = []
        if run is not None and told:
            first = self.count(run)
            order = [_told_row(run, first + i, outcome) for i, outcome in enumerate(told)]
            self._seq[run] = first + len(told)
        new = self._unnamed(run, told) if run is not None else []
        with self._transaction():
            if rows:
                self._connection.execute(self._insert_new, rows)
            if order:
                self._connection.execute(_TELL, order)
            if new:
                self._connection.execute(self._insert_candidate, new)

    def _unnamed(self, run: str, told: Sequence[Outcome]) -> list[dict[str, Any]]:
        """Rows of the candidates that are met for the first time."""
        cells: dict[str, Cell] = {}
        for outcome in told:
            if (run, one := outcome.cell.candidate.id) not in self._named:
                cells.setdefault(one, outcome.cell)
        self._named |= {(run, one) for one in cells}
        return [
            {"run": run, "candidate": one, "levels": json.dumps(dict(cell.candidate.levels))}
            for one, cell in cells.items()
        ]

    def begin(self, run: str, terms: Terms, *, warm: bool) -> None:
        """A run begins. `warm`: it will learn from what was told under the same objective so far.

        Only runs whose search ended count: one that broke off is not an earlier run, but the
        same one when it is started again, and its answers are known.
        """
        ended = select(_stops.c.run)
        same = (_runs.c.objective == terms.objective, _runs.c.run.in_(ended))
        found = select(_runs.c.run).where(*same).order_by(_runs.c.number.desc())
        with self._transaction():
            runs = self._connection.execute(found.limit(EARLIER_RUNS)).scalars().all()
            # Those may go on while this one runs: what counts is what they have told by now.
            earlier = [[one, self._told_now(one)] for one in runs] if warm else []
            row = {"run": run, **vars(terms), "at": datetime.now(UTC)}
            row["earlier"] = json.dumps(earlier)
            self._connection.execute(insert(_runs), row)

    def _told_now(self, run: str) -> int:
        query = select(func.count()).select_from(_told).where(_told.c.run == run)
        return self._connection.execute(query).scalar_one()

    def earlier(self, run: str, examples: Collection[str]) -> list[Known]:
        """What the run knew when it began of these examples, the latest first; first repeats only.

        At most EARLIER_OUTCOMES. The same whenever it is asked: what was told since is left out.
        """
        wanted = frozenset(examples)
        known: list[Known] = []
        with self._transaction():
            own = self._connection.execute(select(_runs).where(_runs.c.run == run)).first()
            for other, told in json.loads(own.earlier) if own else ():
                found = self._connection.execute(_OUTCOMES, {"of": other, "until": told})
                for candidate, example, value, levels, *place in found.all():
                    if len(known) == EARLIER_OUTCOMES:
                        return known
                    if example in wanted:
                        same = tuple(place) == (own.model, own.endpoint, own.parameters)
                        known.append(Known(candidate, json.loads(levels), example, value, same))
        return known

    def stop(self, run: str, limit: str) -> None:
        """A stage of the run's search has ended after what was told so far."""
        with self._transaction():
            stages = select(func.count()).select_from(_stops).where(_stops.c.run == run)
            stage = self._connection.execute(stages).scalar_one()
            row = {"run": run, "stage": stage, "told": self.count(run), "limit": limit}
            self._connection.execute(insert(_stops), row)

    def order(self, run: str) -> list[Key]:
        """(candidate, example, repeat) of a run's outcomes, in the order they were told."""
        columns = (_told.c.candidate, _told.c.example, _told.c.repeat)
        query = select(*columns).where(_told.c.run == run).order_by(_told.c.seq)
        with self._transaction():
            return [(c, e, r) for c, e, r in self._connection.execute(query)]

    def course(self, run: str) -> Course:
        """What a replay of the run imposes."""
        order = self.order(run)
        stops = select(_stops.c.told, _stops.c.limit).where(_stops.c.run == run)
        failed = select(_told.c.candidate, _told.c.example, _told.c.repeat, _told.c.failure).where(
            _told.c.run == run, _told.c.failure.is_not(None)
        )
        stages: list[tuple[tuple[Key, ...], str]] = []
        start = 0
        with self._transaction():
            for end, limit in self._connection.execute(stops.order_by(_stops.c.stage)):
                stages.append((tuple(order[start:end]), limit))
                start = end
            failures = {
                (c, e, r): Failure(cast(FailureReason, reason), "as recorded")
                for c, e, r, reason in self._connection.execute(failed)
            }
        return Course(tuple(stages), failures)

    def count(self, run: str) -> int:
        """How many outcomes of a run were recorded."""
        if run not in self._seq:
            with self._transaction():
                self._seq[run] = self._told_now(run)
        return self._seq[run]

    @contextmanager
    def _transaction(self) -> Generator[None]:
        """One transaction, or a part of the one that is open."""
        try:
            if self._connection.in_transaction():
                yield
            else:
                with self._connection.begin():
                    yield
        except SQLAlchemyError as error:
            raise _unusable(self._url, error) from None

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()


def check_ledger(url: str) -> None:
    """Raise InputError when the database could not be opened; makes neither file nor table."""
    try:
        address = make_url(url)
        file = _file_of(address)
        if file is not None and not file.exists():
            return
        engine = create_engine(address)
        with engine.connect() as connection:
            inspect(connection).get_table_names()
        engine.dispose()
    except (SQLAlchemyError, OSError, ImportError) as error:
        raise _unusable(url, error) from None


def _file_of(address: URL) -> Path | None:
    """The file of a SQLite database; None for one in memory, and for any other."""
    if address.get_backend_name() != "sqlite" or address.database in (None, "", ":memory:"):
        return None
    return Path(str(address.database))


def _unusable(url: str, error: Exception) -> InputError:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    return InputError(
        f"the ledger cannot be used: {cause[0] if cause else type(error).__name__}",
        re.sub(r"(://[^:/@]*):[^@/]*@", r"\1:***@", url),  # without the password
        "move a file away that is no ledger, or name another database under `ledger:` "
        "(sqlite:///path/to/ledger.db, postgresql+psycopg://…)",
    )


def _open(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name != "sqlite":
        return engine
    if file := _file_of(engine.url):
        file.parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def _durable(connection: Any, _: object) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA busy_timeout=20000")

    return engine


def _insert_new(dialect: str, table: Table) -> Any:
    """INSERT that leaves a row alone that is there already."""
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return insert(table).prefix_with("IGNORE", dialect="mysql")


def _answer_row(call: Call, answer: Answer, at: datetime) -> dict[str, Any]:
    return {
        "key": call.key,
        "model": call.model,
        "endpoint": call.endpoint,
        "role": call.role,
        "at": at,
        **{name: getattr(answer, name) for name in _ANSWER_COLUMNS},
    }


def _told_row(run: str, seq: int, outcome: Outcome) -> dict[str, Any]:
    candidate, example, repeat = outcome.cell.key
    reply = outcome.reply
    return {
        "run": run,
        "seq": seq,
        "candidate": candidate,
        "example": example,
        "repeat": repeat,
        "value": outcome.value,
        "failure": reply.reason if isinstance(reply, Failure) else None,
        "cached": outcome.cached,
    }

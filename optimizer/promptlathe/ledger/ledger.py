"""The durable record of calls and events: cache, resume, warm start and replay are read from it.

Failures are told, not cached: a later run asks again.
"""

import json
import time
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    RootTransaction,
    Table,
    delete,
    func,
    insert,
    literal,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from promptlathe import clock
from promptlathe.data.placements import Placement, Placements
from promptlathe.ledger import locks, tables
from promptlathe.ledger.database import (
    UNUSABLE,
    Deleted,
    check_ledger,
    failed,
    file_of,
    insert_new,
    open_database,
    restore,
    unusable,
)
from promptlathe.ledger.earlier import count_heard, find_earlier, searched, told_now
from promptlathe.ledger.kept_results import find_results, find_summaries, write_result
from promptlathe.ledger.locks import Holder
from promptlathe.ledger.openings import find_openings, mark_promoted, write_opening
from promptlathe.ledger.placements import find_placements, write_placements
from promptlathe.ledger.records import (
    BegunRun,
    EarlierOutcome,
    KeptResult,
    Opening,
    RecordedRun,
    ScoringTerms,
    Segment,
)
from promptlathe.ledger.rows import answer_of, answer_row, segment_of, told_row
from promptlathe.records import (
    Answer,
    Call,
    Cell,
    Event,
    Key,
    Outcome,
)

_CHUNK = 500
ASIDE = "~"
"""Begins the key of an answer that its model would not give any more; keys are hexadecimal."""
PING = text("SELECT 1")
RECONNECT = (0.2, 0.5, 1.0, 1.5)
"""Seconds between attempts to reach a database that does not answer."""


@contextmanager
def existing_ledger(url: str | URL) -> "Generator[Ledger | None]":
    """The ledger; None, and none is made, for a file that is not there.

    Raises InputError when it cannot be used.
    """
    check_ledger(url)
    file = file_of(make_url(url))
    if file is not None and not file.exists():
        yield None
        return
    with closing(Ledger(url)) as ledger:
        yield ledger


class Ledger:
    """Durable answers and events at a SQLAlchemy URL. Several processes may use one file.

    A row is on disk when `record` returns (SQLite: WAL with synchronous=FULL). `record` and `stop`
    may be called in another thread than the rest, one of them at a time.
    Raises InputError when the database cannot be opened, and every method StorageFailed when it
    goes away or its disk is full; one that is started again within seconds is waited for.
    """

    def __init__(self, url: str | URL) -> None:
        self._url = url
        self._seq: dict[str, int] = {}
        self._named: set[tuple[str, str]] = set()
        """(run, candidate) whose levels were written by this ledger."""
        try:
            self._engine = open_database(url, tables.metadata)
            dialect = self._engine.dialect.name
            self._insert_new = insert_new(dialect, tables.answers)
            self._insert_candidate = insert_new(dialect, tables.candidates)
            self._connection = self._engine.connect()
            self._writing = self._engine.connect()
            self._file = file_of(self._engine.url)
            self._inode = self._file and self._file.stat().st_ino
        except UNUSABLE as error:
            raise unusable(url, error) from None

    def find(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The known answers among `keys`."""
        known: dict[str, Answer] = {}
        with self._transaction(self._connection):
            for start in range(0, len(keys), _CHUNK):
                asked = {"keys": keys[start : start + _CHUNK]}
                for key, *values in self._connection.execute(tables.FIND, asked):
                    known[key] = answer_of(values)
        return known

    def drop_answer(self, key: str) -> None:
        """An answer is of no use any more."""
        with self._transaction(self._connection):
            self._connection.execute(delete(tables.answers).where(tables.answers.c.key == key))

    def record(
        self,
        answers: Iterable[tuple[Call, Answer]],
        run: str | None = None,
        events: Sequence[tuple[Event, int]] = (),
    ) -> None:
        """Write new answers, and a run's events in the order in which they will be told, each
        with how many events had been told when its unit was begun.

        Of two answers to one call the first stays: another process may have been quicker.
        """
        now = clock.now()
        rows = [answer_row(call, answer, now) for call, answer in answers]
        order: list[dict[str, Any]] = []
        new: list[dict[str, Any]] = []
        if run is not None and events:
            first = self._next_seq(run)
            order = [
                {"run": run, "seq": first + i, "after": after, **told_row(event)}
                for i, (event, after) in enumerate(events)
            ]
            self._seq[run] = first + len(events)
            new = self._unnamed(run, [event for event, _ in events])
        with self._transaction(self._writing):
            if rows:
                self._writing.execute(self._insert_new, rows)
            if order:
                self._writing.execute(tables.TELL, order)
            if new:
                self._writing.execute(self._insert_candidate, new)

    def _next_seq(self, run: str) -> int:
        if run not in self._seq:
            with self._transaction(self._writing):
                self._seq[run] = told_now(self._writing, run)
        return self._seq[run]

    def _unnamed(self, run: str, events: Sequence[Event]) -> list[dict[str, Any]]:
        """Rows of the candidates that are met for the first time."""
        cells: dict[str, Cell] = {}
        for event in events:
            cell = event.unit
            if isinstance(cell, Cell) and (run, cell.candidate.id) not in self._named:
                cells.setdefault(cell.candidate.id, cell)
        self._named |= {(run, one) for one in cells}
        return [
            {"run": run, "candidate": one, "levels": json.dumps(dict(cell.candidate.levels))}
            for one, cell in cells.items()
        ]

    def begin(
        self, run: str, terms: ScoringTerms, *, warm: bool, course: str = "", file: str = ""
    ) -> None:
        """A run begins. `warm`: it will learn from what was told under the same objective so far;
        `course`: what it is known by when it is interrupted; `file`: its resolved run file.

        Only runs whose search ended count: one that broke off is not an earlier run, but the
        same one when it is started again, and its answers are known.
        """
        with self._transaction(self._connection):
            # Those may go on while this one runs: what counts is what they have told by now.
            runs = searched(self._connection, terms)
            told = [[one, told_now(self._connection, one)] for one in runs]
            row = {"run": run, **vars(terms), "at": clock.now(), "course": course or None}
            row["file"] = file or None
            row["earlier"] = json.dumps(told if warm else [])
            self._connection.execute(insert(tables.runs), row)

    def heard(self, terms: ScoringTerms, examples: Collection[str]) -> int:
        """How many outcomes of these examples a run that begins now would learn from."""
        with self._transaction(self._connection):
            return count_heard(self._connection, terms, examples)

    def run_file(self, run: str) -> str | None:
        """The resolved run file that a run was begun with, where one was kept."""
        query = select(tables.runs.c.file).where(tables.runs.c.run == run)
        with self._transaction(self._connection):
            return self._connection.execute(query).scalar()

    def unfinished(self, course: str) -> tuple[str, ...]:
        """The runs of this course that have no result, the latest first."""
        same = (tables.runs.c.course == course, tables.runs.c.ended.is_(None))
        query = select(tables.runs.c.run).where(*same).order_by(tables.runs.c.number.desc())
        with self._transaction(self._connection):
            return tuple(self._connection.execute(query).scalars())

    def forget(self, run: str, last: int) -> None:
        """The last so many events of a run; the answers in them are kept."""
        with self._transaction(self._connection):
            first = told_now(self._connection, run) - last
            which = (tables.told.c.run == run, tables.told.c.seq >= first)
            self._connection.execute(delete(tables.told).where(*which))

    def end(self, run: str) -> None:
        """The run has its result, or will not be gone on with."""
        which = update(tables.runs).where(tables.runs.c.run == run)
        with self._transaction(self._connection):
            self._connection.execute(which.values(ended=clock.now()))

    def keep_result(self, result: KeptResult) -> None:
        """Of a run; it takes the place of what was kept of it before."""
        with self._transaction(self._connection):
            write_result(self._connection, result)

    def result(self, named: str | None, fewest: int = 4) -> list[KeptResult]:
        """The results of the runs of this name: the ledger's or MLflow's, or how that begins, from
        so many characters on. None: the latest."""
        with self._transaction(self._connection):
            return find_results(self._connection, named, fewest)

    def summaries(self, experiment: str | None = None) -> list[tuple[str, str]]:
        """Each finished run, of one experiment or of all, and its result in short; the latest
        first."""
        with self._transaction(self._connection):
            return find_summaries(self._connection, experiment)

    def begun(self) -> list[BegunRun]:
        """Each run that was begun, the latest first."""
        table = tables.runs
        columns = (table.c.run, table.c.model, table.c.at, table.c.ended, table.c.file)
        with self._transaction(self._connection):
            found = self._connection.execute(select(*columns).order_by(table.c.number.desc()))
            rows = [dict(row) for row in found.mappings()]
        for row in rows:  # SQLite keeps no zone
            row["at"] = row["at"].replace(tzinfo=row["at"].tzinfo or UTC)
        return [BegunRun(**row) for row in rows]

    def earlier(self, run: str, examples: Collection[str]) -> list[EarlierOutcome]:
        """What the run knew when it began of these examples, the latest first; first repeats only.

        At most EARLIER_OUTCOMES, the latest of each cell of a model. The same whenever it is asked:
        what was told since is left out. A model from before it drifted counts as another one.
        """
        with self._transaction(self._connection):
            return find_earlier(self._connection, run, examples)

    def stop(self, run: str, limit: str, *, told: int, decision: bool = False) -> None:
        """A stage of the run's search, or of its decision, has ended after `told` events."""
        column = tables.stops.c.stage
        same = (tables.stops.c.run == run, column < 0 if decision else column >= 0)
        with self._transaction(self._writing):
            before = self._writing.execute(select(func.count()).where(*same)).scalar_one()
            stage = tables.DECISION - before if decision else before
            row = {"run": run, "stage": stage, "told": told, "limit": limit}
            self._writing.execute(insert(tables.stops), row)

    def order(self, run: str) -> list[Key]:
        """Keys of a run's units, in the order in which their events were told."""
        columns = (tables.told.c.candidate, tables.told.c.example, tables.told.c.repeat)
        query = select(*columns).where(tables.told.c.run == run).order_by(tables.told.c.seq)
        with self._transaction(self._connection):
            return [(c, e, r) for c, e, r in self._connection.execute(query)]

    def recorded(self, run: str) -> RecordedRun:
        """What is imposed when the run is replayed, or gone on with."""
        events = select(tables.told).where(tables.told.c.run == run).order_by(tables.told.c.seq)
        stops = select(tables.stops).where(tables.stops.c.run == run)
        candidates = select(tables.candidates.c.candidate).where(tables.candidates.c.run == run)
        with self._transaction(self._connection):
            told = self._connection.execute(events).all()
            ends = self._connection.execute(stops).all()
            named = frozenset(self._connection.execute(candidates).scalars())
        stages: list[Segment] = []
        decision: list[Segment] = []
        start = 0
        for row in sorted(ends, key=lambda end: (end.stage < 0, abs(end.stage))):
            segment = segment_of(told[start : row.told], row.limit)
            start = row.told
            (decision if row.stage < 0 else stages).append(segment)
        unfinished = segment_of(told[start:], "") if told[start:] else None
        return RecordedRun(tuple(stages), tuple(decision), named, unfinished)

    def placements(
        self, objective: str, division: str, before: datetime | None = None
    ) -> Placements:
        """Where earlier jobs had the rows of an objective, under its splits' terms `division` and
        under others, and which rows their decisions have seen; before: at that moment."""
        with self._transaction(self._connection):
            return find_placements(self._connection, objective, division, before)

    def keep_placements(self, objective: str, division: str, now: Iterable[Placement]) -> None:
        """Where a job has the rows."""
        with self._transaction(self._connection):
            write_placements(self._connection, objective, division, now)

    def openings(self, objective: str) -> tuple[Opening, ...]:
        """All openings of test rows under an objective, in order."""
        with self._transaction(self._connection):
            return find_openings(self._connection, objective)

    def open_test(self, objective: str, opening: Opening) -> None:
        """Write an opening before its first row is asked: looking counts, however it ends.

        Raises InputError when another process has opened this split with the same number.
        """
        with self._transaction(self._connection):
            write_opening(self._connection, objective, opening)

    def promote(self, objective: str, opening: Opening) -> None:
        """The challenger of this opening was better."""
        with self._transaction(self._connection):
            mark_promoted(self._connection, objective, opening)

    def count(self, run: str) -> int:
        """How many events of a run were recorded."""
        with self._transaction(self._connection):
            return told_now(self._connection, run)

    @contextmanager
    def _transaction(self, connection: Connection) -> Generator[None]:
        try:
            with self._begin(connection):
                yield
        except (Deleted, OperationalError, InterfaceError) as error:
            raise failed(self._url, error) from None
        except SQLAlchemyError as error:
            raise unusable(self._url, error) from None

    def _begin(self, connection: Connection) -> RootTransaction:
        """A transaction of a database that is there."""
        if self._file is not None:
            self._check_file(connection, self._file)
            return connection.begin()
        pauses = iter(RECONNECT)
        while True:
            transaction = connection.begin()
            try:
                connection.execute(PING)
            except (OperationalError, InterfaceError):
                transaction.close()
                pause = next(pauses, None)
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                return transaction

    def _check_file(self, connection: Connection, file: Path) -> None:
        with suppress(FileNotFoundError):
            if file.stat().st_ino == self._inode:
                return
        if file.exists():
            raise Deleted("another file took the place of the ledger's while the run went on")
        restore(connection, file)
        raise Deleted("its file was deleted while the run went on, and was written once more")

    def set_aside(self, model: str, endpoint: str, before: datetime) -> int:
        """Answers that a model gave before it changed: they stay, under keys that no call has, in
        the place of those from before an earlier change; and outcomes from before are taken for
        another model's. How many answers."""
        answers = tables.answers
        which = (
            answers.c.model == model,
            answers.c.endpoint == endpoint,
            answers.c.at < before,
            answers.c.key.not_like(f"{ASIDE}%"),
        )
        key = literal(ASIDE) + func.substr(answers.c.key, 2)
        with self._transaction(self._connection):
            # Two steps: one that both selects and deletes in a table is refused by MySQL.
            keys = self._connection.execute(select(key).where(*which)).scalars().all()
            for start in range(0, len(keys), _CHUNK):
                earlier = answers.c.key.in_(keys[start : start + _CHUNK])
                self._connection.execute(delete(answers).where(earlier))
            self._connection.execute(update(answers).where(*which).values(key=key))
            drift = {"model": model, "endpoint": endpoint, "since": before, "at": clock.now()}
            self._connection.execute(insert(tables.drifts), drift)
        return len(keys)

    def finished(self) -> list[str]:
        """The runs that have ended, the latest first."""
        query = select(tables.runs.c.run).where(tables.runs.c.ended.is_not(None))
        with self._transaction(self._connection):
            found = self._connection.execute(query.order_by(tables.runs.c.number.desc()))
            return list(found.scalars())

    def drop_runs(self, runs: Sequence[str]) -> None:
        """Forget what was told to these runs, their candidates and results; answers are kept, and
        so are openings of test rows."""
        with self._transaction(self._connection):
            for start in range(0, len(runs), _CHUNK):
                some = runs[start : start + _CHUNK]
                for table in tables.OF_RUNS:
                    self._connection.execute(delete(table).where(table.c.run.in_(some)))

    def compact(self) -> None:
        """Give the space of what was dropped back to the disk."""
        if self._file is None:
            return  # a server does it itself
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as alone:
            alone.execute(text("VACUUM"))

    def keep_look(self, stream: str, at: datetime, content: str) -> None:
        """A look of a watch; those of a stream belong together."""
        with self._transaction(self._connection):
            row = {"stream": stream, "at": at, "content": content}
            self._connection.execute(insert(tables.looks), row)

    def keep_told(self, run: str, terms: ScoringTerms, outcomes: Sequence[Outcome]) -> None:
        """More outcomes of a run that has no search: later runs know them as those of others.

        What was told of a cell before, and is the same, is not told again.
        """
        # Each by itself: whoever began may have been killed in between.
        if not self._has(tables.runs, run):
            self.begin(run, terms, warm=False)
        if not self._has(tables.stops, run):
            self.stop(run, "", told=0)
            self.end(run)
        latest: dict[tuple[str, str], float] = {}
        with self._transaction(self._connection):
            until = told_now(self._connection, run)
            for row in self._connection.execute(tables.OUTCOMES, {"of": run, "until": until}):
                latest.setdefault((row.candidate, row.example), row.value)
        new = [
            one
            for one in outcomes
            if latest.get((one.cell.candidate.id, one.cell.example.id)) != one.value
        ]
        self.record((), run, [(one, 0) for one in new])

    def _has(self, table: Table, run: str) -> bool:
        query = select(table.c.run).where(table.c.run == run)
        with self._transaction(self._connection):
            return self._connection.execute(query).first() is not None

    def looks(self, stream: str) -> list[tuple[datetime, str]]:
        """When, and what was seen, the first look first."""
        looks = tables.looks
        query = select(looks.c.at, looks.c.content).where(looks.c.stream == stream)
        with self._transaction(self._connection):
            found = self._connection.execute(query.order_by(looks.c.number)).all()
        return [(at.replace(tzinfo=at.tzinfo or UTC), content) for at, content in found]

    def take(self, prompt: str, me: Holder) -> Holder | None:
        """Hold the lock of a prompt, or keep it fresh; who has it, when that is another job."""
        with self._transaction(self._connection):
            return locks.take(self._connection, self._engine.dialect.name, prompt, me)

    def release(self, prompt: str, me: Holder) -> None:
        """Let another job work on the prompt."""
        with self._transaction(self._connection):
            locks.release(self._connection, prompt, me)

    def close(self) -> None:
        self._connection.close()
        self._writing.close()
        self._engine.dispose()

"""The durable record of every outcome: cache, resume, warm start and replay are read from it.

Failures are told, not cached: a later run asks again.
"""

import json
from collections.abc import Collection, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import func, insert, select
from sqlalchemy.exc import SQLAlchemyError

from promptlathe.ledger import tables
from promptlathe.ledger.database import insert_new, open_engine, unusable
from promptlathe.ledger.openings import find_openings, mark_promoted, write_opening
from promptlathe.ledger.records import Course, Known, Opening, Stage, Terms
from promptlathe.records import Answer, Call, Cell, Event, Failure, FailureReason, Key, Outcome

_CHUNK = 500
EARLIER_RUNS = 50
"""The most recent ones that a run learns from."""
EARLIER_OUTCOMES = 4000
"""The most recent ones that a run learns from."""


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
            self._engine = open_engine(url)
            dialect = self._engine.dialect.name
            self._insert_new = insert_new(dialect, tables.answers)
            self._insert_candidate = insert_new(dialect, tables.candidates)
            tables.metadata.create_all(self._engine)
            self._connection = self._engine.connect()
        except (SQLAlchemyError, OSError, ImportError) as error:
            raise unusable(url, error) from None

    def find(self, keys: Sequence[str]) -> dict[str, Answer]:
        """The known answers among `keys`."""
        known: dict[str, Answer] = {}
        with self._transaction():
            for start in range(0, len(keys), _CHUNK):
                asked = {"keys": keys[start : start + _CHUNK]}
                for key, *values in self._connection.execute(tables.FIND, asked):
                    known[key] = Answer(*values)
        return known

    def record(
        self,
        answers: Iterable[tuple[Call, Answer]],
        run: str | None = None,
        told: Sequence[Event] = (),
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
                self._connection.execute(tables.TELL, order)
            if new:
                self._connection.execute(self._insert_candidate, new)

    def _unnamed(self, run: str, told: Sequence[Event]) -> list[dict[str, Any]]:
        """Rows of the candidates that are met for the first time."""
        cells: dict[str, Cell] = {}
        for outcome in told:
            cell = outcome.unit
            if isinstance(cell, Cell) and (run, cell.candidate.id) not in self._named:
                cells.setdefault(cell.candidate.id, cell)
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
        ended = select(tables.stops.c.run)
        same = (tables.runs.c.objective == terms.objective, tables.runs.c.run.in_(ended))
        found = select(tables.runs.c.run).where(*same).order_by(tables.runs.c.number.desc())
        with self._transaction():
            runs = self._connection.execute(found.limit(EARLIER_RUNS)).scalars().all()
            # Those may go on while this one runs: what counts is what they have told by now.
            earlier = [[one, self._told_now(one)] for one in runs] if warm else []
            row = {"run": run, **vars(terms), "at": datetime.now(UTC)}
            row["earlier"] = json.dumps(earlier)
            self._connection.execute(insert(tables.runs), row)

    def _told_now(self, run: str) -> int:
        query = select(func.count()).select_from(tables.told).where(tables.told.c.run == run)
        return self._connection.execute(query).scalar_one()

    def earlier(self, run: str, examples: Collection[str]) -> list[Known]:
        """What the run knew when it began of these examples, the latest first; first repeats only.

        At most EARLIER_OUTCOMES. The same whenever it is asked: what was told since is left out.
        """
        wanted = frozenset(examples)
        known: list[Known] = []
        with self._transaction():
            own = self._connection.execute(
                select(tables.runs).where(tables.runs.c.run == run)
            ).first()
            if own is None:  # a run of an older version
                return []
            for other, told in json.loads(own.earlier):
                found = self._connection.execute(tables.OUTCOMES, {"of": other, "until": told})
                for candidate, example, value, levels, *place in found.all():
                    if len(known) == EARLIER_OUTCOMES:
                        return known
                    if example in wanted:
                        same = tuple(place) == (own.model, own.endpoint, own.parameters)
                        known.append(Known(candidate, json.loads(levels), example, value, same))
        return known

    def stop(self, run: str, limit: str, *, decision: bool = False) -> None:
        """A stage of the run's search, or its decision, has ended after what was told so far."""
        with self._transaction():
            stages = select(func.count()).select_from(tables.stops).where(tables.stops.c.run == run)
            before = self._connection.execute(stages).scalar_one()
            stage = tables.DECISION if decision else before
            row = {"run": run, "stage": stage, "told": self.count(run), "limit": limit}
            self._connection.execute(insert(tables.stops), row)

    def order(self, run: str) -> list[Key]:
        """Keys of a run's outcomes, in the order they were told."""
        columns = (tables.told.c.candidate, tables.told.c.example, tables.told.c.repeat)
        query = select(*columns).where(tables.told.c.run == run).order_by(tables.told.c.seq)
        with self._transaction():
            return [(c, e, r) for c, e, r in self._connection.execute(query)]

    def course(self, run: str) -> Course:
        """What a replay of the run imposes."""
        order = self.order(run)
        columns = (tables.stops.c.stage, tables.stops.c.told, tables.stops.c.limit)
        stops = select(*columns).where(tables.stops.c.run == run)
        failed = select(
            tables.told.c.candidate,
            tables.told.c.example,
            tables.told.c.repeat,
            tables.told.c.failure,
        ).where(tables.told.c.run == run, tables.told.c.failure.is_not(None))
        stages: list[Stage] = []
        decision: Stage | None = None
        start = 0
        with self._transaction():
            rows = self._connection.execute(stops).all()
            for number, end, limit in sorted(
                rows, key=lambda row: (row.stage == tables.DECISION, row.stage)
            ):
                stage = (tuple(order[start:end]), limit)
                start = end
                if number == tables.DECISION:
                    decision = stage
                else:
                    stages.append(stage)
            failures = {
                (c, e, r): Failure(cast(FailureReason, reason), "as recorded")
                for c, e, r, reason in self._connection.execute(failed)
            }
        return Course(tuple(stages), decision, failures)

    def openings(self, objective: str) -> tuple[Opening, ...]:
        """All openings of test rows under an objective, in order."""
        with self._transaction():
            return find_openings(self._connection, objective)

    def open_test(self, objective: str, opening: Opening) -> None:
        """Write an opening before its first row is asked: looking counts, however it ends.

        Raises InputError when another process has opened this split with the same number.
        """
        with self._transaction():
            write_opening(self._connection, objective, opening)

    def promote(self, objective: str, opening: Opening) -> None:
        """The challenger of this opening was better."""
        with self._transaction():
            mark_promoted(self._connection, objective, opening)

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
            raise unusable(self._url, error) from None

    def close(self) -> None:
        self._connection.close()
        self._engine.dispose()


def _answer_row(call: Call, answer: Answer, at: datetime) -> dict[str, Any]:
    return {
        "key": call.key,
        "model": call.model,
        "endpoint": call.endpoint,
        "role": call.role,
        "at": at,
        **{name: getattr(answer, name) for name in tables.ANSWER_COLUMNS},
    }


def _told_row(run: str, seq: int, outcome: Event) -> dict[str, Any]:
    candidate, example, repeat = outcome.unit.key
    reply = outcome.reply
    return {
        "run": run,
        "seq": seq,
        "candidate": candidate,
        "example": example,
        "repeat": repeat,
        "value": outcome.value if isinstance(outcome, Outcome) else None,
        "failure": reply.reason if isinstance(reply, Failure) else None,
        "cached": outcome.cached,
    }

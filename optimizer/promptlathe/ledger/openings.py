"""Openings of test rows, as they are written and read within a transaction of the ledger."""

import json
from datetime import UTC

from sqlalchemy import Connection, insert, select, update

from promptlathe.ledger.records import Opening
from promptlathe.ledger.tables import openings


def find_openings(connection: Connection, objective: str) -> tuple[Opening, ...]:
    """Of an objective, in the order in which they were written."""
    query = select(openings).where(openings.c.objective == objective).order_by(openings.c.id)
    return tuple(
        Opening(
            split=row.split,
            number=row.number,
            rows=frozenset(json.loads(row.rows)),
            baseline=row.baseline,
            challenger=row.challenger,
            level=row.level,
            run=row.run,
            at=row.at.replace(tzinfo=row.at.tzinfo or UTC),  # SQLite keeps no zone
            promoted=row.promoted,
        )
        for row in connection.execute(query)
    )


def write_opening(connection: Connection, objective: str, opening: Opening) -> None:
    row = {name: getattr(opening, name) for name in Opening.__slots__}
    row |= {"objective": objective, "rows": json.dumps(sorted(opening.rows))}
    connection.execute(insert(openings), row)


def mark_promoted(connection: Connection, objective: str, opening: Opening) -> None:
    which = (
        openings.c.objective == objective,
        openings.c.split == opening.split,
        openings.c.number == opening.number,
    )
    connection.execute(update(openings).where(*which).values(promoted=True))

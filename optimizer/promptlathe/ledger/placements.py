"""Where rows were, as it is written and read within a transaction of the ledger."""

import json
from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, insert, or_, select

from promptlathe import clock
from promptlathe.data.placements import Placement, Placements
from promptlathe.ledger.tables import openings, placements, runs


def find_placements(
    connection: Connection, objective: str, division: str, before: datetime | None
) -> Placements:
    """Under an objective; before: a moment, after which nothing counts."""
    found = select(placements).where(placements.c.objective == objective)
    # What was opened counts from the run's end on: one that goes on meets the rows that it had.
    ended = or_(runs.c.ended.is_not(None), runs.c.run.is_(None))
    seen = (
        select(openings.c.rows)
        .outerjoin(runs, openings.c.run == runs.c.run)
        .where(openings.c.objective == objective, ended)
    )
    if before is not None:
        found = found.where(placements.c.at <= before)
        seen = seen.where(openings.c.at < before)
    told: list[Placement] = []
    elsewhere: list[Placement] = []
    batches: dict[object, int] = {}
    for one in connection.execute(found.order_by(placements.c.number)):
        if one.division == division:
            batch = batches.setdefault(one.at, len(batches))
            told.append(Placement(one.row, one.input, one.place, batch))
        else:
            elsewhere.append(Placement(one.row, one.input, one.place))
    opened = {row for (rows,) in connection.execute(seen) for row in json.loads(rows)}
    return Placements(told, elsewhere, opened, past=before is not None)


def write_placements(
    connection: Connection, objective: str, division: str, now: Iterable[Placement]
) -> None:
    """Those that are new, or other than before."""
    query = (
        select(placements.c.row, placements.c.input, placements.c.place)
        .where(placements.c.objective == objective, placements.c.division == division)
        .order_by(placements.c.number)
    )
    known = {(row, key): place for row, key, place in connection.execute(query)}
    same = {"objective": objective, "division": division, "at": clock.now()}
    new = [
        {**same, "row": one.row, "input": one.input, "place": one.place}
        for one in now
        if one.names not in known or known[one.names] != one.place
    ]
    if new:
        connection.execute(insert(placements), new)

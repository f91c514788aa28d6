"""What a run learns from earlier ones, read within a transaction of the ledger."""

import json
from collections.abc import Collection, Sequence

from sqlalchemy import Connection, func, select

from promptlathe.ledger import tables
from promptlathe.ledger.records import EarlierOutcome, ScoringTerms

EARLIER_RUNS = 50
"""The most recent ones that a run learns from."""
EARLIER_OUTCOMES = 4000
"""The most recent ones that a run learns from."""


def told_now(connection: Connection, run: str) -> int:
    """How many events of a run were told so far."""
    query = select(func.count()).select_from(tables.told).where(tables.told.c.run == run)
    return connection.execute(query).scalar_one()


def searched(connection: Connection, terms: ScoringTerms) -> Sequence[str]:
    """The latest runs of the same scoring whose search has ended."""
    runs, ended = tables.runs, select(tables.stops.c.run)
    same = (runs.c.objective == terms.objective, runs.c.run.in_(ended))
    found = select(runs.c.run).where(*same).order_by(runs.c.number.desc())
    return connection.execute(found.limit(EARLIER_RUNS)).scalars().all()


def count_heard(connection: Connection, terms: ScoringTerms, examples: Collection[str]) -> int:
    """How many outcomes of these examples a run that begins now would learn from."""
    told, runs = tables.told, tables.runs
    query = select(told.c.candidate, told.c.example, runs.c.model)
    query = query.join_from(told, runs, told.c.run == runs.c.run)
    query = query.where(told.c.run.in_(searched(connection, terms)), told.c.value.is_not(None))
    wanted = frozenset(examples)
    return sum(example in wanted for _, example, _ in connection.execute(query.distinct()))


def find_earlier(
    connection: Connection, run: str, examples: Collection[str]
) -> list[EarlierOutcome]:
    """What the run knew when it began of these examples, the latest first; first repeats only."""
    wanted = frozenset(examples)
    known: dict[tuple[str, str, str], EarlierOutcome] = {}
    own = connection.execute(select(tables.runs).where(tables.runs.c.run == run)).first()
    if own is None:  # a run of an older version
        return []
    drifted = select(func.max(tables.drifts.c.since)).where(
        tables.drifts.c.model == own.model,
        tables.drifts.c.endpoint == own.endpoint,
        tables.drifts.c.at <= own.at,
    )
    since = connection.execute(drifted).scalar()
    for other, told in json.loads(own.earlier):
        found = connection.execute(tables.OUTCOMES, {"of": other, "until": told})
        for candidate, example, value, levels, *place, at in found.all():
            if len(known) == EARLIER_OUTCOMES:
                return list(known.values())
            if example not in wanted:
                continue
            same = tuple(place) == (own.model, own.endpoint, own.parameters)
            model = "" if same and not (since is not None and at < since) else " ".join(place)
            known.setdefault(
                (candidate, example, model),
                EarlierOutcome(candidate, json.loads(levels), example, value, model),
            )
    return list(known.values())

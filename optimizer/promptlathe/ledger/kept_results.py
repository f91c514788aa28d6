"""Results of runs, as they are written and read within a transaction of the ledger."""

from sqlalchemy import Connection, delete, insert, or_, select

from promptlathe.ledger.records import KeptResult
from promptlathe.ledger.tables import results


def write_result(connection: Connection, result: KeptResult) -> None:
    """In the place of what was kept of its run before."""
    connection.execute(delete(results).where(results.c.run == result.run))
    connection.execute(insert(results), vars(result))


def find_results(connection: Connection, named: str | None, fewest: int) -> list[KeptResult]:
    """Of the runs of this name, or whose name begins so, from `fewest` characters on. None: the
    latest."""
    query = select(results).order_by(results.c.at.desc())
    if named is None:
        query = query.limit(1)
    else:
        names = (results.c.run, results.c.mlflow)
        same = or_(*(column == named for column in names))
        begins = or_(*(column.startswith(named, autoescape=True) for column in names))
        query = query.where(or_(same, begins) if len(named) >= fewest else same)
    found = [KeptResult(**row) for row in connection.execute(query).mappings()]
    exact = [one for one in found if named in (one.run, one.mlflow)]
    return exact or found


def find_summaries(connection: Connection, experiment: str | None) -> list[tuple[str, str]]:
    """(run, result in short) of one experiment or of all, the latest first."""
    query = select(results.c.run, results.c.summary).order_by(results.c.at.desc())
    if experiment is not None:
        query = query.where(results.c.experiment == experiment)
    return [(run, text) for run, text in connection.execute(query)]

"""The candidates of a run in MLflow: a table of all, and which of them are shown by themselves."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from promptlathe.records import Standing
from promptlathe.results import Result
from promptlathe.track.records import Candidacy, Mark
from promptlathe.track.runs import figures_of

PREVIEWED = 2_000_000
"""Bytes up to which MLflow shows a table."""
MOST_PARETO = 3
"""MLflow's first page has 100 runs, so that about 14 optimizations with theirs are on it."""
BEST_OF, ALL = "candidates.json", "candidates_all.json"
"""Of those that are too many to be shown, the best; and all of them."""


def candidacies(result: Result, *, every: bool) -> Iterator[Candidacy]:
    """Those of the final comparison in each of their parts, MOST_PARETO of the Pareto front from
    the cheapest on, evenly; and every other one that was scored, if wanted."""
    known = marks(result)
    front = [one.number for one in result.pareto if known[one.number] == ("pareto",)]
    most = min(MOST_PARETO, len(front))
    shown = {front[place * len(front) // most] for place in range(most)}
    for standing in result.standings:
        for mark in known.get(standing.number, ()):
            if mark != "pareto" or every or standing.number in shown:
                yield Candidacy(standing, mark)
        if every and standing.cells and standing.number not in known:
            yield Candidacy(standing)


def marks(result: Result) -> dict[int, tuple[Mark, ...]]:
    """What candidates are in the run, by their number; those that are nothing are left out."""
    finalists: dict[Mark, str] = {"seed": result.seed.candidate, "best": result.best.candidate}
    if result.champion:
        finalists["champion"] = result.champion.candidate
    front = {standing.number for standing in result.pareto}
    found: dict[int, tuple[Mark, ...]] = {}
    for standing in result.standings:
        own: list[Mark] = [
            mark for mark, candidate in finalists.items() if candidate == standing.candidate.id
        ]
        if not own and standing.number in front:
            own = ["pareto"]
        if own:
            found[standing.number] = tuple(own)
    return found


def candidates_tables(
    standings: Iterable[Standing], marks: Mapping[int, Sequence[Mark]] | None = None
) -> dict[str, str]:
    """All that were scored, the best first, as MLflow's tables by file name."""
    scored = sorted((s for s in standings if s.cells or s.estimate), key=_worse)
    names = list(dict.fromkeys(name for one in scored for name, _ in one.candidate.levels))
    lines = [_line(standing, names, (marks or {}).get(standing.number, ())) for standing in scored]
    if not lines:
        return {}
    whole = as_table(lines)
    size = len(whole.encode())
    if size < PREVIEWED:
        return {BEST_OF: whole}
    return {BEST_OF: as_table(lines[: len(lines) * PREVIEWED // size // 2]), ALL: whole}


def as_table(lines: Sequence[Mapping[str, Any]]) -> str:
    """As `MlflowClient.log_table` writes it; the first line names the columns."""
    table = {"columns": list(lines[0]), "data": [list(line.values()) for line in lines]}
    return json.dumps(table, ensure_ascii=False)


def _worse(standing: Standing) -> tuple[float, int]:
    return -standing.estimate.mean if standing.estimate else 0.0, standing.number


def _line(standing: Standing, names: Sequence[str], marks: Sequence[Mark]) -> dict[str, Any]:
    levels = dict(standing.candidate.levels)
    return {
        "candidate": standing.number,
        "mark": ", ".join(marks),
        **figures_of(standing),
        "state": standing.state,
        **{f"levels.{name}": levels.get(name) for name in names},
    }

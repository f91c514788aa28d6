"""Two runs beside each other: the best prompt of one against that of the other, on the held-out
rows that both were decided on."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from promptlathe.decide import Comparison, compare_values
from promptlathe.records import FinalistName
from promptlathe.results.result import Result
from promptlathe.results.rows import DecidedRow

Known = tuple[str, str, tuple[tuple[str, str], ...]]
"""What a row is known by in any run: its id, the right answer, its fields."""


@dataclass(frozen=True)
class Compared:
    """The best prompt of the run `second` against that of `first`."""

    first: str
    second: str
    comparison: Comparison | None
    """`first` is the baseline; None where nothing can be compared. 95 % interval."""
    shared: int
    """Rows that both runs were decided on."""
    notes: tuple[str, ...]
    """What differs between the runs, and what may be concluded."""

    @property
    def words(self) -> str:
        """What may be concluded, in a sentence."""
        found = self.comparison
        if found is None:
            return "nothing can be concluded"
        if found.gain == found.low == found.high == 0:
            return "the same prompt on the same model"
        match found.verdict:
            case "better":
                return f"the best prompt of {self.second} is better than that of {self.first}"
            case "worse":
                return f"the best prompt of {self.second} is worse than that of {self.first}"
            case _:
                return "no difference that these rows can show"

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        found = self.comparison
        return {
            "first": self.first,
            "second": self.second,
            "shared": self.shared,
            "comparison": found and {**asdict(found), "verdict": found.verdict},
            "conclusion": self.words,
            "notes": list(self.notes),
        }


def compare_runs(first: Result, second: Result) -> Compared:
    """Pairs the rows that both runs have, by their content."""
    own, others = values(first), values(second)
    shared = own.keys() & others.keys()
    notes = list(_differences(first, second))
    if first.facts.goal != second.facts.goal or set(first.facts.scorers) != set(
        second.facts.scorers
    ):
        notes.append("they are scored by other measures: their scores cannot be compared")
        return Compared(first.run, second.run, None, len(shared), tuple(notes))
    if not shared:
        notes.append(
            "they have no held-out row in common: each gain holds for its own rows, and their "
            "difference says nothing"
        )
        return Compared(first.run, second.run, None, 0, tuple(notes))
    found = compare_values({row: own[row] for row in shared}, {row: others[row] for row in shared})
    if found is None:
        notes.append("no row that they have in common was answered in both")
    if len(shared) < max(len(own), len(others)):
        notes.append(
            f"{len(shared)} rows are in both, of {len(own)} and {len(others)}: the splits differ, "
            "and one run may have searched on rows that the other was decided on"
        )
    if found and first.best.candidate == second.best.candidate and _model(first) == _model(second):
        found = replace(found, gain=0.0, low=0.0, high=0.0)
    return Compared(first.run, second.run, found, len(shared), tuple(notes))


def values(result: Result, side: FinalistName = "best") -> dict[Known, float | None]:
    """What a finalist scored, by row; of rows that it was asked."""
    return {
        _known(row): answer.value
        for row in result.rows
        if (answer := row.answers.get(side)) is not None
    }


def _known(row: DecidedRow) -> Known:
    return row.example, row.expected or "", tuple(sorted(row.fields.items()))


def _model(result: Result) -> tuple[object, ...]:
    facts = result.facts
    return facts.model, facts.endpoint, tuple(sorted(map(str, facts.parameters.items())))


def _differences(first: Result, second: Result) -> Iterable[str]:
    """Of what was optimized, in words."""
    a, b = first.facts, second.facts
    if _model(first) != _model(second):
        named = f"{a.model} and {b.model}" if a.model != b.model else "its address or parameters"
        yield f"the models differ ({named}): a difference is that of prompt and model together"
    if a.objective != b.objective:
        yield f"the objectives differ: {a.objective} and {b.objective}"
    if a.embedded or b.embedded:
        yield "the embedded pocket model says nothing about an LLM"

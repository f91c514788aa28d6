"""What every scorer is: a frozen record that makes a function from traces to scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import Field

from promptlathe.data.dataset import Rows, check_field
from promptlathe.documents import Model, Within
from promptlathe.errors import InputError
from promptlathe.records import Api, Example, Json, Score, Trace
from promptlathe.runtime.seam import Context
from promptlathe.scoring.reading import VERSION

NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
Name = Annotated[str, Field(pattern=NAME)]
"""What the goal, the metrics and the reports call a scorer."""
Range = tuple[float, float]
"""(lowest, highest) score that there is."""
UNIT: Range = (0.0, 1.0)
Measure = Callable[[Example, Trace, Context], Score | Awaitable[Score]]
"""Gives the score of an output. Built-in ones give it at once: this is the hot path."""
Need = Callable[[Any], str | None]
"""Why a row's value cannot be used, in words; None when it can."""
UNREAD = Score(None)
PATTERN_SECONDS = 5.0
"""That a regular expression of yours may take on one output."""


class Unscored(Exception):
    """A scorer could not score an output; the text says why. The cell has no score then."""


class Rival(Protocol):
    """Another prompt, which answers the same rows."""

    @property
    def id(self) -> str:
        """The content hash."""
        ...

    async def output(self, example: Example, ctx: Context, step: str | None) -> Json:
        """What it answers; of a chain at a step, if one is named. What `ctx.call` raises goes
        through."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What a scorer may ask for before the first output comes."""

    labels: Callable[[str], Sequence[str]]
    """The distinct values of a field, as texts."""
    folder: Path
    """What paths are relative to."""
    within: Within = None
    """The folders that they may not lead out of."""
    place: Callable[[str, str], str | None] = lambda field, label: None
    """Where the first row stands that has a text as the value of a field; None where unknown."""
    answers: frozenset[str] = frozenset()
    """The fields with right answers, which a judge sees only when it is told to."""
    judges: tuple[Scorer, ...] = ()
    """All scorers that ask the job's judge: what they ask of one output may go together."""
    api: Api = "chat"
    """By which API the judge is asked."""
    rivals: Mapping[str, Rival] = field(default_factory=dict[str, "Rival"])
    """Prompts that an answer may be compared with, by name; none outside of a run."""


class Scorer(Model):
    """The base of all scorers. `measure` is called once; what it returns, for every output."""

    keyword: ClassVar[str]
    """Its key in YAML."""
    shorthand: ClassVar[str] = "target"
    """The field that may stand alone: `exact_match: label`."""
    name: Name
    step: str | None = None
    """The step of a chain whose output it scores; None: the chain's own."""

    def at(self, step: str) -> Self:
        """The same for a step of a chain: `exact_match("rule", name="rule").at("plan")`."""
        return self.model_copy(update={"step": step})

    @property
    def target_field(self) -> str | None:
        """The row's field with the right answer; None for a scorer that needs none."""
        return None

    @property
    def needs(self) -> Mapping[str, Need]:
        """Further fields of the row, each of which must have a value that can be used."""
        return {}

    @property
    def reading(self) -> str | None:
        """How the output is read, in words; None: as its `parse` step says, to be compared."""
        return None

    @property
    def asks(self) -> tuple[str, ...]:
        """Requests for an output that can be read, where `reading` says how it is read."""
        return ()

    @property
    def whole_target(self) -> bool:
        """The target is looked at as a whole by `check_rows`: it may be empty, and of any kind."""
        return False

    @property
    def ranges(self) -> Range | Mapping[str, Range] | None:
        """Of its score; by name for a scorer that gives several; None where it is not known."""
        return UNIT

    @abstractmethod
    def measure(self, around: Surroundings) -> Measure:
        """The function from an example and a trace to a score. It may raise `Unscored`."""

    def aside(self, around: Surroundings) -> float | None:
        """Seconds that one output may take in the worker process; None: it is scored here."""
        del around
        return None

    def reads_calls(self, around: Surroundings) -> bool:
        """It looks at the trace's calls, not at the output alone."""
        del around
        return False

    def may_judge(self, around: Surroundings) -> bool:
        """It may call a model."""
        del around
        return False

    def flaw(self, target: Any) -> str | None:
        """Why this scorer cannot use a row's target, in words; None when it can."""
        del target
        return None

    def check_rows(self, rows: Rows, where: Callable[[str], str | None]) -> None:
        """Raises `InputError` for rows that lack a field which it needs. where: a key's place."""
        for name, flaw in self.needs.items():
            if all(row.values.get(name) is None for row in rows):
                check_field(rows, name, where(self.keyword))
            for row in rows:
                value = row.values.get(name)
                if said := "is missing" if value is None else flaw(value):
                    shown = "" if value is None else f": {str(value)[:100]!r}"
                    fix = f"the scorer {self.name} needs another value"
                    raise InputError(f"{name!r} {said}{shown}", row.where, fix)

    def fingerprint(self, around: Surroundings) -> Any:
        """JSON-like content that changes when the same output may get another score."""
        del around
        return [VERSION, self.entry()]

    def entry(self) -> Any:
        """The YAML form, as short as it can be."""
        given = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {self.keyword: given[self.shorthand] if given.keys() == {self.shorthand} else given}

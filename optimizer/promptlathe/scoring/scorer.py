"""What every scorer is: a frozen record that makes a function from answers to scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from promptlathe.documents import Model
from promptlathe.records import Example
from promptlathe.scoring.parsing import Parsed

NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
Name = Annotated[str, Field(pattern=NAME)]
"""What the goal, the metrics and the reports call a scorer."""


class Reading(NamedTuple):
    """What a scorer made of an answer. `score` is None when the answer could not be read."""

    score: float | Mapping[str, float] | None
    parsed: Parsed | None


Measure = Callable[[Example, str], Reading]
UNREAD = Reading(None, None)


@dataclass(frozen=True)
class Surroundings:
    """What a scorer may ask for before the first answer comes."""

    labels: Callable[[str], Sequence[str]]
    """The distinct values of a field, as texts."""
    folder: Path
    """What paths are relative to."""


class Scorer(Model):
    """The base of all scorers. `measure` is called once; what it returns, for every answer."""

    keyword: ClassVar[str]
    """Its key in YAML."""
    shorthand: ClassVar[str] = "target"
    """The field that may stand alone: `exact_match: label`."""
    name: Name

    @property
    def target_field(self) -> str | None:
        """The row's field with the right answer; None for a scorer that needs none."""
        return None

    @abstractmethod
    def measure(self, around: Surroundings) -> Measure:
        """The function from an example and an answer's text to a reading."""

    def flaw(self, target: Any) -> str | None:
        """Why this scorer cannot use a row's target, in words; None when it can."""
        del target
        return None

    def fingerprint(self, around: Surroundings) -> Any:
        """JSON-like content that changes when the same answer may get another score."""
        del around
        return self.entry()

    def entry(self) -> Any:
        """The YAML form, as short as it can be."""
        given = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return {self.keyword: given[self.shorthand] if given.keys() == {self.shorthand} else given}

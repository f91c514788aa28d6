"""What a policy proposes and what is paid for, and what either asks of a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from promptlathe.records.prompts import Candidate, Message, Parameters, Passage
from promptlathe.records.values import Key, Split, content_hash


@dataclass(frozen=True)
class Example:
    """One row of the objective's dataset, in one split."""

    id: str
    row: Mapping[str, Any] = field(hash=False)
    split: Split

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", MappingProxyType(dict(self.row)))

    def __reduce__(self) -> tuple[type, tuple[str, dict[str, Any], Split]]:
        return type(self), (self.id, dict(self.row), self.split)


@dataclass(frozen=True)
class Cell:
    """The unit of paid work: one candidate on one example, for the n-th time."""

    candidate: Candidate
    example: Example
    repeat: int = 0

    @property
    def key(self) -> Key:
        """(candidate id, example id, repeat)."""
        return self.candidate.id, self.example.id, self.repeat


@dataclass(frozen=True)
class Request:
    """What a target, a scorer or an operator asks of a model: `Context.call` makes a call of it."""

    messages: tuple[Message, ...]
    parameters: Parameters = ()
    repeat: int = 0
    shown: tuple[Passage, ...] = ()
    """The contexts that stand in the messages, as far as it is known."""


@dataclass(frozen=True)
class Rewrite:
    """An operator asks the rewriter for new texts."""

    operator: str
    messages: tuple[Message, ...]
    number: int
    """In order of asking, within the run."""
    repeat: int = 0
    """How often the same was asked before."""

    @cached_property
    def key(self) -> Key:
        """(operator's short name, content hash, number)."""
        return (
            self.operator[-16:],
            content_hash([m.to_dict() for m in self.messages]),
            self.number,
        )

    @property
    def request(self) -> Request:
        return Request(self.messages, repeat=self.repeat)


Unit = Cell | Rewrite
"""What a policy proposes, and what is paid for."""

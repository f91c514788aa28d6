"""What is read from a ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from promptlathe.records import Failure, Key, Value

Stage = tuple[tuple[Key, ...], str]
"""Keys of its work in the order they were told, and the limit of the budget that ended it (empty
when there was nothing left to propose)."""


@dataclass(frozen=True)
class Terms:
    """What decides a score, apart from prompt and example."""

    objective: str
    """`Objective.scoring`."""
    model: str
    endpoint: str
    parameters: str
    """Content hash of what is sent with every call."""


@dataclass(frozen=True)
class Known:
    """An outcome of an earlier run."""

    candidate: str
    levels: Mapping[str, Value]
    example: str
    value: float
    same_model: bool
    """The model, its service and its parameters were the same."""


@dataclass(frozen=True)
class Course:
    """How a run went, as far as the answers do not say it."""

    stages: tuple[Stage, ...] = ()
    """Of the search."""
    decision: Stage | None = None
    """The final comparison; None when the run was interrupted before its end."""
    failures: dict[Key, Failure] = field(default_factory=dict[Key, Failure])


@dataclass(frozen=True, slots=True)
class Opening:
    """A look at the test rows to decide between two prompts."""

    split: str
    """The split by the rows of its first opening."""
    number: int
    """Of this split, from 1."""
    rows: frozenset[str]
    """Ids of the rows."""
    baseline: str
    """Candidate id."""
    challenger: str
    """Candidate id."""
    level: float
    """One-sided error that the decision spends."""
    run: str
    at: datetime
    promoted: bool = False
    """The challenger was better at this level."""

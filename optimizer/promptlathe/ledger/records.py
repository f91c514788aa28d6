"""What is read from a ledger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from promptlathe.records import Failure, Key, Value


@dataclass(frozen=True)
class Segment:
    """A part of a run: a stage of its search, or of its decision."""

    events: tuple[tuple[Key, int], ...]
    """Keys of its units in the order in which they were told, and after how many events of the
    run each was begun."""
    limit: str
    """Of the budget, that ended it; empty when there was nothing left to propose."""
    failures: Mapping[Key, Failure] = field(default_factory=dict[Key, Failure])
    dropped: Mapping[Key, str] = field(default_factory=dict[Key, str])
    """The limit at which a unit was dropped."""


@dataclass(frozen=True)
class ScoringTerms:
    """What decides a score, apart from prompt and example."""

    objective: str
    """`Objective.scoring`."""
    model: str
    endpoint: str
    parameters: str
    """Content hash of what is sent with every call."""


@dataclass(frozen=True)
class EarlierOutcome:
    """An outcome of an earlier run."""

    candidate: str
    levels: Mapping[str, Value]
    example: str
    value: float
    model: str = ""
    """Which other model gave it; empty where the model, its service and its parameters were those
    of the run, since the same drift."""


@dataclass(frozen=True)
class RecordedRun:
    """How a run went, as far as the answers do not say it."""

    stages: tuple[Segment, ...] = ()
    """Of the search."""
    decision: tuple[Segment, ...] = ()
    """The final comparison, and what it asked again; () when the run ended before it."""
    candidates: frozenset[str] = frozenset()
    """Ids of the candidates of its cells: other units are requests to the rewriter."""
    unfinished: Segment | None = None
    """What was told since the last of these ended, by a run that was interrupted."""


@dataclass(frozen=True)
class BegunRun:
    """A run that was begun, whatever became of it."""

    run: str
    model: str
    at: datetime
    """When it was begun."""
    ended: datetime | None
    """When it had its result, or was given up for a new one."""
    file: str | None
    """Its resolved run file."""


@dataclass(frozen=True)
class KeptResult:
    """A run's result, as its maker wrote it: the ledger only keeps it."""

    run: str
    mlflow: str | None
    """MLflow's id of the run."""
    experiment: str
    at: datetime
    """When the run ended."""
    summary: str
    """JSON, short: for lists."""
    content: bytes


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

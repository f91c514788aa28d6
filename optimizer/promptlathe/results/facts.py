"""What a job was, as far as a reader of its result asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from promptlathe.records import Json, Split

NEVER = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Facts:
    """Of one run."""

    name: str = ""
    """Of the job."""
    experiment: str = ""
    """MLflow's."""
    prompt: str = ""
    """In MLflow's registry; of several, what their names begin with."""
    promotes: bool = True
    """A better prompt is registered, and becomes the champion."""
    objective: str = ""
    goal: str = ""
    """As it is written: `maximize exact_match`."""
    scorers: tuple[str, ...] = ()
    target: str | None = None
    """The row field that holds the right answer."""
    labels: tuple[str, ...] = ()
    """Where the right answers are few: the commonest first."""
    model: str = ""
    endpoint: str = ""
    """Its base URL, without what is secret; of the embedded model, its version."""
    embedded: bool = False
    """The pocket model: its scores say nothing about an LLM's."""
    parameters: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Model parameters that the run file fixes for every prompt."""
    rewriter: str = ""
    """Who wrote new texts; empty where nobody did."""
    judge: str = ""
    """Who scored; empty where no scorer asks a model."""
    policy: str = ""
    seed: int = 0
    """Of everything that is random."""
    engine: str = ""
    concurrency: int = 0
    space: str = ""
    """Its size, in words."""
    components: Mapping[str, int] = field(default_factory=dict[str, int])
    """Levels of each that varied; of a number with a step or without, 0."""
    rows: Mapping[Split, int] = field(default_factory=dict[Split, int])
    budget: Mapping[str, float] = field(default_factory=dict[str, float])
    """The limits that were set."""
    best_possible: float | None = None
    """Value of the goal; None where it is not known."""
    store: str = ""
    """MLflow's, without what is secret; empty for the workspace's own, and where nothing is
    tracked."""
    file: str = ""
    """The run file as it was named; empty for a job that Python made."""
    began: datetime = NEVER
    ended: datetime = NEVER

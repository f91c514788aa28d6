"""What a job hands to the tracking, and what it gets back.

What is handed over has a JSON form (track/spool.py); what comes back pickles."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from promptlathe.records import (
    PROMPT,
    Example,
    FinalistName,
    Json,
    Outcome,
    Prompt,
    Split,
    Standing,
    content_hash,
)

if TYPE_CHECKING:  # numpy and SQLAlchemy load when they are needed
    from promptlathe.decide import Comparison, Verdict

Status = Literal["FINISHED", "FAILED", "KILLED"]
Mark = FinalistName | Literal["pareto"]
"""One of the final comparison, or on the Pareto front."""


@dataclass(frozen=True)
class Dataset:
    """One split of the objective, as a run's input: what it is, without its rows."""

    name: str
    split: Split
    source: str
    """Path or id of the data."""
    digest: str
    """Of the rows' ids: equal digests are equal rows."""
    rows: int
    fields: tuple[str, ...]

    @classmethod
    def of(cls, name: str, split: Split, source: str, examples: Iterable[Example]) -> Self:
        """Describe `examples`, whose order does not matter."""
        rows = list(examples)
        fields = dict.fromkeys(key for example in rows for key in example.row)
        digest = content_hash(sorted(example.id for example in rows))
        return cls(name, split, source, digest, len(rows), tuple(fields))


@dataclass(frozen=True)
class About:
    """What a run is, known before its first call."""

    experiment: str
    """MLflow experiment; made when it is missing."""
    prompt: str
    """Name in the prompt registry: letters, digits, `_`, `-` and `.`; of several, what their
    names begin with."""
    title: str
    """What the run's name says besides when it began."""
    run_file: str
    """The resolved run file, YAML."""
    model: str
    target: str | None = None
    """The row field that holds the expected answer."""
    prompts: tuple[str, ...] = (PROMPT,)
    """Names of the space's prompts, in its order."""
    pass_fail: frozenset[str] = frozenset()
    """Scorers whose scores are 0 or 1 only: shown as pass and fail."""
    parameters: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Model parameters that the run file fixes for every prompt."""
    params: Mapping[str, object] = field(default_factory=dict[str, object])
    """The run's MLflow params, flat."""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    datasets: tuple[Dataset, ...] = ()
    began: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    """Milliseconds since 1970."""

    @property
    def label(self) -> str:
        """When it began, in local time: what the names of its runs are told apart by."""
        return time.strftime("%m-%d %H:%M:%S", time.localtime(self.began / 1000))

    @property
    def run_name(self) -> str:
        """Begins with a digit: no side's does."""
        return f"{self.label} · {self.title}"

    @property
    def registered(self) -> dict[str, str]:
        """The space's names to those in the registry."""
        return registered_names(self.prompt, self.prompts)


def registered_names(prompt: str, names: Iterable[str]) -> dict[str, str]:
    """Each of a space's prompt names to its name in the registry.

    One prompt has the name itself, of several each has `<prompt>-<name>`.
    """
    names = tuple(names)
    return {name: prompt if len(names) == 1 else f"{prompt}-{name}" for name in names}


@dataclass(frozen=True)
class RegisteredPrompt:
    """A version in the prompt registry."""

    name: str
    version: int
    prompt: Prompt
    run_id: str | None
    """The run that made it, when that was one of ours."""

    @property
    def uri(self) -> str:
        """For `mlflow.genai.load_prompt`."""
        return f"prompts:/{self.name}/{self.version}"


@dataclass(frozen=True)
class Champion:
    """What the registry says."""

    prompts: Mapping[str, RegisteredPrompt] = field(default_factory=dict[str, RegisteredPrompt])
    """By the space's names, the versions with the alias `champion`: all of them, of one set, or
    none."""
    complaint: str = ""
    """Why there is none, when some have the alias."""
    aliased: Mapping[str, int] = field(default_factory=dict[str, int])
    """The versions that have the alias by registry name, whether or not they fit together."""


@dataclass(frozen=True)
class Started:
    """A run that MLflow knows."""

    run_id: str
    experiment_id: str
    champion: Champion = field(default_factory=Champion)
    """At that time."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conclusion:
    """How a run ended. The caller has decided; this is only written down."""

    verdict: "Verdict | None"
    """Of the best prompts, against `compared_with`; None when nothing could be compared."""
    finish_reason: str
    seed: Mapping[str, Prompt]
    best: Mapping[str, Prompt]
    """Both by the space's names."""
    comparison: "Comparison | None"
    """Seed (baseline) and best (challenger) on `test`."""
    promote: bool
    """Register the best prompts and give them the alias."""
    description: str
    """Markdown, shown on top of the run's page."""
    champion: "Comparison | None" = None
    """Registered champion (baseline) and best (challenger) on `test`."""
    alias: Literal["champion", "challenger"] = "champion"
    """Which one; a challenger waits for somebody to promote it."""
    compared_with: Literal["seed", "champion"] = "seed"
    aliased: Mapping[str, int] = field(default_factory=dict[str, int])
    """The versions with the alias `champion` when it was decided, by registry name: nothing is
    promoted once others have it."""
    registers: bool = False
    """Register the seed prompts where nothing is registered."""
    recommended: FinalistName | None = None
    opening: int | None = None
    """How often the test split has been opened, this time included."""
    notes: tuple[str, ...] = ()
    """What a reader should know, in words."""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    """More metrics of the parent run."""
    result: str = "{}"
    """The machine-readable result, JSON."""
    order: str = ""
    """The order in which outcomes were told, JSON lines."""
    tables: Mapping[str, str] = field(default_factory=dict[str, str])
    """More tables by file name, in MLflow's form, JSON."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    """More artifacts by file name, texts."""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    """More tags of the parent run."""

    @property
    def decisive(self) -> "Comparison | None":
        """The comparison that the verdict is of."""
        return self.champion if self.compared_with == "champion" else self.comparison


@dataclass(frozen=True)
class Concluded:
    """What MLflow holds now."""

    run_id: str | None
    registered: Mapping[str, RegisteredPrompt] = field(default_factory=dict[str, RegisteredPrompt])
    """By the space's names; none without a promotion."""
    alias: Literal["champion", "challenger"] = "champion"
    """Which those have."""
    problems: tuple[str, ...] = ()
    """What could not be written; the result itself is not touched by it."""


@dataclass(frozen=True)
class Begun:
    """A run begins, to be recorded in this store."""

    uri: str
    """As it is shown: without its password."""
    artifacts: str | None
    """Folder or URI for the artifacts of new experiments; None leaves it to the server."""
    about: About


@dataclass(frozen=True)
class Curve:
    """Points of the parent run's curves: metric, calls made so far, value."""

    calls: int
    points: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True)
class Candidacy:
    """A candidate that is shown by itself, as the search left it."""

    standing: Standing
    mark: Mark | None = None
    """What it is to the run; None of one like many others."""


@dataclass(frozen=True)
class TestRow:
    """A row of the final comparison."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    side: FinalistName
    outcome: Outcome


@dataclass(frozen=True)
class Stopped:
    """A run ended without a result."""

    status: Literal["FAILED", "KILLED"]
    reason: str
    tables: Mapping[str, str] = field(default_factory=dict[str, str])
    """What is known by then, by file name, in MLflow's form, JSON."""

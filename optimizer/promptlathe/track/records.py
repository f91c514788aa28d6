"""What a job hands to the tracking, and what it gets back. All of it pickles."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from promptlathe.records import Example, Prompt, Scalar, Split, content_hash

if TYPE_CHECKING:
    from promptlathe.decide import Comparison, Verdict

Side = Literal["seed", "best", "champion"]
"""Who answers the held-out rows."""
Status = Literal["FINISHED", "FAILED", "KILLED"]


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
    """Name in the prompt registry: letters, digits, `_`, `-` and `.`."""
    run_name: str
    run_file: str
    """The resolved run file, YAML."""
    model: str
    target: str | None = None
    """The row field that holds the expected answer."""
    pass_fail: frozenset[str] = frozenset()
    """Scorers whose scores are 0 or 1 only: shown as pass and fail."""
    parameters: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    """Model parameters that the run file fixes for every prompt."""
    params: Mapping[str, object] = field(default_factory=dict[str, object])
    """The run's MLflow params, flat."""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    datasets: tuple[Dataset, ...] = ()


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
class Started:
    """A run that MLflow knows."""

    run_id: str
    experiment_id: str
    champion: RegisteredPrompt | None
    """The version with the alias `champion`, if there is one that can be read."""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conclusion:
    """How a run ended. The caller has decided; this is only written down."""

    verdict: "Verdict | None"
    """None when nothing could be compared."""
    finish_reason: str
    seed: Prompt
    best: Prompt
    comparison: "Comparison | None"
    """Seed (baseline) and best (challenger) on `test`."""
    promote: bool
    """Register the best prompt and give it the alias `champion`."""
    description: str
    """Markdown, shown on top of the run's page."""
    champion: "Comparison | None" = None
    """Registered champion (baseline) and best (challenger) on `test`."""
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    """More metrics of the parent run."""
    result: str = "{}"
    """The machine-readable result, JSON."""
    order: str = ""
    """The order in which outcomes were told, JSON lines."""
    tables: Mapping[str, str] = field(default_factory=dict[str, str])
    """More tables by file name, in MLflow's form, JSON."""
    tags: Mapping[str, str] = field(default_factory=dict[str, str])
    """More tags of the parent run."""


@dataclass(frozen=True)
class Concluded:
    """What MLflow holds now."""

    run_id: str | None
    registered: RegisteredPrompt | None
    problems: tuple[str, ...] = ()
    """What could not be written; the result itself is not touched by it."""

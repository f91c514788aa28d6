"""The frozen records that travel between the parts. No imports of ours.

Example ─┐
Candidate ─→ Cell ─→ Call ─→ Answer | Failure ─→ Outcome ─→ Estimate
             Request ─→ Call ─→ Answer | Failure ─→ Rewritten
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, Literal

Split = Literal["train", "select", "test"]
Role = Literal["task", "rewrite"]
"""Who asks the model: `task` is the prompt under test, `rewrite` an operator."""
Key = tuple[str, str, int]
"""Identifies a piece of work within a run."""
Scalar = str | int | float | bool
Value = str | int | float
"""A level as a policy sees it: the level's name, or a number."""
FailureReason = Literal[
    "authentication",
    "not_found",
    "bad_request",
    "rate_limited",
    "timeout",
    "connection",
    "server_error",
    "malformed",
]


def content_hash(content: Any) -> str:
    """16 hexadecimal digits that identify any JSON-like content, key order aside."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message; `content` may hold `{{ field }}` placeholders of a row."""

    role: str
    content: str

    def to_dict(self) -> dict[str, str]:
        """The shape that OpenAI-compatible endpoints and MLflow's registry take."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True)
class Prompt:
    """Chat messages with every component filled in, row fields still placeholders."""

    messages: tuple[Message, ...]
    parameters: tuple[tuple[str, Scalar], ...] = ()
    """Model parameters that this prompt sets, by name, sorted."""

    @cached_property
    def id(self) -> str:
        """The content hash."""
        return content_hash([[m.to_dict() for m in self.messages], dict(self.parameters)])


PROMPT = "prompt"
"""The name of a prompt that is alone."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One level for each active component, and the named prompts that they make.

    Two candidates are the same when their prompts are: `id` is their content.
    """

    levels: tuple[tuple[str, Value], ...]
    prompts: Mapping[str, Prompt]
    """By name, in the order in which the space declares them; at least one."""

    @classmethod
    def single(cls, levels: tuple[tuple[str, Value], ...], prompt: Prompt) -> "Candidate":
        """Of a space that makes one prompt."""
        return cls(levels, {PROMPT: prompt})

    @property
    def prompt(self) -> Prompt:
        """The only prompt. Raises ValueError when there are several."""
        (prompt,) = self.prompts.values()
        return prompt

    @cached_property
    def id(self) -> str:
        """Of one prompt, its own id."""
        if self.prompts.keys() == {PROMPT}:
            return self.prompts[PROMPT].id
        return content_hash({name: prompt.id for name, prompt in self.prompts.items()})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


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
    """A call to the rewriter: an operator asks for new texts."""

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


Work = Cell | Request
"""What is paid for."""


@dataclass(frozen=True)
class Call:
    """What is sent to a model. `key` identifies the content: equal calls are one call."""

    model: str
    messages: tuple[Message, ...]
    parameters: tuple[tuple[str, Scalar], ...] = ()
    repeat: int = 0
    endpoint: str = ""
    """The base URL: equal names at two services are two models."""
    role: Role = field(default="task", compare=False)

    @cached_property
    def key(self) -> str:
        """The ledger's key: the content hash of all that decides the answer."""
        return content_hash(
            [
                self.endpoint,
                self.model,
                dict(self.parameters),
                [m.to_dict() for m in self.messages],
                self.repeat,
            ]
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered. Tokens are None where the service does not say."""

    text: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency: float = 0.0
    """Seconds from sending to the whole answer, retries included."""
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call gave no answer. Data about the service, not about the prompt."""

    reason: FailureReason
    detail: str


@dataclass(frozen=True)
class Outcome:
    """What a cell gave: an answer with its scores, or a failure without any."""

    cell: Cell
    reply: Answer | Failure
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    """By scorer; empty for a failure, which is never a score of 0."""
    value: float | None = None
    """The goal's value, higher is better; None for a failure."""
    parsed: str | None = None
    """What the parse step read in the answer; None when it could not."""
    unparsed: bool = False
    """The answer came but could not be parsed: it scores 0 and is counted apart."""
    cost: float | None = None
    """USD; None when the price or the tokens are unknown."""
    cached: bool = False
    """Read from the ledger: nothing was paid now."""

    @property
    def work(self) -> Cell:
        return self.cell

    @property
    def tokens(self) -> int | None:
        """Input and output tokens together."""
        return tokens_of(self.reply)


@dataclass(frozen=True)
class Rewritten:
    """What a request gave."""

    request: Request
    reply: Answer | Failure
    cost: float | None = None
    """USD; None when the price or the tokens are unknown."""
    cached: bool = False
    """Read from the ledger: nothing was paid now."""

    @property
    def work(self) -> Request:
        return self.request

    @property
    def tokens(self) -> int | None:
        """Input and output tokens together."""
        return tokens_of(self.reply)


Told = Outcome | Rewritten
"""What a piece of work gave."""


def tokens_of(reply: Answer | Failure) -> int | None:
    """Input and output together; None when the service does not tell, or the call failed."""
    match reply:
        case Answer(input_tokens=int(i), output_tokens=int(o)):
            return i + o
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean score over n examples with its 95 % interval, in score units."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Standing:
    """Where a candidate stands after its cells on `select`."""

    candidate: Candidate
    estimate: Estimate | None
    """None when every cell failed."""
    state: Literal["running", "dropped", "complete"]
    calls: int
    tokens: int | None
    """Sum over its cells; None when the service does not say."""
    cost: float | None
    failures: int
    unparsed: int
    number: int
    """The Optuna trial's number, in order of first proposal."""


@dataclass(frozen=True)
class Budget:
    """Upper limits of a job, checked before a call is sent. None means no limit."""

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    minutes: float | None = None

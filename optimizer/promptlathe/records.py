"""The frozen records that travel between the parts. No imports of ours.

Example ─┐
Candidate ─→ Cell ─→ Request ─→ Call ─→ Answer | Failure ─→ Trace ─→ Outcome ─→ Estimate
Rewrite ───────────→ Request ─→ Call ─→ Answer | Failure ─→ Rewritten
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

Split = Literal["train", "select", "test"]
FinalistName = Literal["seed", "champion", "best"]
"""Who meets in the decision."""
Role = Literal["task", "rewrite", "judge"]
"""Who pays for a call: the target under test, an operator, or a model that scores."""
Api = Literal["chat", "decisions", "images", "text_to_image"]
"""Which of a service's APIs takes a call."""
DRAWING: tuple[Api, ...] = ("images", "text_to_image")
"""Those whose answer is a picture."""
Key = tuple[str, str, int]
"""Identifies a unit within a run."""
Scalar = str | int | float | bool
Json = Any
"""JSON-like: None, bool, int, float, str, a list or a mapping of such."""
Value = str | int | float
"""A level as a policy sees it: the level's name, or a number."""
ServiceFailure = Literal[
    "authentication",
    "quota",
    "rate_limited",
    "timeout",
    "connection",
    "server_error",
    "malformed",
    "scorer",
]
"""`scorer`: one of yours raised or took too long, so that the answer has no score."""
PromptFailure = Literal[
    "not_found", "bad_request", "forbidden", "context_length", "content_filter", "target"
]
"""What the prompt or its parameters caused. `target`: a function of yours raised."""
FailureReason = ServiceFailure | PromptFailure
RETRYABLE: tuple[FailureReason, ...] = (
    "rate_limited",
    "server_error",
    "timeout",
    "connection",
    "malformed",
)
OF_PROMPT: tuple[FailureReason, ...] = (
    "not_found",
    "bad_request",
    "forbidden",
    "context_length",
    "content_filter",
    "target",
)


def content_hash(content: Any) -> str:
    """16 hexadecimal digits that identify any JSON-like content, key order aside."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


SHORT = 120
"""Characters of a part of a record that its repr shows."""


def in_short(content: Any) -> str:
    """The repr of anything in a line that a notebook can show."""
    text = repr(content)
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


@dataclass(frozen=True, slots=True)
class Image:
    """A picture in a message: a web address, a `data:` URL, or a file's path, read when sent."""

    url: str
    """May hold `{{ field }}` placeholders of a row."""
    detail: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """A content part, as OpenAI-compatible endpoints take it."""
        detail = {} if self.detail is None else {"detail": self.detail}
        return {"type": "image_url", "image_url": {"url": self.url, **detail}}


Content = str | tuple[str | Image, ...]
"""Of a message: a text, or parts in order."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message; `content` may hold `{{ field }}` placeholders of a row."""

    role: str
    content: Content
    more: Mapping[str, Json] = field(default_factory=dict[str, Json], hash=False)
    """Further keys as they are sent: `tool_calls`, `tool_call_id`, `name`."""

    @property
    def text(self) -> str:
        """The text parts, a line each."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part for part in self.content if isinstance(part, str))

    @property
    def texts(self) -> tuple[str, ...]:
        """Each text that may hold placeholders: of the parts, and addresses of pictures."""
        parts = (self.content,) if isinstance(self.content, str) else self.content
        return tuple(part.url if isinstance(part, Image) else part for part in parts)

    @property
    def images(self) -> tuple[Image, ...]:
        """The pictures."""
        if isinstance(self.content, str):
            return ()
        return tuple(part for part in self.content if isinstance(part, Image))

    def to_dict(self) -> dict[str, Any]:
        """The shape that OpenAI-compatible endpoints take."""
        content = self.content if isinstance(self.content, str) else _parts(self.content)
        return {"role": self.role, "content": content, **self.more}


def _parts(content: tuple[str | Image, ...]) -> list[dict[str, Any]]:
    return [
        {"type": "text", "text": part} if isinstance(part, str) else part.to_dict()
        for part in content
    ]


Parameters = tuple[tuple[str, Json], ...]
"""Model parameters by name, sorted; values are JSON-like."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A context that is shown to a model."""

    id: str
    """Its own; without one its place among those that were given, from 1."""
    text: str
    title: str = ""
    mark: str = ""
    """What an answer cites it by: its id, or the number that stands before it."""


UNKEPT = {"kept": False}
"""Marks a field that is no part of a record's JSON form: it is made again where it is needed."""


@dataclass(frozen=True)
class Prompt:
    """Chat messages with every component filled in, row fields still placeholders."""

    messages: tuple[Message, ...]
    parameters: Parameters = ()
    """Model parameters that this prompt sets."""
    tool_keys: tuple[tuple[str, str], ...] = ()
    """(name as it is sent, key) of tools whose name is not the key by which scorers know them."""
    fills: tuple[tuple[str, Json], ...] = field(default=(), hash=False)
    """Rules by the placeholder that they fill in for each row, as JSON (space/fills.py)."""
    sources: Mapping[str, Any] = field(
        default_factory=dict[str, Any], compare=False, repr=False, metadata=UNKEPT
    )
    """What rules take from, by placeholder: rows, a corpus. A rule holds its hash."""
    filled: int = field(default=0, compare=False, repr=False, metadata=UNKEPT)
    """Bytes that the rules add to the messages of a row, about."""

    @cached_property
    def id(self) -> str:
        """The content hash."""
        content: list[Any] = [[m.to_dict() for m in self.messages], dict(self.parameters)]
        content += [self.tool_keys] if self.tool_keys else []
        return content_hash([*content, dict(self.fills)] if self.fills else content)

    def with_sources(self, sources: Mapping[str, Any]) -> "Prompt":
        """The same prompt, with what its rules take from."""
        return replace(self, sources=sources)


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
        if list(self.prompts) == [PROMPT]:
            return self.prompts[PROMPT].id
        return content_hash({name: prompt.id for name, prompt in self.prompts.items()})

    @cached_property
    def size(self) -> int:
        """Bytes of the texts of its prompts, with what rules fill in."""
        texts = sum(len(m.text.encode()) for p in self.prompts.values() for m in p.messages)
        return texts + sum(prompt.filled for prompt in self.prompts.values())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Candidate) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Candidate({self.id}, {in_short(dict(self.levels))})"


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


@dataclass(frozen=True)
class Call:
    """What is sent to a model. `key` identifies the content: equal calls are one call."""

    model: str
    messages: tuple[Message, ...]
    parameters: Parameters = ()
    repeat: int = 0
    endpoint: str = ""
    """The base URL: equal names at two services are two models. Of the embedded model, its
    version."""
    role: Role = field(default="task", compare=False)
    step: str = field(default="", compare=False)
    """Which step of the target, or which judge, makes it."""
    api: Api = "chat"
    shown: tuple[Passage, ...] = field(default=(), compare=False)
    """The contexts that stand in the messages, as far as it is known."""
    labels: tuple[str, ...] = field(default=(), compare=False)
    """Whose chances are asked for besides the answer, which they do not change."""

    @cached_property
    def key(self) -> str:
        """The ledger's key: the content hash of all that decides the answer."""
        other = [] if self.api == "chat" else [self.api]
        return content_hash(
            [
                self.endpoint,
                self.model,
                dict(self.parameters),
                [m.to_dict() for m in self.messages],
                self.repeat,
                *other,
            ]
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered. Tokens are None where the service does not say."""

    text: str
    input_tokens: int | None = None
    """All of them, cached ones included."""
    output_tokens: int | None = None
    """All of them, reasoning included."""
    latency: float = 0.0
    """Seconds from sending to the whole answer, retries included."""
    finish_reason: str | None = None
    tool_calls: tuple[Mapping[str, Json], ...] = field(default=(), hash=False)
    """As the service gave them: id, type, function {name, arguments}."""
    cached_tokens: int | None = None
    """Of the input, those read from the provider's cache."""
    cache_write_tokens: int | None = None
    """Of the input, those written to it."""
    reasoning_tokens: int | None = None
    """Of the output, those that reasoning took."""
    likely: tuple[tuple[str, float], ...] = ()
    """Labels with the chances that the model gave them: first the one that the answer says; those
    with almost none are left out. () when it does not say."""
    served: str = field(default="", compare=False)
    """How the service names what answered: a model's version and its fingerprint; not kept."""
    rest: float = field(default=0.0, compare=False)
    """Seconds that the service asks to wait before the next call; no part of what is kept."""
    drawn: bytes | None = field(default=None, compare=False, repr=False)
    """A picture on its way from the service; once it is kept, the text is its address."""
    picture: Path | None = field(default=None, compare=False, repr=False)
    """The file of the picture whose address the text is."""

    @property
    def tokens(self) -> int | None:
        """Input and output together; None when the service does not tell."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a call gave no answer."""

    reason: FailureReason
    detail: str
    billed: int = 0
    """Attempts that the service may have charged for: it had the whole request, and may have
    answered it."""
    retry_after: float | None = None
    """Seconds that the service asks to wait before another attempt."""

    @property
    def overloaded(self) -> bool:
        """The service refused for the number of calls."""
        asked = self.reason == "server_error" and self.retry_after is not None
        return self.reason == "rate_limited" or asked

    @property
    def unsent(self) -> bool:
        """The service took no connection: nothing reached it."""
        return self.reason == "connection" and not self.billed

    @property
    def retryable(self) -> bool:
        """Another attempt at the same call may succeed."""
        return self.reason in RETRYABLE

    @property
    def of_prompt(self) -> bool:
        """The prompt or its parameters caused it, not the service: the worst score."""
        return self.reason in OF_PROMPT


@dataclass(frozen=True, slots=True)
class Sent:
    """A call of a unit, and what came back."""

    call: Call
    reply: Answer | Failure
    cost: float | None = None
    """USD; None when the price or the tokens are unknown."""
    cached: bool = False
    """Read from the ledger, or shared with an equal call: nothing was paid for this one."""


@dataclass(frozen=True)
class Trace:
    """What a cell did: its output, and its calls in the order in which they ended."""

    output: Json
    """A text, or what a function of yours returned; None when it failed."""
    calls: tuple[Sent, ...] = ()

    @property
    def text(self) -> str:
        """The output as text: of anything but a text its JSON."""
        if isinstance(self.output, str):
            return self.output
        return "" if self.output is None else json.dumps(self.output, ensure_ascii=False)

    @property
    def picture(self) -> Path | None:
        """The file of the output, where that is a picture that a call drew."""
        drawn = (one for one in reversed(self.answers()) if one.picture is not None)
        return next((one.picture for one in drawn if one.text == self.output), None)

    @property
    def given(self) -> Json:
        """The output as a function of yours gets it: a picture as the path of its file."""
        return self.output if self.picture is None else str(self.picture)

    def answers(self, role: Role = "task") -> tuple[Answer, ...]:
        """Those of a role, in order."""
        replies = (sent.reply for sent in self.calls if sent.call.role == role)
        return tuple(reply for reply in replies if isinstance(reply, Answer))


@dataclass(frozen=True, slots=True)
class Score:
    """What a scorer made of an output."""

    value: float | Mapping[str, float] | None
    """Several by name, for a scorer that gives several; None: the output could not be read."""
    parsed: Json = None
    """What was read in the output."""
    rationale: str | None = None
    soft: float | None = None
    """How likely the model thought the right answer; None where it does not say."""


@dataclass(frozen=True)
class Outcome:
    """What a cell gave: a trace with its scores, or a failure with its reason.

    A failure of the service has no value, which is not a value of 0; one of the prompt has the
    worst value that there is.
    """

    cell: Cell
    trace: Trace
    scores: Mapping[str, float] = field(default_factory=dict[str, float])
    """By scorer; empty for a failure of the service."""
    value: float | None = None
    """The goal's value, higher is better; None for a failure of the service."""
    parsed: str | None = None
    """What the goal's first scorer read in the output; None when it could not."""
    unread: bool = False
    """The output came, and a scorer could not read it: the worst score, counted apart."""
    failure: Failure | None = None
    rationales: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of scorers that give one, by scorer."""
    soft: float | None = None
    """What the goal's value would be if the score were how likely the model thought the right
    answer; None where it does not say."""

    def __post_init__(self) -> None:
        scored = self.failure is None or self.failure.of_prompt
        if scored != (self.value is not None):
            raise ValueError("a failure of the service has no value, all else has one")

    @property
    def unit(self) -> Cell:
        return self.cell

    @property
    def answer(self) -> Answer | None:
        """The last of the target's answers."""
        answers = self.trace.answers()
        return answers[-1] if answers else None

    @property
    def tokens(self) -> int | None:
        """Input and output of the target's calls together; None when the service does not tell."""
        known = [answer.tokens for answer in self.trace.answers()]
        return total(known) if known else None

    @property
    def cost(self) -> float | None:
        """USD of the target's calls; None when a price or tokens are unknown."""
        known = [sent.cost for sent in self.trace.calls if sent.call.role == "task"]
        return total(known) if known else None

    @property
    def cached(self) -> bool:
        """Nothing was paid for it now."""
        return all(sent.cached for sent in self.trace.calls)


@dataclass(frozen=True)
class Rewritten:
    """What a request to the rewriter gave."""

    rewrite: Rewrite
    sent: Sent

    @property
    def unit(self) -> Rewrite:
        return self.rewrite

    @property
    def reply(self) -> Answer | Failure:
        return self.sent.reply

    @property
    def tokens(self) -> int | None:
        """Input and output tokens together."""
        return self.reply.tokens if isinstance(self.reply, Answer) else None

    @property
    def cost(self) -> float | None:
        """USD; None when the price or the tokens are unknown."""
        return self.sent.cost

    @property
    def cached(self) -> bool:
        """Nothing was paid for it now."""
        return self.sent.cached


@dataclass(frozen=True, slots=True)
class Dropped:
    """A unit that was begun and could not end within the budget: nothing is scored."""

    unit: Unit
    limit: str
    """Of the budget."""


Event = Outcome | Rewritten | Dropped
"""What became of a unit; a run is replayed from its events."""


def total(known: "list[Any]") -> Any:
    """The sum; None as soon as one is unknown."""
    return None if any(one is None for one in known) else sum(known)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean score over n examples with its 95 % interval, in score units."""

    mean: float
    low: float
    high: float
    n: int
    modelled: bool = False
    """The mean over all examples of the split: of the n that were answered as they were, of the
    others as a model of all candidates' answers expects them."""


@dataclass(frozen=True)
class Standing:
    """Where a candidate stands after its cells on `select`."""

    candidate: Candidate
    estimate: Estimate | None
    """None when every cell failed."""
    state: Literal["running", "dropped", "complete"]
    cells: int
    """Told, failures and repeats included."""
    tokens: int | None
    """Sum over its cells; None when the service does not say."""
    cost: float | None
    failures: int
    """Of the service: cells without a score."""
    failed: int
    """Of the prompt: cells with the worst score."""
    unread: int
    number: int
    """The Optuna trial's number, in order of first proposal."""

    def __repr__(self) -> str:
        found = self.estimate
        score = f"{found.mean:.3f} (n={found.n})" if found else "no score"
        levels = in_short(dict(self.candidate.levels))
        return f"Standing({self.number}, {score}, {self.state}, {levels})"


LIMITS = ("calls", "tokens", "usd", "minutes")
"""The names of a budget's limits."""


@dataclass(frozen=True)
class Budget:
    """Upper limits of a job, checked before a call is sent. None means no limit."""

    calls: int | None = None
    tokens: int | None = None
    usd: float | None = None
    minutes: float | None = None

    @property
    def limits(self) -> dict[str, float]:
        """Those that are set, by name."""
        found = {name: getattr(self, name) for name in LIMITS}
        return {name: limit for name, limit in found.items() if limit is not None}

"""A call of a model, and the answer or the failure that comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from promptlathe.records.prompts import Message, Parameters, Passage
from promptlathe.records.values import Api, Json, Role, content_hash

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

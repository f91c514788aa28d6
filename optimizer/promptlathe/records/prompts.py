"""What is under test: messages, prompts, and the candidates that are made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from promptlathe.records.values import UNKEPT, Json, Value, content_hash, in_short


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

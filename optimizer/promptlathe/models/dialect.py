"""Where services with OpenAI's chat completions differ: a record, chosen by the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from promptlathe import documents
from promptlathe.records import Content, Message

_NEW_NAME_HOSTS = ("openai.com", "openai.azure.com")


class DialectSettings(documents.Model):
    """What a run file may say against the dialect of the service. None: as the service has it."""

    max_completion_tokens: bool | None = None
    """The name of the limit: `max_completion_tokens` or `max_tokens`."""
    system_role: bool | None = None
    """Without it, system messages go to the head of the first user message."""
    temperature: bool | None = None
    """Whether the parameter is accepted; else it is not sent."""
    query: dict[str, str] | None = None
    """Behind the address, such as an `api-version`; no keys."""
    key_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] | None = None
    """The header that takes the key, in the place of `Authorization`."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one service takes."""

    max_completion_tokens: bool = False
    system_role: bool = True
    temperature: bool = True
    key_header: str | None = None
    rename: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    refused: tuple[str, ...] = ()
    """Parameters that are not sent."""

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The body's parameters under the names of the service."""
        body = {self.rename.get(k, k): v for k, v in given.items() if k not in self.refused}
        if self.max_completion_tokens and "max_tokens" in body:
            body["max_completion_tokens"] = body.pop("max_tokens")
        if not self.temperature:
            body.pop("temperature", None)
        return body

    def messages(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The body's messages."""
        if not self.system_role:
            messages = without_system(messages)
        return [message.to_dict() for message in messages]


def dialect_of(endpoint: str) -> Dialect:
    """Of a base URL.

    OpenAI's reasoning models refuse `max_tokens`; most other services know only that name.
    """
    host = urlsplit(endpoint).hostname or ""
    newer = any(host == known or host.endswith(f".{known}") for known in _NEW_NAME_HOSTS)
    return Dialect(max_completion_tokens=newer)


def changed(dialect: Dialect, *said: DialectSettings | None) -> Dialect:
    """What is said goes before the dialect, and what is said later before what is said earlier."""
    for one in said:
        changes = one.model_dump(exclude_none=True, exclude={"query"}) if one else {}
        dialect = replace(dialect, **changes)
    return dialect


def without_system(messages: Sequence[Message]) -> list[Message]:
    """System messages merged into the first user message, which is added where there is none."""
    system = "\n\n".join(m.text for m in messages if m.role == "system")
    rest = [m for m in messages if m.role != "system"]
    if not system:
        return rest
    for i, message in enumerate(rest):
        if message.role == "user":
            content: Content
            if isinstance(message.content, str):
                content = f"{system}\n\n{message.content}"
            else:
                content = (system, *message.content)
            rest[i] = replace(message, content=content)
            return rest
    return [Message("user", system), *rest]

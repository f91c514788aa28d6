"""Where services with OpenAI's chat completions differ: a record, chosen by the host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from promptlathe import documents
from promptlathe.records import Content, Message

_NEW_NAME_HOSTS = ("openai.com", "openai.azure.com")


class DialectSettings(documents.Model):
    """What a run file may say against the dialect of the host. None: as the host has it."""

    max_completion_tokens: bool | None = None
    """The name of the limit: `max_completion_tokens` or `max_tokens`."""
    system_role: bool | None = None
    """Without it, system messages go to the head of the first user message."""
    temperature: bool | None = None
    """Whether the parameter is accepted; else it is not sent."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What one service takes."""

    max_completion_tokens: bool = False
    system_role: bool = True
    temperature: bool = True

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The body's parameters under the names of the service."""
        body = dict(given)
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


def dialect_of(endpoint: str, said: DialectSettings | None = None) -> Dialect:
    """Of a base URL; what `said` says goes before it.

    OpenAI's reasoning models refuse `max_tokens`; most other services know only that name.
    """
    host = urlsplit(endpoint).hostname or ""
    newer = any(host == known or host.endswith(f".{known}") for known in _NEW_NAME_HOSTS)
    changes = said.model_dump(exclude_none=True) if said else {}
    return replace(Dialect(max_completion_tokens=newer), **changes)


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

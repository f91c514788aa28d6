"""What was read of another tool, before it becomes files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptlathe.records import Json, Message
from promptlathe.space.template import is_name


@dataclass(frozen=True)
class Lost:
    """What could not be carried over."""

    what: str
    where: str | None = None
    """File and line."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


@dataclass(frozen=True)
class Foreign:
    """A prompt in our placeholders."""

    name: str
    messages: tuple[Message, ...]
    where: str | None = None


@dataclass(frozen=True)
class Draft:
    """A whole task, as far as the tool knew it."""

    name: str
    source: str
    """What it was read from, for the files' first lines."""
    prompts: tuple[Foreign, ...]
    """At least one, the first is the seed."""
    model: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """As the run file spells it; empty where none is known."""
    more: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """Further keys of the run file."""
    rows: tuple[Mapping[str, Any], ...] = ()
    scorers: tuple[Json, ...] = ()
    """As the objective spells them."""
    goal: str | None = None
    limits: Mapping[str, str] = field(default_factory=dict[str, str])
    labels: str | None = None
    """The field with the right answer, where it is a label."""
    kept: tuple[str, ...] = ()
    """What was carried over, in words."""
    lost: tuple[Lost, ...] = ()


class Names:
    """Names of fields: those that cannot stand in a placeholder get another one."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The same for the same name, and no two alike."""
        if name not in self._found:
            plain = name if is_name(name) else re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")
            plain = plain if is_name(plain) else f"field_{plain}".rstrip("_")
            while plain in self._found.values():
                plain = f"{plain}_"
            self._found[name] = plain
        return self._found[name]

    @property
    def known(self) -> tuple[str, ...]:
        """As they are called now."""
        return tuple(self._found.values())

    @property
    def changed(self) -> Mapping[str, str]:
        """Those that have another name now."""
        return {name: plain for name, plain in self._found.items() if name != plain}


def message(role: str, text: str) -> Message:
    """Of a prompt that is imported; blank lines around it do not stay."""
    return Message(role, text.strip("\n"))

"""Templates: plain substitution of `{{ name }}`, the syntax of MLflow's prompt registry.

Nothing is ever evaluated: a value that itself looks like a placeholder stays text.
"""

import re
from collections.abc import Mapping
from typing import Any

from promptlathe.records import Message, Prompt

PLACEHOLDER = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_.]+)?)\s*\}\}")
STATEMENT = re.compile(r"\{%|%\}")
"""With both of these in a message, MLflow runs it as Jinja when it formats the prompt."""


def placeholders(text: str) -> tuple[str, ...]:
    """The names in `text`, each once, in order of appearance."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(text)))


def is_inert(text: str) -> bool:
    """True when no template engine would change `text`: it may be baked into a prompt."""
    return not (PLACEHOLDER.search(text) or STATEMENT.search(text))


def fill(text: str, values: Mapping[str, Any]) -> str:
    """Replace each `{{ name }}` found in `values`, in one pass; others stay as they are."""

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        return str(values[name]) if name in values else match[0]

    return PLACEHOLDER.sub(value_of, text)


def compose(template: str, parts: Mapping[str, str | None]) -> str:
    """Fill components into a template.

    A part of None or "" is left out; a line that then holds nothing else goes too, with one
    of the blank lines around it, so that a missing section leaves no hole.
    """
    kept: list[str] = []
    skip_blank = False
    for line in template.strip().split("\n"):
        if skip_blank and not line.strip():
            skip_blank = False
            continue
        names = placeholders(line)
        filled = fill(line, {n: parts[n] or "" for n in names if n in parts})
        if names and not filled.strip():
            skip_blank = not kept or not kept[-1].strip()
            continue
        skip_blank = False
        kept.append(filled)
    return "\n".join(kept).strip()


def render(prompt: Prompt, row: Mapping[str, Any]) -> tuple[Message, ...]:
    """The messages that are sent for one row: its fields in their placeholders."""
    return tuple(Message(m.role, fill(m.content, row)) for m in prompt.messages)

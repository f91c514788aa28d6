"""The files of a task: YAML with a comment on each part, and rows as JSONL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from promptlathe.documents import to_yaml
from promptlathe.drafting.space import SpaceDraft

Commented = Sequence[tuple[str, Any, str]]
"""(key, value, why), in order."""


def space_file(space: SpaceDraft, about: str) -> str:
    """A search space, each component with its reason."""
    lines = [_head("schema.json", about), to_yaml({"messages": space.messages}), "components:\n"]
    for name, part in space.parts.items():
        lines += [f"  # {part.why}\n", _indented(to_yaml({name: part.value}))]
    if space.constraints:
        why = "# demos show bare answers, which is not the form that the contract asks for\n"
        lines += [why, to_yaml({"constraints": list(space.constraints)})]
    return "".join(lines)


def commented_file(schema: str, about: str, parts: Commented) -> str:
    """A file whose keys each have their reason."""
    body = (f"# {why}\n{to_yaml({key: value})}" for key, value, why in parts)
    return _head(schema, about) + "".join(body)


def rows_file(rows: Iterable[Mapping[str, Any]]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _head(schema: str, about: str) -> str:
    return f"# yaml-language-server: $schema={schema}\n# {about}\n"


def _indented(text: str) -> str:
    return "".join(f"  {line}" if line.strip() else line for line in text.splitlines(keepends=True))

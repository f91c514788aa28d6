"""The files of a task: YAML with a comment on each part, and rows as JSONL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from promptlathe.documents import to_yaml
from promptlathe.drafting.space import SpaceDraft
from promptlathe.errors import InputError
from promptlathe.job.stores import write_whole

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


def write_files(folder: Path, files: Mapping[Path, str], *, force: bool) -> None:
    """Write the files below a folder; those that are there with the same text stay.

    Raises InputError, before anything is written, for one that is there with another text, unless
    `force`; and for a folder that cannot be written.
    """
    try:
        there = {path: (folder / path).exists() for path in files}
        other = [
            path
            for path, text in files.items()
            if there[path] and (folder / path).read_bytes() != text.encode()
        ]
        if other and not force:
            raise InputError(
                "is there already, with other content",
                str(folder / other[0]),
                "choose another folder, go on with the files that are there, or write anew with "
                "--force",
            )
        for path, text in files.items():
            if not there[path] or path in other:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                write_whole(folder / path, text)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}",
            str(error.filename or folder),
            "choose another folder",
        ) from None


def _head(schema: str, about: str) -> str:
    return f"# yaml-language-server: $schema={schema}\n# {about}\n"


def _indented(text: str) -> str:
    return "".join(f"  {line}" if line.strip() else line for line in text.splitlines(keepends=True))

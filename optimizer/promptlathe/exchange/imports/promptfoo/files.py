"""Files that a configuration names, and lines in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from promptlathe.documents import Document, Loc, find, is_file, load, read_text
from promptlathe.errors import InputError

PREFIX = "file://"
PROGRAMS = (".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py", ".rb", ".sh")
"""What promptfoo would execute: nothing is executed here."""


def named(document: Document, value: str, loc: Loc) -> list[Path]:
    """The files that `file://…` means, a pattern's in order.

    Raises InputError where there is none.
    """
    name = value.removeprefix(PREFIX)
    where = document.where(loc)
    path = find(document.folder, name, document.within, where)
    if is_file(path):
        return [path]
    if any(sign in name for sign in "*?["):
        found = [one for one in sorted(document.folder.glob(_relative(name))) if is_file(one)]
        for one in found:
            find(Path(), str(one), document.within, where)
        if found:
            return found
    raise InputError(
        f"{value} names no file",
        where,
        f"looked for {path}; paths are relative to this file",
    )


def _relative(pattern: str) -> str:
    """A folder's own search takes no other pattern."""
    return pattern.removeprefix("./").lstrip("/") or "*"


def is_program(name: str) -> bool:
    """A file that would be executed, or a function in one."""
    plain = name.removeprefix(PREFIX)
    last = plain.rsplit(":", 1)[0] if ":" in plain else plain
    return any(one.lower().endswith(PROGRAMS) for one in (plain, last))


def part(document: Document, loc: Loc) -> Document:
    """A part of the document, or the YAML or JSON file that stands for it."""
    value = document.at(*loc).data
    if isinstance(value, str) and value.startswith(PREFIX):
        (path,) = named(document, value, loc)[:1]
        return load(path, document.within)
    return document.at(*loc)


def lines_of(document: Document) -> list[str]:
    """Of the document's file."""
    return read_text(document.path).split("\n") if document.path else []


def line_with(document: Document, loc: Loc, piece: str) -> str | None:
    """The file and line of a piece of a text: from where the text begins, the first that has it."""
    line = document.line_of(loc)
    first = piece.strip().split("\n")[0].removeprefix("{%").removesuffix("%}").strip()
    if line and first and document.path:
        for number, text in enumerate(lines_of(document)[line - 1 :], line):
            if first in text or first.replace(" ", "") in text.replace(" ", ""):
                return f"{document.path}:{number}"
    return document.where(loc)


def items(document: Document) -> Iterator[tuple[int, Any]]:
    """Of a list, with places; of anything else, itself."""
    yield from enumerate(document.data if isinstance(document.data, list) else [document.data])

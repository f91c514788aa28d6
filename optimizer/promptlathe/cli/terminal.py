"""The one way to the terminal: what others wrote is shown, and does nothing there (visible.py)."""

import os
import shutil
import sys
import textwrap
from typing import IO

from promptlathe.visible import UNSEEN, drawable, visible

__all__ = [
    "coloured",
    "drawable",
    "fold",
    "folded",
    "say",
    "short",
    "styled",
    "visible",
    "visible_json",
    "width",
]
NARROWEST = 30
"""Columns that are written for at least."""


def visible_json(text: str) -> str:
    """The same for JSON, which stays the same data."""
    return UNSEEN.sub(lambda match: _utf16(match[0]), text)


def say(text: str = "", *, err: bool = False, bold: bool = False) -> None:
    """Print lines. What the terminal has no character for is printed as its code, too."""
    stream = sys.stderr if err else sys.stdout
    shown = drawable(text, stream)
    stream.write(f"\x1b[1m{shown}\x1b[0m\n" if bold and styled(stream) else f"{shown}\n")
    stream.flush()


def styled(stream: IO[str]) -> bool:
    """Bold and such may be used there."""
    return stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def coloured(stream: IO[str]) -> bool:
    """Colours may be used there (https://no-color.org)."""
    return styled(stream) and not os.environ.get("NO_COLOR")


def width(stream: IO[str] | None = None) -> int | None:
    """Columns of the terminal; None for what is none: its lines are as long as they are."""
    if not (stream or sys.stdout).isatty():
        return None
    return max(NARROWEST, shutil.get_terminal_size().columns)


def folded(head: str, text: str, *, most: int | None = None) -> str:
    """`head` and a text beside it, in lines that end at a word where there is a terminal.

    most: lines at most.
    """
    columns = width()
    if columns is None:
        return f"{head}{text}"
    return fold(head, text, columns, most)


def fold(head: str, text: str, columns: int, most: int | None = None) -> str:
    """`head` and a text beside it, in lines of so many columns."""
    indent = " " * len(head) if len(head) < columns // 2 else "  "
    lines = textwrap.wrap(
        text,
        columns,
        initial_indent=head,
        subsequent_indent=indent,
        max_lines=most,
        placeholder=" …",
        break_on_hyphens=False,
    )
    return "\n".join(lines) or head.rstrip()


def short(text: str, most: int) -> str:
    """A text in one line of so many characters, cut at the end of a word where there is one."""
    if len(text) <= most and len(text.splitlines()) < 2:
        return text
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    word = cut.rpartition(" ")[0]
    return f"{word if len(word) > most // 2 else cut}…"


def _utf16(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))

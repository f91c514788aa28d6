"""The one way to the terminal: what others wrote is shown, and does nothing there.

Names of levels, prompts, answers, errors of servers and names of files may hold escape sequences
that move the cursor or colour the screen, and characters that turn the direction of writing or
cannot be seen. They are printed as their code: `\\x1b`, `\\u202e`.
"""

import os
import re
import shutil
import sys
import textwrap
from typing import IO

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, tab and line end aside
    "\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"  # tags: text that cannot be seen
    "\ud800-\udfff]"  # half characters: bytes of a file's name that are no text
)
"""Not the joiners U+200C and U+200D, which scripts and emoji need."""
PLAIN = str.maketrans({"→": "->", "…": "...", "≈": "~", "–": "-", "×": "x", "─": "-", "█": "#"})
"""Of our own characters, what stands for them in a terminal that lacks them."""
NARROWEST = 30
"""Columns that are written for at least."""


def visible(text: str) -> str:
    """`text` with each character that a terminal would obey, or not show, as its code."""
    return UNSEEN.sub(_code, text.replace("\r\n", "\n"))


def visible_json(text: str) -> str:
    """The same for JSON, which stays the same data."""
    return UNSEEN.sub(lambda match: _utf16(match[0]), text)


def say(text: str = "", *, err: bool = False, bold: bool = False) -> None:
    """Print lines. What the terminal has no character for is printed as its code, too."""
    stream = sys.stderr if err else sys.stdout
    shown = drawable(text, stream)
    stream.write(f"\x1b[1m{shown}\x1b[0m\n" if bold and styled(stream) else f"{shown}\n")
    stream.flush()


def drawable(text: str, stream: IO[str]) -> str:
    """What `stream` can show of a text, so that nothing in it is obeyed."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    shown = visible(text)
    try:
        shown.encode(encoding)
    except UnicodeEncodeError:
        plain = shown.translate(PLAIN)
        return plain.encode(encoding, "backslashreplace").decode(encoding)
    return shown


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
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    cut = line[: most - 1]
    word = cut.rpartition(" ")[0]
    return f"{word if len(word) > most // 2 else cut}…"


def _code(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _utf16(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))

"""The one way to the terminal: what others wrote is shown, and does nothing there.

Names of levels, prompts, answers, errors of servers and names of files may hold escape sequences
that move the cursor or colour the screen, and characters that turn the direction of writing or
cannot be seen. They are printed as their code: `\\x1b`, `\\u202e`.
"""

import re
import sys

import click

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, tab and line end aside
    "\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"  # tags: text that cannot be seen
    "\ud800-\udfff]"  # half characters: bytes of a file's name that are no text
)
"""Not the joiners U+200C and U+200D, which scripts and emoji need."""


def visible(text: str) -> str:
    """`text` with each character that a terminal would obey, or not show, as its code."""
    return UNSEEN.sub(_code, text.replace("\r\n", "\n"))


def visible_json(text: str) -> str:
    """The same for JSON, which stays the same data."""
    return UNSEEN.sub(lambda match: _utf16(match[0]), text)


def say(text: str = "", *, err: bool = False, bold: bool = False) -> None:
    """Print lines. What the terminal has no character for is printed as its code, too."""
    stream = sys.stderr if err else sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    shown = visible(text).encode(encoding, "backslashreplace").decode(encoding)
    click.echo(click.style(shown, bold=True) if bold else shown, err=err)


def _code(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


def _utf16(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))

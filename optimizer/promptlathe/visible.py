"""What others wrote is shown, and does nothing where it is shown.

Names of levels, prompts, answers, errors of servers and names of files may hold escape sequences
that move the cursor or colour the screen, and characters that turn the direction of writing or
cannot be seen. They are shown as their code: `\\x1b`, `\\u202e`.
"""

import re
from typing import IO

UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, tab and line end aside
    "\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"  # tags: text that cannot be seen
    "\ud800-\udfff]"  # half characters: bytes of a file's name that are no text
)
"""Not the joiners U+200C and U+200D, which scripts and emoji need."""
PLAIN = str.maketrans({"→": "->", "…": "...", "≈": "~", "–": "-", "×": "x", "─": "-", "█": "#"})
"""Of our own characters, what stands for them where they are not."""


def visible(text: str) -> str:
    """`text` with each character that a terminal would obey, or not show, as its code."""
    return UNSEEN.sub(_code, text.replace("\r\n", "\n"))


def drawable(text: str, stream: IO[str]) -> str:
    """What `stream` has characters for, the others as their code, or as what stands for ours."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    shown = visible(text)
    try:
        shown.encode(encoding)
    except UnicodeEncodeError:
        return shown.translate(PLAIN).encode(encoding, "backslashreplace").decode(encoding)
    return shown


def _code(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")

"""What changed between two texts, in a terminal: words in colour, or in brackets."""

import sys
from collections.abc import Iterator

from promptlathe.cli.terminal import coloured, drawable
from promptlathe.report.worddiff import Change, word_diff

Line = list[tuple[Change, str]]
BESIDE = 1
"""Lines without a change that are shown on either side of one with."""
COLOURS = {"removed": "\x1b[31;9m", "added": "\x1b[32m"}
BRACKETS = {"removed": ("[-", "-]"), "added": ("{+", "+}")}
ELIDED: Line = [("kept", "…")]


def diff_lines(old: str, new: str) -> list[Line]:
    """The lines in which something changed, and those beside them; `…` stands for the others."""
    lines = list(_lines(old, new))
    near = {
        other
        for place, line in enumerate(lines)
        if any(change != "kept" for change, _ in line)
        for other in range(place - BESIDE, place + BESIDE + 1)
    }
    shown: list[Line] = []
    for place, line in enumerate(lines):
        if place in near:
            shown.append(line)
        elif not shown or shown[-1] is not ELIDED:
            shown.append(ELIDED)
    return shown


def draw(line: Line) -> None:
    """Print it, as stdout allows."""
    sys.stdout.write("".join(_piece(change, text) for change, text in line) + "\n")


def _piece(change: Change, text: str) -> str:
    shown = drawable(text, sys.stdout)
    if change == "kept":
        return shown
    if coloured(sys.stdout):
        return f"{COLOURS[change]}{shown}\x1b[0m"
    before, after = BRACKETS[change]
    return f"{before}{shown}{after}"


def _lines(old: str, new: str) -> Iterator[Line]:
    line: Line = []
    for change, text in word_diff(old, new):
        first, *others = text.split("\n")
        line.append((change, first))
        for other in others:
            yield [piece for piece in line if piece[1]]
            line = [(change, other)]
    yield [piece for piece in line if piece[1]]

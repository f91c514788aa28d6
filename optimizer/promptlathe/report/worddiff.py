"""What changed between two texts, word by word."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Literal

from rapidfuzz.distance import LCSseq

Change = Literal["kept", "removed", "added"]
_TOKENS = re.compile(r"\w+|\n|[^\S\n]+|[^\w\s]")
"""Words, line ends, other white space, and each other character by itself."""
_WORD_OR_LINE = re.compile(r"\w|\n")


def word_diff(old: str, new: str) -> list[tuple[Change, str]]:
    """Pieces of both texts in order; what was removed stands before what came in its place.

    The kept and the removed pieces together are `old`, the kept and the added ones `new`. Spaces
    and commas between two changes are changed along with them, so that a sentence which was
    written anew is two pieces and not one for each word.
    """
    return list(_joined(_changes(_TOKENS.findall(old), _TOKENS.findall(new))))


def _changes(old: list[str], new: list[str]) -> Iterator[tuple[Change, str]]:
    for step in LCSseq.opcodes(old, new):
        before = "".join(old[step.src_start : step.src_end])
        after = "".join(new[step.dest_start : step.dest_end])
        if step.tag == "equal":
            yield "kept", before
        else:
            yield "removed", before
            yield "added", after


def _joined(pieces: Iterable[tuple[Change, str]]) -> Iterator[tuple[Change, str]]:
    """Without empty pieces; each run of changes is one piece removed and one added."""
    told = [piece for piece in pieces if piece[1]]
    inner = range(1, len(told) - 1)
    folded = {i for i in inner if told[i][0] == "kept" and not _WORD_OR_LINE.search(told[i][1])}
    runs = groupby(range(len(told)), lambda i: told[i][0] == "kept" and i not in folded)
    for kept, run in runs:
        some = [told[i] for i in run]
        if kept:
            yield "kept", "".join(text for _, text in some)
            continue
        for change in ("removed", "added"):
            if text := "".join(text for one, text in some if one in (change, "kept")):
                yield change, text

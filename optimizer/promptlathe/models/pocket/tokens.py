"""The pocket model's own word pieces, by which it counts and limits tokens.

A piece is up to six letters or digits of one word, or one other visible sign, with the space
before it: "account_access" has four (accoun, t, _, access). A message costs MESSAGE pieces more.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from promptlathe.records import Message

MESSAGE = 4
_PIECE = re.compile(r"[^\W_]{1,6}|[^\w\s]|_")


def count_pieces(text: str) -> int:
    """How many pieces a text has."""
    return len(_PIECE.findall(text))


_count_kept = lru_cache(maxsize=1024)(count_pieces)


def count_input(messages: Sequence[Message]) -> int:
    """The pieces of a whole prompt. Only the last message is expected to be new each time."""
    kept = sum(_count_kept(m.text) for m in messages[:-1])
    return kept + sum(count_pieces(m.text) for m in messages[-1:]) + MESSAGE * len(messages)


def cut(text: str, limit: int) -> tuple[str, int, bool]:
    """(the text's first `limit` pieces, how many they are, whether something was cut off)."""
    ends = [piece.end() for piece in _PIECE.finditer(text)]
    if len(ends) <= limit:
        return text, len(ends), False
    return text[: ends[limit - 1]] if limit > 0 else "", limit, True

"""How likely each of some labels was, from the log probabilities of an answer's tokens.

    asked     {"logprobs": true, "top_logprobs": 20}
    answered  "The", " intent", " is", " card", "_arrival"; at each place the likeliest tokens
    found     card_arrival .81, card_linking .12: where the label stands, its first token " card" is
              also that of card_linking, until "_arrival" and "_linking" part

A label's chance is that of the tokens that write it, given what stands before. Where the label
begins, and what is set around it, is found in the text; a label whose token is not among the
likeliest has no chance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

TOP = 20
"""Tokens at each place, as many as services give."""
ASKED: Mapping[str, Any] = {"logprobs": True, "top_logprobs": TOP}
LEAST, LEAST_OF_ALL = 1e-5, 0.1
"""Chances that are told: of a label, and of all together. Where a grammar made the model name a
label, it may have wanted to say something else."""
_AROUND = " \t\r\n.,:;!?\"'`*()[]{}<>|~«»#=/"
Token = tuple[str, float, Sequence[tuple[str, float]]]
"""Its text, its log probability, and those of the likeliest in its place."""
Likely = tuple[tuple[str, float], ...]
"""Labels with their chances: first the one that the answer says."""


def likely(choice: Mapping[str, Any], labels: Sequence[str]) -> Likely:
    """Of a chat completion's choice; () when it holds no log probabilities, or no label."""
    tokens = list(_tokens(choice))
    pieces = [_folded(text) for text, _, _ in tokens]
    text = "".join(pieces)
    mentions = list(_finder(tuple(labels)).finditer(text))
    if not mentions:
        return ()
    place = mentions[-1].start()
    ends = list(accumulate(map(len, pieces)))
    first = next(i for i, end in enumerate(ends) if end > place)
    if text[ends[first] - len(pieces[first]) : place].strip(_AROUND):
        return ()  # it begins within a token
    cores = [_core(label) for label in labels]
    said = cores.index(mentions[-1][0])
    chances = _followed(tokens[first:], cores, said)
    if sum(chances) < LEAST_OF_ALL:
        return ()
    rest = [i for i, p in enumerate(chances) if p >= LEAST and i != said]
    return tuple((labels[i], round(chances[i], 6)) for i in (said, *rest))


def _tokens(choice: Mapping[str, Any]) -> Iterator[Token]:
    match choice.get("logprobs"):
        case {"content": [*content]}:
            pass
        case _:
            return
    for one in content:
        match one:
            case {"token": str(text), "logprob": int() | float() as p, "top_logprobs": [*others]}:
                top = [(o["token"], float(o["logprob"])) for o in others if _whole(o)]
                yield text, float(p), top
            case _:
                return


def _whole(one: Any) -> bool:
    match one:
        case {"token": str(), "logprob": int() | float()}:
            return True
        case _:
            return False


def _folded(text: str) -> str:
    return text.casefold().replace("_", " ").replace("-", " ")


def _core(text: str) -> str:
    return _folded(text).strip(_AROUND) or _folded(text)


@lru_cache(maxsize=16)
def _finder(labels: Sequence[str]) -> re.Pattern[str]:
    cores = sorted({_core(label) for label in labels}, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, cores))})(?!\w)")


def _followed(tokens: Sequence[Token], labels: Sequence[str], said: int) -> list[float]:
    """The chance of each label: along the path that was taken, what leaves it at each place."""
    chances, path, before = [0.0] * len(labels), 1.0, ""
    for text, log, top in tokens:
        here = before + _folded(text)
        for other, log_other in top:
            there = before + _folded(other)
            if other != text and there.lstrip(_AROUND) != before.lstrip(_AROUND):
                meant = _meant(there, labels)
                for one in meant:
                    chances[one] += path * math.exp(log_other) / len(meant)
        path, before = path * math.exp(log), here
        if _meant(here, labels) == [said] or here.lstrip(_AROUND).startswith(labels[said]):
            break
    chances[said] += path
    return chances


def _meant(text: str, labels: Sequence[str]) -> list[int]:
    """The labels that a text begins, or has written."""
    begun = text.lstrip(_AROUND)
    if found := [i for i, label in enumerate(labels) if label.startswith(begun)]:
        return found
    written = [
        i
        for i, label in enumerate(labels)
        if begun.startswith(label) and not begun[len(label) : len(label) + 1].isalnum()
    ]
    longest = max((len(labels[i]) for i in written), default=0)
    return [i for i in written if len(labels[i]) == longest]

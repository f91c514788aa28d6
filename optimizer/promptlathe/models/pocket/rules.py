"""Definitions and decision rules -> words for and against a label.

"If the parcel never came, choose delivery."      words count for `delivery`
"A refund on leaving is cancellation, not billing" ... and against `billing`
billing: "Charges. Not the refund on leaving."     the second sentence counts against
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest
from typing import NamedTuple


class Evidence(NamedTuple):
    """`text` speaks for (`sign` 1) or against (-1) a label."""

    label: str
    sign: int
    text: str


_CLAUSE = re.compile(r"(?<=[.;!?])\s+|\n+|\s+(?=\()|(?<=\))\s+")
_DENIAL = re.compile(
    r"^\W*(?:not|never)\b|(?:[,(–—-]|\bbut|\band)\s*(?:but )?not\b"
    r"|\b(?:except|excluding|excludes?|other than|(?:does|do) not (?:include|cover|concern))\b",
    re.IGNORECASE,
)
"""An exclusion; "a reader that does not pair" excludes nothing."""
_CUE_BEFORE = re.compile(
    r"(?:\b(?:choose|pick|use|answer|label|labels|select|prefer|is|are|as|to|it's|means|under|not"
    r"|than|of|over|stays?|belongs? to|team|category)(?: the| a| an)?|->|→|=>|:|=|,|\()"
    r"\s*[\"'`“«*]*\s*$",
    re.IGNORECASE,
)
_CUE_AFTER = re.compile(
    r"[\"'`”»*]*\s*(?:if|when|for|:|covers?|only if|only when)\b", re.IGNORECASE
)
_DENIED_BEFORE = re.compile(
    r"(?:\bnot|\bnever|\brather than|\binstead of|\bover|\bno longer)(?: as| to| the| a| of)?"
    r"\s*[\"'`“«*]*\s*$",
    re.IGNORECASE,
)


def read_definition(label: str, text: str, labels: Sequence[str]) -> Iterator[Evidence]:
    """The clauses of a label's definition: for it, unless they deny or point elsewhere."""
    for clause in filter(str.strip, _CLAUSE.split(text)):
        pointed = [e for e in read_rule(clause, labels) if e.label != label]
        denial = _DENIAL.search(clause)
        if pointed and any(e.sign > 0 for e in pointed):
            yield from pointed
            yield Evidence(label, -1, pointed[0].text)
        elif denial:
            yield Evidence(label, 1, clause[: denial.start()])
            yield Evidence(label, -1, clause[denial.end() :])
        else:
            yield Evidence(label, 1, clause)


def read_rules(prose: str, labels: Sequence[str]) -> Iterator[Evidence]:
    """The evidence of all sentences that name a label at a telling place."""
    for sentence in re.split(r"(?<=[.;!?])\s+|\n+", prose):
        yield from read_rule(sentence, labels)


class _Mention(NamedTuple):
    label: str
    start: int
    end: int
    cued: bool
    """It is meant as a label: a common word such as "delivery" needs a cue for that."""
    denied: bool
    leads: bool
    """`label if …`: what it is about stands behind it."""


def read_rule(sentence: str, labels: Sequence[str]) -> Iterator[Evidence]:
    """What one sentence says; nothing when it only lists labels."""
    found = _mentions(sentence, labels)
    if any(_LISTING.fullmatch(sentence[a.end : b.start]) for a, b in pairwise(found)):
        return
    mentions = [m for m in found if m.cued]
    chosen = [m for m in mentions if not m.denied]
    if len(chosen) > 3:
        return
    at = 0
    for mention, following in zip_longest(chosen, chosen[1:]):
        if mention.leads:
            end = following.start if following else len(sentence)
            text = f"{sentence[at : mention.start]} {sentence[mention.end : end]}"
        else:
            end = mention.end
            after = "" if following else sentence[end:]
            text = f"{sentence[at : mention.start]} {_condition(after)}"
        at = end
        text = _without_names(text, mentions)
        if _words_left(text):
            yield Evidence(mention.label, 1, text)
            for other in mentions:
                if other.denied:
                    yield Evidence(other.label, -1, text)


_LISTING = re.compile(r"[\s\"'`”“«»*]*(?:,|/|\||\bor\b|,\s*or\b)[\s\"'`”“«»*]*", re.I)
_CONDITION = re.compile(r"\b(?:if|when|whenever|for|because)\b.*", re.DOTALL | re.IGNORECASE)
_RULE_WORDS = re.compile(
    r"\b(?:choose|pick|use|answer|label|select|prefer|unsure|doubt|goes|belongs|always"
    r"|ticket|customer|team|category)\b",
    re.IGNORECASE,
)
"""What rules are written with; it says nothing about the input."""


def _condition(text: str) -> str:
    match = _CONDITION.search(text)
    return match[0] if match else ""


def _without_names(text: str, mentions: Sequence[_Mention]) -> str:
    for mention in mentions:
        text = text.replace(mention.label, " ")
    return _RULE_WORDS.sub(" ", text)


def _words_left(text: str) -> bool:
    return any(sign.isalnum() for sign in text)


def _mentions(sentence: str, labels: Sequence[str]) -> list[_Mention]:
    """Where labels stand in a sentence, the longest first where they overlap."""
    found: list[_Mention] = []
    for label in sorted((n for n in labels if n in sentence), key=len, reverse=True):
        for match in re.finditer(rf"(?<![\w-]){re.escape(label)}(?![\w-])", sentence):
            start, end = match.span()
            if any(m.start < end and start < m.end for m in found):
                continue
            before, after = sentence[:start], sentence[end:]
            leads = bool(_CUE_AFTER.match(after))
            denied = bool(_DENIED_BEFORE.search(before))
            cued = "_" in label or not label.islower() or denied
            cued = cued or bool(_CUE_BEFORE.search(before)) or (leads and not before.strip(" -*•"))
            found.append(_Mention(label, start, end, cued, denied, leads))
    return sorted(found, key=lambda m: m.start)

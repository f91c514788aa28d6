"""What a text says already: its list of labels, its request for a format, its sentences.

So that an operator replaces a list instead of adding a second, and that no text repeats what
another component of the same prompt says.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

ALIKE = 80
"""Similarity (per cent) from which on a misspelt name counts as the label it is most like."""
MOST = 0.5
"""Share of the labels, or of a list's names, from which on a list is one of labels."""
WORDS = 4
"""Words from which on two equal sentences say the same thing twice."""

_ITEM = re.compile(r"[ \t]*[-*•+][ \t]+(?P<name>[^:\n(]{1,60}?)[*`\"]*(?:\s*[:(—–](?P<more>.*))?$")
_LINE = re.compile(r"[ \t]*(?P<name>[\w-]{1,60})\s*:(?P<more>[^\n]*\S)$")
_HEAD = re.compile(
    r"\b(?:labels?|categories|classes|intents?|teams?|topics?|queues?|options?|departments?)\b"
    r"[^:\n.]{0,60}:",
    re.IGNORECASE,
)
_FORMAT = re.compile(
    r"(?:(?:please|then|and|always|only)\s+)*(?:answer|reply|respond|say|write|give|return|output"
    r"|state|print|produce|end)\b",
    re.IGNORECASE,
)
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")


@dataclass(frozen=True)
class Listing:
    """A list of labels in a text; `first` and `last` are its lines, a heading aside."""

    first: int
    last: int
    names: Mapping[str, str]
    """What is said of each label that it names, by the right spelling; "" for a bare name."""
    exact: bool
    """All its names are labels, spelt as they are."""
    head: str
    """What stands in the same line before a list of names; "" for a list of lines."""


def listing(text: str, labels: Sequence[str]) -> Listing | None:
    """The first list of labels in a text: misspelt ones count, and any under a heading for them."""
    lines = text.split("\n")
    for first, last, items in _blocks(lines):
        above = lines[first - 1] if first else ""
        if found := _listing(first, last, items, labels, "", announced=bool(_HEAD.search(above))):
            return found
    for i, line in enumerate(lines):
        head = _HEAD.search(line)
        start = head.end() if head else 0
        names = re.split(r"\s*[,;]\s*(?:(?:and|or)\s+)?", line[start:].strip(" ."))
        if len(names) > 1 and all(0 < len(name.split()) <= 5 for name in names):
            items = dict.fromkeys(names, "")
            if found := _listing(i, i, items, labels, line[:start], announced=bool(head)):
                return found
    return None


def with_listing(text: str, lines: Sequence[str], old: Listing | None, head: str) -> str:
    """The text with these lines in place of its list, or at its end under a heading."""
    if old is None:
        return "\n".join([text.rstrip(), "", head, *lines])
    kept = text.split("\n")
    above = [old.head.rstrip()] if old.head else []
    return "\n".join([*kept[: old.first], *above, *lines, *kept[old.last + 1 :]])


def in_order(labels: Sequence[str], old: Listing | None) -> list[str]:
    """The labels as the list had them, and then the others."""
    return list(dict.fromkeys([*(old.names if old else ()), *labels]))


def names_all(text: str, labels: Sequence[str]) -> bool:
    """Each label stands in the text as it is spelt."""
    return all(re.search(rf"(?<![\w-]){re.escape(one)}(?![\w-])", text) for one in labels)


def format_requests(text: str) -> list[str]:
    """The sentences that ask for an output, word for word."""
    return [one for one in sentences(text) if _FORMAT.match(one.lstrip(" -*•#"))]


def is_home(text: str, beside: Sequence[tuple[str, str]], labels: Sequence[str]) -> bool:
    """A list of the labels may stand in this text: nothing beside it has one, and it is not the
    part that only asks for a format."""
    if any(listing(other, labels) for _, other in beside):
        return False
    return (
        listing(text, labels) is not None
        or not beside
        or bool(without(text, format_requests(text)))
    )


def without(text: str, gone: Sequence[str]) -> str:
    """The text without these sentences."""
    for sentence in gone:
        text = text.replace(sentence, "", 1)
    text = re.sub(r"(?<=\S)[ \t]{2,}", " ", text)
    return re.sub(r"[ \t]+(?=\n|$)|\n(?=\n\n)", "", text).strip()


def sentences(text: str) -> list[str]:
    """Sentences and lines, in order."""
    return [one.strip() for one in _SENTENCES.split(text) if one.strip()]


def repeated(
    text: str, before: str, beside: Sequence[tuple[str, str]], labels: Sequence[str]
) -> str:
    """What a text says again that `before` did not: "says again what COMPONENT says"; or "".

    beside: (component, text) of the other parts of the prompt.
    """
    old = {_folded(one) for one in sentences(before)}
    said = [_folded(one) for one in sentences(text)]
    new = {one for one in said if len(one.split()) >= WORDS and one not in old}
    for component, other in beside:
        lists = labels and listing(other, labels) and listing(text, labels)
        if new & {_folded(one) for one in sentences(other)} or (
            lists and not listing(before, labels)
        ):
            return f"says again what {component} says"
    return "says a thing twice" if any(said.count(one) > 1 for one in new) else ""


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Runs of at least two items, with bullets or as `name: what it is`."""
    items: dict[str, str] = {}
    first = 0
    for i, line in enumerate([*lines, ""]):
        match = _ITEM.match(line) or _LINE.match(line)
        if match:
            first = first if items else i
            items[match["name"].strip(' *`"')] = (match["more"] or "").strip(" )")
        elif items:
            if len(items) > 1:
                yield first, i - 1, items
            items = {}


def _listing(
    first: int,
    last: int,
    items: Mapping[str, str],
    labels: Sequence[str],
    head: str,
    *,
    announced: bool,
) -> Listing | None:
    known: dict[str, str] = {}
    for name, more in items.items():
        near = process.extractOne(name, labels, scorer=fuzz.ratio, score_cutoff=ALIKE)
        if near:
            known.setdefault(near[0], more)
    if not announced and len(known) < MOST * max(len(items), min(len(labels), 4)):
        return None
    return Listing(first, last, known, all(name in labels for name in items), head)


def _folded(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split())

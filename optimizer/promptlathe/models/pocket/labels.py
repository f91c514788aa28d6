"""The labels that a prompt's prose names, and what it says of each.

lists      lines "- name: what it is" or "- name"; "Labels: a, b (what it is) or c"; "a or b?"
sentences  "If the parcel never came, choose delivery, not billing."
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

NOUN = (
    r"(?:labels?|categor(?:y|ies)|class(?:es)?|intents?|teams?|options?|choices?|topics?"
    r"|departments?|queues?|sentiments?|values?)"
)
"""What a list of labels is called; a pattern without flags."""


class Evidence(NamedTuple):
    """A text that speaks for a label."""

    label: str
    text: str


class Named(NamedTuple):
    """The labels in order, their definitions, and the prose without the lists of lines."""

    labels: list[str]
    definitions: list[Evidence]
    rest: str


class _Item(NamedTuple):
    name: str
    detail: str

    @property
    def short(self) -> bool:
        """Its name can be that of a label."""
        return bool(re.fullmatch(r"[^:<>]{1,50}", self.name)) and len(self.name.split()) <= 5


class _List(NamedTuple):
    head: str
    """The line above it."""
    text: str
    items: list[_Item]

    @property
    def rank(self) -> int:
        """2: under a heading that speaks of labels; 1: all are defined; 0: not a list of labels."""
        if len(self.items) < 2 or _RULES.search(self.head) or not all(i.short for i in self.items):
            return 0
        return 2 if _ANNOUNCES.search(self.head) else int(all(i.detail for i in self.items))


_BULLET = r"[ \t]*(?:[-*•+–]|\d{1,2}[.)])[ \t]+"
_LINES = re.compile(
    rf"(?:^(?:{_BULLET}|[\w-]+:[ \t]+)\S.*(?:\n[ \t]{{2,}}\w.*)*(?:\n|\Z))+", re.MULTILINE
)
"""Items on lines of their own, one after the other; indented lines go on."""
_DEFINED = re.compile(r"([^:(\n]{1,60}?)\**\s*(?::\**\s|\s[-–—=]\s|—|\()(.+)", re.DOTALL)
_CHOICE = "one of|among|choose (?:from|between)"
_ANNOUNCES = re.compile(rf"\b(?:{NOUN}|{_CHOICE}|these)\b", re.IGNORECASE)
_RULES = re.compile(r"\b(?:rules?|ties?|guidelines?|notes?|steps?|hints?|examples?)\b", re.I)
_INLINE = re.compile(
    rf"\b(?:(?:{NOUN}|{_CHOICE})\b[^:\n.;,]{{0,40}}?[:=]|(?:{_CHOICE}"
    rf"|{NOUN} (?:are|is one of|include))\b(?: the| these)*)[ \t]*(?=(\S.{{0,9999}}))",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)(?![^()]*\))")
_JOINT = re.compile(r"\s*[;|,/]\s*(?:(?:or|and)\s+)?(?![^()]*\))")
_LAST_JOINT = re.compile(r"\s+(?:or|and)\s+(?![^()]*\))")
_CONTRAST = re.compile(
    r"\b(?:is it|either|whether[^.\n]{0,40}?\b(?:is|are)|as|say|answer|output)\s+"
    r"([\"\w-]+) or ([\"\w-]+)|(?<![\"\w-])([\"\w-]+) or ([\"\w-]+)\s?\?",
    re.IGNORECASE,
)


def clean_label(text: str) -> str:
    """A label without the quotation marks, markup and full stop around it."""
    return text.strip(" \t\n\"'“”«»`*.[]{}")


def read_labels(prose: str) -> Named:
    """All labels of the prose with their definitions."""
    lists = list(_lists(prose))
    items = [item for line in prose.split("\n") for item in _inline(line)]
    best = max(lists, key=lambda one: (one.rank, len(one.items)), default=None)
    if best and best.rank > (1 if items else 0):
        items += best.items
    if not items and (match := _CONTRAST.search(prose)):
        items = [_Item(clean_label(name), "") for name in match.groups() if name]
    names = list(dict.fromkeys(item.name for item in items))
    for one in lists:
        known = [item for item in one.items if item.name in names]
        if len(known) * 2 > len(one.items):
            items += known
            prose = prose.replace(one.text, "\n", 1)
    said = [Evidence(item.name, item.detail) for item in dict.fromkeys(items) if item.detail]
    return Named(names, said, prose)


def _lists(prose: str) -> Iterator[_List]:
    for match in _LINES.finditer(prose):
        above = prose[: match.start()].rstrip().rpartition("\n")[2]
        lines = re.split(r"\n(?![ \t]{2,}\w)", match[0].strip("\n"))
        yield _List(above, match[0], [_item(re.sub(_BULLET, "", one, count=1)) for one in lines])


def _item(text: str) -> _Item:
    """Of `name: definition`, `name — definition`, `name (definition)`."""
    match = _DEFINED.match(text)
    name, detail = match.groups() if match else (text, "")
    return _Item(clean_label(name), detail.strip(" )."))


def _inline(line: str) -> list[_Item]:
    """The items of a list inside a line; none when there is no list of names."""
    for match in _INLINE.finditer(line):
        *parts, last = _JOINT.split(_SENTENCE_END.split(match[1])[0])
        items = [_item(part) for part in (*parts, *_LAST_JOINT.split(last)) if part.strip()]
        if len(items) > 1 and all(item.short for item in items):
            return items
    return []


def read_sentences(prose: str, labels: Sequence[str]) -> Iterator[Evidence]:
    """A sentence that names one label speaks for it; "not delivery" does not count as naming."""
    names = "|".join(map(re.escape, sorted(labels, key=len, reverse=True)))
    mention = re.compile(
        r"(\b(?:not|never|rather than|instead of|over) (?:(?:as|to|a|the) )?)?"
        rf"(?<![\w-])[\"'`*“]*({names})(?![\w-])"
    )
    for sentence in re.split(r"(?<=[.;!?])\s+|\n+", prose):
        named = {match[2] for match in mention.finditer(sentence) if not match[1]}
        if len(named) == 1:
            yield Evidence(named.pop(), mention.sub(" ", sentence))

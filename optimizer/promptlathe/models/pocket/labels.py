"""The labels that a prompt's prose names, and their definitions.

Three kinds of places, the surest first; a weaker kind is read only while fewer than two labels
are known, but definitions of known labels are taken from everywhere:

    announced   "Labels: a, b, c", "one of: a, b or c", a list or table under such a heading, XML
    shaped      a list without a heading whose items all look like `name: definition`
    contrasted  "say whether it is a or b"
"""

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from promptlathe.models.pocket.demos import clean_label
from promptlathe.models.pocket.items import Group, find_groups
from promptlathe.models.pocket.vocabulary import (
    LABEL_NOUN,
    LIST_CUE,
    RULE_HEAD,
    SECTION_NAMES,
    plain,
    word_set,
)


@dataclass(frozen=True, slots=True)
class Named:
    """What the prose says: label -> its definitions' texts, in order; and the sentences left."""

    definitions: dict[str, list[str]]
    announced: bool
    """The prompt lists its labels outright, so that other words are no labels."""
    rest: str
    """The prose without the groups of labels: rules and requests."""
    sentences: str
    """`rest` without the lists inside a line either."""


def read_labels(prose: str) -> Named:
    """All labels of the prose with their definitions."""
    groups = find_groups(prose)
    found: dict[str, list[str]] = {}
    used: list[Group] = []
    covered = {i for g in groups if _is_announced(g) for i in range(g.first, g.last + 1)}
    inline = list(_inline(prose, covered))
    for listed in inline:
        _add(found, listed.names, listed.details)
    sure = {name for g in groups if _is_announced(g) for name in g.names} | set(found)
    for group in groups:
        if _is_announced(group) and not _points_to_labels(group, sure):
            _add(found, group.names, group.details)
            used.append(group)
    announced = len(found) > 1
    if not announced:
        shaped = [g for g in groups if g not in used and _is_shaped(g)]
        if shaped:
            largest = max(shaped, key=lambda g: len(g.names))
            _add(found, largest.names, largest.details)
            used.append(largest)
    if len(found) < 2:
        for name in _contrasted(prose):
            found.setdefault(name, [])
    by_plain = {plain(name): name for name in found}
    for group in groups:
        if group not in used and sum(plain(n) in by_plain for n in group.names) * 2 > len(
            group.names
        ):
            _define(found, by_plain, group)
            used.append(group)
    rest = _rest(prose, used)
    sentences = rest
    for listed in inline:
        sentences = sentences.replace(listed.span, "", 1)
    return Named(found, announced, rest, sentences)


def _add(found: dict[str, list[str]], names: Sequence[str], details: Sequence[str]) -> None:
    same = {plain(name): name for name in found}
    for name, detail in zip(names, details, strict=True):
        name = same.get(plain(name), name)
        found.setdefault(name, []).extend([detail] if detail else [])


def _define(found: dict[str, list[str]], by_plain: dict[str, str], group: Group) -> None:
    for name, detail in zip(group.names, group.details, strict=True):
        known = by_plain.get(plain(name))
        if known is not None and detail:
            found[known].append(detail)


def _rest(prose: str, used: Iterable[Group]) -> str:
    lines = prose.split("\n")
    for group in used:
        for i in range(group.first, group.last + 1):
            lines[i] = ""
    return "\n".join(lines)


def _is_announced(group: Group) -> bool:
    """Under a heading or sentence that speaks of labels and not of rules."""
    if group.marked:
        return True
    head = plain(group.head)
    if RULE_HEAD.search(head) and not re.search(r"\b(?:following|these) labels\b", head):
        return False
    speaks = bool(LABEL_NOUN.search(head) or LIST_CUE.search(head))
    return speaks and len(group.names) > 1 and all(_is_name(n) for n in group.names)


def _is_shaped(group: Group) -> bool:
    if RULE_HEAD.search(plain(group.head)) or len(group.names) < 2:
        return False
    defined = sum(bool(d) for d in group.details) == len(group.details)
    return defined and all(_is_name(n) and plain(n) not in SECTION_NAMES for n in group.names)


def _points_to_labels(group: Group, sure: set[str]) -> bool:
    """Rules have their label at the right: "hardware that arrived broken: delivery"."""
    others = sure - set(group.names)
    right = [clean_label(d) for d in group.details if d]
    return bool(right) and sum(d in others for d in right) * 2 > len(group.names)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 50 and len(text.split()) <= 5


_LIST_START = re.compile(
    r"(?:\b(?:labels?|categor(?:y|ies)|class(?:es)?|intents?|teams?|options?|choices?|topics?"
    r"|departments?|queues?|sentiments?|values?|[ée]tiquettes?|cat[ée]gories?|intentions?"
    r"|[ée]quipes?|services?|choix|th[èe]mes?)\b(?:\"|\*\*)?[^:\n.;,]{0,40}?"
    r"(?:\s?(?:\*\*)?[:=](?:\*\*)?|\b(?:are|is one of|include|sont)\b:?)"
    r"|\b(?:one of|among|choose (?:from|between)|parmi|l['’]une? d(?:es|e))\b"
    r"(?: the| these| following| labels?| categor(?:y|ies)| teams?| les| ces| suivante?s?"
    r"| [ée]tiquettes?| cat[ée]gories?| [ée]quipes?)*\s?:?)[ \t]*(?P<items>[^\n]+)",
    re.IGNORECASE,
)
_BULLET = re.compile(r"\s*[-*•]\s+")


class _Listed(NamedTuple):
    span: str
    names: list[str]
    details: list[str]
    """What stands in brackets behind a name."""


def _inline(prose: str, covered: Container[int]) -> Iterator[_Listed]:
    """Lists inside a line. In a bullet they must stand at its beginning."""
    for i, line in enumerate(prose.split("\n")):
        bullet = _BULLET.match(line)
        if i in covered or line.lstrip().startswith("|"):
            continue
        at = bullet.end() if bullet else 0
        while match := (_LIST_START.match if bullet else _LIST_START.search)(line, at):
            items = _first_sentence(match["items"])
            found = _split_items(items)
            at = match.end()
            if found and len(found[0]) > 1:
                yield _Listed(line[match.start() : match.start("items") + len(items)], *found)
            elif not bullet:
                at = match.start("items")


def _first_sentence(text: str) -> str:
    depth = 0
    for i, sign in enumerate(text):
        depth += (sign in "([") - (sign in ")]")
        if depth <= 0 and sign in ".!?" and (i + 1 == len(text) or text[i + 1].isspace()):
            return text[:i]
    return text


_ITEM = re.compile(r"\s*(?P<name>[^()]+?)\s*(?:\((?P<detail>[^()]*)\))?\s*$")
_LAST_JOINT = re.compile(r"\s+(?:or|and|ou|et)\s+")
_FIRST_JOINT = re.compile(r"\s*(?:or|and|ou|et)\s+")


def _split_items(text: str) -> tuple[list[str], list[str]] | None:
    """Names and details of "a, b (what it is) or c"; None when it is not a list of names."""
    text = text.strip()
    before, colon, after = text.partition(": ")
    if colon and "(" not in before and len(_cut(after, ",")) > 1:
        text = after
    if text[:1] in "[{" and text[-1:] in "]}":
        text = text[1:-1]
    separator = next((s for s in (";", "|", ",", " / ", "/") if _cut(text, s)[1:]), None)
    parts = _cut(text, separator) if separator else [text]
    if separator in (None, ","):
        parts[-1:] = _LAST_JOINT.split(parts[-1])
    parts = [_FIRST_JOINT.sub("", p, count=1) if _FIRST_JOINT.match(p) else p for p in parts]
    names: list[str] = []
    details: list[str] = []
    for part in (p for p in parts if p.strip()):
        match = _ITEM.match(part)
        name = clean_label(match["name"]) if match else ""
        if match is None or not _is_name(name):
            return None
        if name not in names:
            names.append(name)
            details.append(match["detail"] or "")
    return names, details


def _cut(text: str, separator: str) -> list[str]:
    """Split outside brackets."""
    parts, depth, start = list[str](), 0, 0
    for i, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0 and text.startswith(separator, i):
            parts.append(text[start:i])
            start = i + len(separator)
    return [*parts, text[start:]]


_NAME = r"[\"'“`«*]?[\w-]+[\"'”`»*]?"
_CONTRAST = re.compile(
    r"\b(?:either|whether[^.\n]{0,40}?\b(?:is|are)|as|with|is it|est|soit|say|answer|output)\s+"
    rf"(?P<items>{_NAME}(?:,\s*{_NAME})*,?\s+(?:or|ou|and|soit)\s+{_NAME})"
    rf"|\b(?:is|are|est|sont)\b[^.?\n]{{0,40}}\s(?P<asked>{_NAME}\s+(?:or|ou)\s+{_NAME})\s?\?",
    re.IGNORECASE,
)
_JOINT = re.compile(r",\s*|\s+(?:or|ou|and|soit)\s+")
_QUOTED = r"[\"'“`«](\w[\w -]{0,30})[\"'”`»]"
_QUOTED_PAIR = re.compile(rf"{_QUOTED}\s*(?:or|ou|/)\s*{_QUOTED}")
_SMALL = word_set("the a an it not you i we they he she this that le la un une")


def _contrasted(prose: str) -> Sequence[str]:
    if match := _QUOTED_PAIR.search(prose):
        return [match[1].strip(), match[2].strip()]
    for match in _CONTRAST.finditer(prose):
        names = [clean_label(p) for p in _JOINT.split(match["items"] or match["asked"])]
        if not any(n.lower() in _SMALL or not n for n in names):
            return names
    return []

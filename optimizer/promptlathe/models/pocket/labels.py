"""The labels that a prompt's prose names, and their definitions.

announced   "Labels: a, b (what it is), c", "one of: a, b or c", or a list under such a heading
shaped      a list of `name: definition` without a heading, if nothing is announced
contrasted  "say whether it is a or b", if there is no list
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from promptlathe.models.pocket.names import LABEL_NOUN, clean_label, is_name


@dataclass(frozen=True, slots=True)
class Named:
    """What the prose says: label -> its definitions' texts, in order; and the sentences left."""

    definitions: dict[str, list[str]]
    announced: bool
    """The prompt lists its labels outright, so that other words are no labels."""
    sentences: str
    """The prose without the lists of labels: rules and requests."""
    rest: str
    """The same with the lists inside a line, which may be part of a request."""


@dataclass(slots=True)
class _Group:
    """The items of a list; `first` and `last` are line numbers."""

    head: str
    first: int
    last: int
    items: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    @property
    def announced(self) -> bool:
        """Under a heading or sentence that speaks of labels and not of rules."""
        speaks = _ANNOUNCES.search(self.head) and not _RULES.search(self.head)
        return bool(speaks) and len(self.items) > 1 and all(is_name(n) for n, _ in self.items)

    @property
    def shaped(self) -> bool:
        defined = all(detail and is_name(name) for name, detail in self.items)
        return defined and len(self.items) > 1 and not _RULES.search(self.head)


_ITEM = re.compile(r"[ \t]*(?:[-*•+–]|\d{1,2}[.)])\s+(.+)$")
_SEPARATED = re.compile(
    r"\s*(?P<name>[^:\n]{1,60}?)(?:\*\*)?(?:\s*:(?:\*\*)?(?=\s|$)|\s+[-–—=]\s+|\s*—\s*)(?P<detail>.*)$"
)
_BRACKETED = re.compile(r"\s*(?P<name>[^()\n]{1,60}?)\s*\((?P<detail>[^()]+)\)\.?\s*$")
_ANNOUNCES = re.compile(
    rf"\b(?:{LABEL_NOUN}|one of|among|choose (?:from|between)|following|below|these)\b", re.I
)
_RULES = re.compile(
    r"\b(?:rules?|ties?|tie-breaks?|constraints?|guidelines?|notes?|steps?|hints?|examples?)\b",
    re.I,
)
_START = re.compile(
    rf"(?:\b{LABEL_NOUN}\b\"?[^:\n.;,]{{0,40}}?(?:\s?[:=]|\b(?:are|is one of|include)\b:?)"
    r"|\b(?:one of|among|choose (?:from|between))\b"
    rf"(?: the| these| following| {LABEL_NOUN})*(?: and nothing else)?\s?:?)[ \t]*([^\n]+)",
    re.IGNORECASE,
)
_JOINT = re.compile(r"\s*[;|,/]\s*(?:(?:or|and)\s+)?")
_LAST_JOINT = re.compile(r"\s+(?:or|and)\s+")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")
_CONTRAST = re.compile(
    r"\b(?:is it|either|whether[^.\n]{0,40}?\b(?:is|are)|as|say|answer|output)\s+"
    r"([\"\w-]+) or ([\"\w-]+)|([\"\w-]+) or ([\"\w-]+)\s?\?",
    re.IGNORECASE,
)
_SMALL = frozenset(["the", "a", "an", "it", "not", "you", "i", "we", "they", "this", "that"])


def read_labels(prose: str) -> Named:
    """All labels of the prose with their definitions."""
    lines = prose.split("\n")
    groups = list(_groups(lines))
    used = [group for group in groups if group.announced]
    covered = {i for group in used for i in range(group.first, group.last + 1)}
    inline = [one for i, line in enumerate(lines) if i not in covered for one in _inline(line)]
    found: dict[str, list[str]] = {}
    for items in [*(items for _, items in inline), *(group.items for group in used)]:
        _add(found, items)
    announced = len(found) > 1
    if not announced and (shaped := [group for group in groups if group.shaped]):
        used.append(max(shaped, key=lambda group: len(group.items)))
        _add(found, used[-1].items)
    if len(found) < 2 and (match := _CONTRAST.search(prose)):
        names = [clean_label(name) for name in match.groups() if name]
        if not _SMALL & {name.lower() for name in names}:
            _add(found, [(name, "") for name in names])
    for group in groups:
        known = [item for item in group.items if item[0] in found]
        if group not in used and len(known) * 2 > len(group.items):
            _add(found, known)
            used.append(group)
    for group in used:
        lines[group.first : group.last + 1] = [""] * (group.last + 1 - group.first)
    rest = sentences = "\n".join(lines)
    for span, _ in inline:
        sentences = sentences.replace(span, "", 1)
    return Named(found, announced, sentences, rest)


def _add(found: dict[str, list[str]], items: Sequence[tuple[str, str]]) -> None:
    spelled = {name.lower(): name for name in found}
    for name, detail in items:
        known = found.setdefault(spelled.get(name.lower(), name), [])
        known.extend([detail] if detail else [])


def _split_item(text: str) -> tuple[str, str]:
    """(name, definition) of `name: definition`, `name — definition`, `name (definition)`."""
    match = _SEPARATED.match(text) or _BRACKETED.match(text)
    name, detail = (match["name"], match["detail"]) if match else (text, "")
    return clean_label(name), detail.strip()


def _groups(lines: Sequence[str]) -> Iterator[_Group]:
    """Lists with bullets or numbers, and lines of `name: definition`, or of names below a colon."""
    group: _Group | None = None
    bullets = False
    for i, line in enumerate([*lines, ""]):
        match = _ITEM.match(line)
        text = match[1] if match else line
        name, detail = _split_item(text)
        plain = is_name(name) and bool(
            detail or (group.head if group else _head(lines, i)).endswith(":")
        )
        if group is not None and (bool(match) != bullets or not (match or plain)):
            if line[:2] == "  " and line.strip():
                group.items[-1] = (
                    group.items[-1][0],
                    f"{group.items[-1][1]}\n{line.strip()}".strip(),
                )
                group.last = i
                continue
            yield group
            group = None
        if match or (plain and line.strip()):
            group, bullets = group or _Group(_head(lines, i), i, i), bool(match)
            group.items.append((name, detail))
            group.last = i


def _head(lines: Sequence[str], at: int) -> str:
    """The nearest line above, when it may announce what follows."""
    above = next(
        (line.strip() for line in reversed(lines[max(0, at - 2) : at]) if line.strip()), ""
    )
    return "" if _ITEM.match(above) else above


def _inline(line: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Lists inside a line, with their spans."""
    at = 0
    while match := _START.search(line, at):
        end = _SENTENCE_END.search(_masked(match[1]))
        text = match[1][: end.start()] if end else match[1]
        items = _split_list(text)
        at = match.end() if len(items) > 1 else match.start(1)
        if len(items) > 1:
            yield line[match.start() : match.start(1) + len(text)], items


def _split_list(text: str) -> list[tuple[str, str]]:
    """The items of "a, b (what it is) or c"; none when it is not a list of names."""
    masked = _masked(text)
    if len(head := masked.split(": ", 1)) > 1 and "," in head[1]:
        text, masked = text[len(head[0]) + 2 :], head[1]
    ends = [match.span() for match in _JOINT.finditer(masked)]
    if last := _LAST_JOINT.search(masked, ends[-1][1] if ends else 0):
        ends.append(last.span())
    starts = [0, *(end for _, end in ends)]
    parts = [text[a:b] for a, b in zip(starts, [*(a for a, _ in ends), len(text)], strict=True)]
    found = [_BRACKETED.match(part) for part in parts if part.strip()]
    plain = iter(part for part in parts if part.strip())
    items = [
        (
            clean_label((match["name"] if match else part).strip("[]{}")),
            match["detail"] if match else "",
        )
        for match, part in zip(found, plain, strict=True)
    ]
    return items if all(is_name(name) for name, _ in items) else []


def _masked(text: str) -> str:
    """What stands in brackets blotted out, as long as before."""
    return re.sub(r"\([^()]*\)", lambda match: "_" * len(match[0]), text)

"""Lists, tables, headings and XML in prose: groups of items `name` with a detail each."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from promptlathe.models.pocket.demos import clean_label
from promptlathe.models.pocket.vocabulary import LABEL_NOUN, plain, word_set


@dataclass(slots=True)
class Group:
    """Items that stand together; `first` and `last` are line numbers of the prose."""

    head: str
    """The line above that announces the group, or nothing."""
    first: int
    last: int
    names: list[str] = field(default_factory=list[str])
    details: list[str] = field(default_factory=list[str])
    marked: bool = False
    """The markup itself says that these are labels."""

    def add(self, name: str, detail: str, line: int) -> None:
        self.names.append(clean_label(name))
        self.details.append(detail.strip())
        self.last = line

    def extend(self, detail: str, line: int) -> None:
        """A continuation line of the last item."""
        self.details[-1] = f"{self.details[-1]}\n{detail.strip()}".strip()
        self.last = line


def find_groups(prose: str) -> list[Group]:
    """All groups, in order. A line belongs to one group at most."""
    lines = prose.split("\n")
    taken: set[int] = set()
    groups: list[Group] = []
    for read in (_xml, _tables, _bullets, _plain_lines, _headings):
        for group in read(lines, lambda i: i in taken):
            taken.update(range(group.first, group.last + 1))
            groups.append(group)
    return sorted(groups, key=lambda g: g.first)


Taken = Callable[[int], bool]
_ITEM = re.compile(r"(\s*)(?:[-*•+–]|\(?\d{1,2}[.)]|\(?[a-z][.)])\s+(.+)$")
_SEPARATED = re.compile(
    r"\s*(?P<wrap>\*\*|__|[`\"“«'])?(?P<name>[^:\n]{1,60}?)\s*(?:\*\*|__|[`\"”»'])?"
    r"(?:\s*:(?:\*\*|__)?(?=\s|$)|\s+[-–—=]\s+|\s*—\s*|\s+(?:->|→|=>)\s+)\s*(?P<detail>.*)$"
)
_BRACKETED = re.compile(r"\s*(?P<name>[^()\n]{1,60}?)\s*\((?P<detail>[^()]+)\)\.?\s*$")


def split_item(text: str) -> tuple[str, str]:
    """(name, definition) of `name: definition`, `name — definition`, `name (definition)`."""
    match = _SEPARATED.match(text) or _BRACKETED.match(text)
    return (match["name"], match["detail"]) if match else (text, "")


def _head(lines: list[str], at: int) -> str:
    """The nearest line above, when it may announce what follows."""
    for i in range(at - 1, max(-1, at - 3), -1):
        if lines[i].strip():
            return "" if _ITEM.match(lines[i]) else lines[i].strip()
    return ""


def _bullets(lines: list[str], taken: Taken) -> Iterator[Group]:
    """Bulleted and numbered lists; deeper or indented lines belong to the item above."""
    group: Group | None = None
    indent = 0
    for i, line in enumerate(lines):
        match = None if taken(i) else _ITEM.match(line)
        depth = len(line) - len(line.lstrip())
        if match and (group is None or depth <= indent):
            if group is None:
                group, indent = Group(_head(lines, i), i, i), depth
            group.add(*split_item(match[2]), i)
        elif group is not None and line.strip() and depth > indent and not taken(i):
            group.extend(match[2] if match else line, i)
        elif group is not None and not _goes_on(lines, i, group):
            yield group
            group = None
    if group is not None:
        yield group


def _goes_on(lines: list[str], at: int, group: Group) -> bool:
    """One blank line between two items does not end a list."""
    if lines[at].strip() or at + 1 >= len(lines):
        return False
    below = lines[at + 1]
    return group.last == at - 1 and bool(_ITEM.match(below) or below.startswith("  "))


def _tables(lines: list[str], taken: Taken) -> Iterator[Group]:
    """`| label | definition |`: the first column, or the one whose heading says label."""
    i = 0
    while i + 1 < len(lines):
        rule = lines[i + 1].strip()
        if "|" in lines[i] and "-" in rule and not set(rule) - set("|-: ") and not taken(i):
            heads = _cells(lines[i])
            named = [LABEL_NOUN.search(plain(h)) is not None for h in heads]
            column = named.index(True) if any(named) else 0
            group = Group(lines[i] if any(named) else _head(lines, i), i, i + 1)
            i += 2
            while i < len(lines) and "|" in lines[i]:
                cells = _cells(lines[i])
                if column < len(cells):
                    details = cells[:column] + cells[column + 1 :]
                    group.add(cells[column], "\n".join(details), i)
                i += 1
            yield group
        else:
            i += 1


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _plain_lines(lines: list[str], taken: Taken) -> Iterator[Group]:
    """`name: definition` line under line, or bare names under a heading that ends in a colon."""
    group: Group | None = None
    for i, line in enumerate([*lines, ""]):
        name, detail = split_item(line)
        fits = i < len(lines) and not taken(i) and bool(line.strip()) and line[0] not in "<#|"
        bare = fits and not detail and group is None and _opens_names(lines, i)
        if fits and detail and len(name.split()) <= 5 and (group is None or group.details[0]):
            group = group or Group(_head(lines, i), i, i)
            group.add(name, detail, i)
        elif bare or (fits and not detail and group is not None and not group.details[0]):
            group = group or Group(_head(lines, i), i, i)
            group.add(line, "", i)
        elif fits and group is not None and line[0] in " \t":
            group.extend(line, i)
        elif group is not None and not (not line.strip() and _same_below(lines, i, group)):
            if len(group.names) > 1:
                yield group
            group = None


def _same_below(lines: list[str], at: int, group: Group) -> bool:
    if at + 1 >= len(lines) or not group.details[0]:
        return False
    name, detail = split_item(lines[at + 1])
    return bool(detail) and len(name.split()) <= 3


def _opens_names(lines: list[str], at: int) -> bool:
    above = lines[at - 1].strip() if at else ""
    return above.endswith(":") or (above.startswith("#") and bool(LABEL_NOUN.search(plain(above))))


_HEADING = re.compile(r"(#{1,6})\s+(.+?)\s*#*$")


def _headings(lines: list[str], taken: Taken) -> Iterator[Group]:
    """`### label` with its definition below, under `## Labels`."""
    found = [(i, m) for i, line in enumerate(lines) if (m := _HEADING.match(line)) and not taken(i)]
    for n, (at, match) in enumerate(found):
        if not LABEL_NOUN.search(plain(match[2])):
            continue
        group = Group(match[2], at + 1, at)
        for m, (i, below) in enumerate(found[n + 1 :], n + 1):
            if len(below[1]) <= len(match[1]):
                break
            end = found[m + 1][0] if m + 1 < len(found) else len(lines)
            free = [k for k in range(i + 1, end) if not taken(k)]
            group.add(*_titled(below[2], "\n".join(lines[k] for k in free)), i)
            group.last = end - 1
        if len(group.names) > 1:
            yield group


def _titled(title: str, body: str) -> tuple[str, str]:
    name, detail = split_item(title)
    return name, f"{detail}\n{body}".strip()


_XML_ITEM = re.compile(
    r"<(label|category|class|intent|team|option|item|etiquette|categorie)\s+"
    r"(?:name|id|value|nom)\s*=\s*[\"']([^\"']+)[\"'][^>]*?(?:/>|>(.*?)</\1>)",
    re.DOTALL | re.IGNORECASE,
)
_XML_BLOCK = re.compile(
    r"<(labels|categories|classes|intents|teams|options|etiquettes|equipes)>\s*(.*?)\s*</\1>",
    re.DOTALL | re.IGNORECASE,
)
_XML_CHILD = re.compile(r"<([\w-]+)>\s*([^<]*?)\s*</\1>")
_KIND_TAGS = word_set("label category class intent team option item name")


def _xml(lines: list[str], taken: Taken) -> Iterator[Group]:
    """`<label name="x">…</label>`, or `<labels>` around tags, lines or a comma list."""
    prose = "\n".join(lines)
    if "<" not in prose:
        return
    if items := list(_XML_ITEM.finditer(prose)):
        first = prose.count("\n", 0, items[0].start())
        group = Group("", first, first, marked=True)
        for item in items:
            group.add(item[2], item[3] or "", prose.count("\n", 0, item.end()))
        yield group
        return
    for block in _XML_BLOCK.finditer(prose):
        first, last = (prose.count("\n", 0, at) for at in block.span())
        group = Group("", first, last, marked=True)
        children = list(_XML_CHILD.finditer(block[2]))
        for child in children:
            own = child[1].lower() in _KIND_TAGS
            name, detail = split_item(child[2]) if own else (child[1], child[2])
            group.add(name, detail, last)
        if not children:
            parts = block[2].split("\n") if "\n" in block[2] else block[2].split(",")
            for part in (p for p in parts if p.strip()):
                match = _ITEM.match(part)
                group.add(*split_item(match[2] if match else part), last)
        yield group

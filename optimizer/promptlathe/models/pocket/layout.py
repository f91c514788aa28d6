"""Messages -> the final input, and the context: everything that stands around it.

This runs at every call, so it only looks at line starts and tags; the costly reading of the
context is cached by the context's content.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from promptlathe.models.pocket.vocabulary import (
    OUTPUT_NAMES,
    SECTION_NAMES,
    is_input,
    is_output,
    is_request,
    is_task,
    plain,
)
from promptlathe.records import Message

Turn = tuple[str, str]
"""(role, content) of a message or of a part of one."""


class Shape(NamedTuple):
    """What repeats: how an input, and after it an output, is marked in this prompt."""

    kind: Literal["keys", "tags", "arrow", "plain"]
    source: str = ""
    """The folded key or the tag of an input."""
    target: str = ""
    """The same of an output; empty when no demo shows one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A prompt taken apart: `text` is the final input, `context` the rest, in order."""

    context: tuple[Turn, ...]
    shape: Shape
    text: str


class Key(NamedTuple):
    """A line `Name: value` or `## Name`; offsets in its message."""

    name: str
    start: int
    value: int
    empty: bool
    """Nothing follows on the same line (nor, for a heading, on the next ones)."""


_KEY = re.compile(
    r"\s*(?:#{1,6}\s+)?(?:\*\*|__)?([^\W\d_][\w '’/-]{0,32}?)\s*#?\d{0,3}\s*(?:\*\*|__)?"
    r"\s?[:：](?:\*\*|__)?(?=\s|$|[\"“«`'{<\[])[ \t]*"
)
_HEADING = re.compile(r"\s*#{1,6}\s+([^\W\d_][\w '’/-]{0,32}?)\s*#?\d{0,3}\s*:?\s*$")
_CLOSING = re.compile(r"</([A-Za-z][\w-]*)>")
_ARROW = re.compile(r"[ \t]*(?:->|→|=>)[ \t]*")
_FENCES = (('"""', '"""'), ("```", "```"), ("'''", "'''"), ("<<<", ">>>"), ("«", "»"), ("“", "”"))
_STRUCTURE_TAGS = SECTION_NAMES | OUTPUT_NAMES | {"shot", "shots", "definition"}


def find_layout(messages: Sequence[Message]) -> Layout:
    """Take the messages apart. Without any user message the last message is the input."""
    asked = [i for i, m in enumerate(messages) if m.role == "user"]
    last = asked[-1] if asked else len(messages) - 1
    if last < 0:
        return Layout((), Shape("plain"), "")
    before = tuple((m.role, m.content) for m in messages[:last])
    content = messages[last].content
    for find in (_tagged, _keyed, _arrowed):
        if found := find(before, content):
            shape, start, end, text = found
            break
    else:
        shape, (start, end) = Shape("plain"), split_plain(content, alone=not before)
        text = content[start:end]
    around = (("user", content[:start]), ("user", content[end:]))
    return Layout(before + tuple(t for t in around if t[1].strip()), shape, unfence(text))


Found = tuple[Shape, int, int, str]


def _tagged(before: tuple[Turn, ...], content: str) -> Found | None:
    """`<ticket>…</ticket>`: the last such pair that starts a line and is not a solved demo."""
    if "</" not in content:
        return None
    for close in reversed(list(_CLOSING.finditer(content))):
        tag = close[1]
        if tag.lower() in _STRUCTURE_TAGS:
            continue
        start = content.rfind(f"<{tag}>", 0, close.start())
        if start < 0 or content[content.rfind("\n", 0, start) + 1 : start].strip():
            continue
        target = _tag_after(content, close.end())
        if target and not _pair_is_empty(content, target, close.end()):
            return None
        text = content[start + len(tag) + 2 : close.start()]
        shown = target or _demo_target(tag, *(c for _, c in before), content[:start])
        return Shape("tags", tag, shown), start, close.end(), text
    return None


def _tag_after(content: str, at: int) -> str:
    match = re.compile(r"\s*<([A-Za-z][\w-]*)>").match(content, at)
    return match[1] if match and match[1].lower() in OUTPUT_NAMES else ""


def _pair_is_empty(content: str, tag: str, at: int) -> bool:
    start = content.index(f"<{tag}>", at) + len(tag) + 2
    end = content.find(f"</{tag}>", start)
    return not content[start : end if end >= 0 else len(content)].strip(" \n.…")


def _demo_target(tag: str, *contents: str) -> str:
    pattern = re.compile(rf"</{re.escape(tag)}>\s*<([A-Za-z][\w-]*)>")
    for content in contents:
        if match := pattern.search(content):
            return match[1]
    return ""


def find_keys(content: str) -> list[Key]:
    """All key lines of a message."""
    found: list[Key] = []
    start = 0
    for line in content.split("\n"):
        if line.startswith("#") and (match := _HEADING.match(line)):
            found.append(Key(plain(match[1]), start, start + len(line), False))
        elif ":" in line[:44] and (match := _KEY.match(line)):
            rest = line[match.end() :].strip()
            found.append(Key(plain(match[1]), start, start + match.end(), not rest))
        start += len(line) + 1
    return [
        k._replace(empty=_nothing_below(content, k)) if content[k.start] == "#" else k
        for k in found
    ]


def _nothing_below(content: str, key: Key) -> bool:
    return not content[key.value :].strip()


find_keys_cached = lru_cache(maxsize=512)(find_keys)


def _keyed(before: tuple[Turn, ...], content: str) -> Found | None:
    """`Ticket: …` (and `Label:` after it, perhaps still empty)."""
    here = find_keys(content)
    known = [k for _, earlier in before for k in find_keys_cached(earlier)]
    shape = find_repeated(known, here)
    if shape and (own := [k for k in here if k.name == shape.source]):
        key = own[-1]
    else:
        named = [k for k in here if is_input(k.name)]
        if len(named) > 1 and named[0].name in {"question", "q", "query"}:
            named = named[1:]
        if not named:
            return None
        key = named[0]
        shape = Shape("keys", key.name, shape.target if shape else "")
    end = _end_of_input(content, key, here, shape.target)
    return shape, key.start, end, content[key.value : end]


def _end_of_input(content: str, key: Key, keys: Sequence[Key], target: str) -> int:
    """Before an output's key that is still empty, or before trailing requests."""
    for other in keys:
        is_target = other.name == target or is_output(other.name)
        if other.start > key.start and is_target and other.empty:
            return other.start
    return _without_requests(content, key.value)


def find_repeated(known: Sequence[Key], here: Sequence[Key] = ()) -> Shape | None:
    """The pair of keys that demos show: each output has the same input key before it."""
    keys = [*known, *here]
    filled = Counter(k.name for k in keys if not k.empty)
    targets = [n for n, count in filled.items() if is_output(n) or count > 1]
    for target in sorted(targets, key=lambda n: (not is_output(n), -filled[n])):
        blocks: list[list[str]] = [[]]
        for key in keys:
            if key.name == target and not key.empty:
                blocks.append([])
            elif key.name != target:
                blocks[-1].append(key.name)
        *solved, tail = blocks
        common = [n for n in dict.fromkeys(solved[-1]) if all(n in block for block in solved)]
        if tail and here:
            common = [n for n in common if n in tail]
        source = next((n for n in common if is_input(n)), common[0] if common else None)
        if source and (is_input(source) or len(solved) > 1):
            return Shape("keys", source, target)
    return None


def _arrowed(before: tuple[Turn, ...], content: str) -> Found | None:
    """`text ->` on the last line."""
    stripped = content.rstrip()
    start = stripped.rfind("\n") + 1
    line = stripped[start:]
    mark = next((m for m in ("->", "→", "=>") if line.endswith(m)), None)
    if mark is None:
        return None
    return Shape("arrow", mark, mark), start, len(stripped), line[: -len(mark)]


_BREAK = re.compile(r"\n[ \t]*\n\s*")


def _without_requests(content: str, start: int) -> int:
    """The end of the text from `start`, trailing requests to the model left out."""
    end = len(content.rstrip())
    breaks = list(_BREAK.finditer(content, start, end))
    for gap in reversed(breaks):
        if not is_request(content[gap.end() : end]):
            break
        end = gap.start()
    return end


def split_plain(content: str, *, alone: bool = False) -> tuple[int, int]:
    """The span of the input where no mark shows it: what follows the task's paragraphs.

    A message that stands `alone` must hold the task: only its last paragraph or line is the input.
    """
    end = _without_requests(content, 0)
    breaks = [m.end() for m in _BREAK.finditer(content, 0, end)]
    if alone:
        return breaks[-1] if breaks else content.rfind("\n", 0, end) + 1, end
    start, task = 0, False
    for at in breaks:
        task = is_task(content[start:at], listed=task)
        if not task:
            break
        start = at
    return start, end


def unfence(text: str) -> str:
    """Without the quotation marks or code fences that the prompt puts around an input."""
    text = text.strip()
    for left, right in _FENCES:
        if text.startswith(left) and text.endswith(right) and len(text) >= len(left + right):
            return text[len(left) : -len(right)].strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].strip()
    return text

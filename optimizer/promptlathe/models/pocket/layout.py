"""Messages -> the final input, the solved examples, and the prose that is left.

The final input is taken out at every call, so that only looks at tags and line starts; the rest
is read once (context.py).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import NamedTuple

from promptlathe.models.pocket.names import is_input, is_output
from promptlathe.records import Message

Turn = tuple[str, str]
"""(role, content) of a message or of a part of one."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A prompt taken apart: `text` is the final input, `context` the rest, in order."""

    context: tuple[Turn, ...]
    text: str


class Solved(NamedTuple):
    """A demo as it stands in the prompt."""

    text: str
    output: str


class _Span(NamedTuple):
    """Where an input stands in its message: with its marks, and without."""

    start: int
    text: int
    text_end: int
    end: int


_KEY = re.compile(
    r"^[ \t]*(?:#{1,6} +|\*\*)?([^\W\d_][\w ]{0,24}?)(?:\*\*)? ?:(?:\*\*)?(?=\s|$)[ \t]*",
    re.MULTILINE,
)
_TAGGED = re.compile(
    r"^[ \t]*<(?!examples?>)([a-z_]+)>(.*?)</\1>", re.MULTILINE | re.DOTALL | re.IGNORECASE
)
_SOLVED_TAG = re.compile(r"\s*<([a-z_]+)>\s*(\S.*?)\s*</\1>", re.DOTALL | re.IGNORECASE)
_GAP = re.compile(r"\n[ \t]*\n\s*")
_REQUEST = re.compile(
    r"\s*(?:please )?(?:answer|respond|reply|return|give|choose|pick|classify|say|write|think|which"
    r"|reminder)\b.{0,200}?\b(?:labels?|categor(?:y|ies)|intents?|teams?|answer|json|tags?|step)\b",
    re.IGNORECASE | re.DOTALL,
)
"""A paragraph that speaks to the model about its answer."""
_FENCES = (('"""', '"""'), ("```", "```"), ('"', '"'))


def find_layout(messages: Sequence[Message]) -> Layout:
    """Take the messages apart. Without any user message the last message is the input."""
    asked = [i for i, m in enumerate(messages) if m.role == "user"]
    last = asked[-1] if asked else len(messages) - 1
    if last < 0:
        return Layout((), "")
    before = tuple((m.role, m.text) for m in messages[:last])
    content = messages[last].text
    span = _input(content, alone=not before)
    around = (("user", content[: span.start]), ("user", content[span.end :]))
    context = before + tuple(turn for turn in around if turn[1].strip())
    return Layout(context, unfence(content[span.text : span.text_end]))


def read_demos(context: Sequence[Turn]) -> tuple[list[Solved], str]:
    """(demos in order, prose)."""
    demos: list[Solved] = []
    prose: list[str] = []
    for (role, content), after in zip_longest(context, context[1:], fillvalue=("", "")):
        if role == "assistant":
            continue
        found = list(_solved(content))
        demos.extend(demo for demo, _, _ in found)
        spans = [(start, end) for _, start, end in found]
        if after[0] == "assistant":
            span = _input(content, alone=False)
            demos.append(Solved(unfence(content[span.text : span.text_end]), after[1].strip()))
            spans.append((span.start, span.end))
        at = 0
        for start, end in spans:
            prose.append(content[at:start])
            at = end
        prose.append(content[at:])
    return demos, "\n\n".join(prose)


def ends_in_output(context: Sequence[Turn]) -> bool:
    """Whether the prompt ends with an empty `Label:`, which asks to be filled in."""
    keys = list(_KEY.finditer(context[-1][1])) if context else []
    return bool(keys) and is_output(keys[-1][1]) and not context[-1][1][keys[-1].end() :].strip()


def unfence(text: str) -> str:
    """Without the quotation marks or code fences that the prompt puts around an input."""
    text = text.strip()
    for left, right in _FENCES:
        if text.startswith(left) and text.endswith(right) and len(text) >= len(left + right):
            return text[len(left) : -len(right)].strip()
    return text


def _solved(content: str) -> Iterator[tuple[Solved, int, int]]:
    """The demos inside a message with their places: an input's key or tag, an output's after it."""
    for match in _TAGGED.finditer(content):
        answer = _SOLVED_TAG.match(content, match.end())
        if is_input(match[1]) and answer and is_output(answer[1]):
            yield Solved(unfence(match[2]), answer[2]), match.start(), answer.end()
    keys = [k for k in _KEY.finditer(content) if is_input(k[1]) or is_output(k[1])]
    opened: re.Match[str] | None = None
    source = ""
    for key, following in zip_longest(keys, keys[1:]):
        if not is_output(key[1]):
            # A row may hold lines such as "Message: …": the first demo says what an input's key is.
            opened = key if opened is None or key[1] == source or not source else opened
            continue
        start, limit = key.end(), following.start() if following else len(content)
        while start < limit and content[start].isspace():
            start += 1
        gap = _GAP.search(content, start, limit)
        end = gap.start() if gap else limit
        output = content[start:end].strip()
        if opened is not None and output:
            text = unfence(content[opened.end() : key.start()])
            source = source or opened[1]
            yield Solved(text, output), opened.start(), end
        opened = None


def _input(content: str, *, alone: bool) -> _Span:
    """The span of the input: behind the last demo, by its tag, its key, or its place."""
    solved = list(_solved(content)) if ":" in content or "</" in content else []
    first = max((end for _, _, end in solved), default=0)
    for match in reversed(list(_TAGGED.finditer(content, first)) if "</" in content else []):
        if is_input(match[1]):
            return _Span(match.start(), *match.span(2), match.end())
    keys = list(_KEY.finditer(content, first))
    outputs = [k for k in keys if is_output(k[1]) and not content[k.end() :].strip()]
    end = outputs[-1].start() if outputs else _without_requests(content, first)
    named = [k for k in keys if is_input(k[1]) and k.start() < end]
    if len(named) > 1 and named[0][1].lower() in ("question", "q", "query"):
        named = named[1:]
    if named:
        return _Span(named[0].start(), named[0].end(), end, end)
    start = _without_task(content, first, end, alone=alone and not solved)
    return _Span(start, start, end, end)


def _without_requests(content: str, first: int) -> int:
    """The end of the input, trailing requests to the model left out."""
    end = len(content.rstrip())
    for gap in reversed(list(_GAP.finditer(content, first, end))):
        if gap.start() <= first or not _REQUEST.match(content, gap.end(), end):
            break
        end = gap.start()
    return end


def _without_task(content: str, first: int, end: int, *, alone: bool) -> int:
    """The start of an input without a mark, leading requests left out.

    A message that stands `alone` must hold the task: its last paragraph or line is the input.
    """
    breaks = [gap.end() for gap in _GAP.finditer(content, first, end)]
    if alone:
        return breaks[-1] if breaks else content.rfind("\n", 0, end) + 1
    for at in breaks:
        if content[first:at].strip() and not _REQUEST.match(content, first, at):
            break
        first = at
    return first

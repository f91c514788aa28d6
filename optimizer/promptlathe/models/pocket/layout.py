"""Messages -> the prose, the demos, and the input to classify.

A field is a line that begins with a known key, "Ticket: …" or "**Team:** …", with what follows. An
input with an output after it is a demo, the last input is the one asked about, and what is left is
prose. Tags, `<ticket>…</ticket>`, are read as keys.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from promptlathe.records import Message

_INPUT = (
    "ticket|text|input|question|q|message|query|e?mail|review|sentence|request|comment|document"
    "|post|passage|utterance|statement|content|headline|article|complaint"
)
_OUTPUT = (
    "label|category|answer|a|output|intent|team|class|sentiment|classification|result|response"
    "|department|queue|topic|verdict|target|prediction|decision"
)
_KEY = re.compile(
    rf"^[ \t#*]*(?:[^\W\d_]+ ){{0,2}}?(?:(?:{_INPUT})|(?P<output>{_OUTPUT}))(?: \d+)?"
    r"\**[ ]?:\**(?=\s|$)[ \t]*(?:\n[ \t]*)?",
    re.MULTILINE | re.IGNORECASE,
)
_TAGS = re.compile(
    rf"^[ \t]*<({_INPUT})>((?:(?!<\1>).)*?)</\1>(?:\s*<({_OUTPUT})>(.*?)</\3>)?",
    re.MULTILINE | re.IGNORECASE | re.DOTALL,
)
_REQUEST = re.compile(
    r"(?:please )?(?:answer|respond|reply|return|give|choose|pick|classify|say|write|think|which"
    r"|reminder)\b.{0,200}?\b(?:labels?|categor(?:y|ies)|intents?|teams?|answer|json|tags?|step)\b",
    re.IGNORECASE | re.DOTALL,
)
"""A paragraph that speaks to the model about its answer."""
_PARAGRAPH = re.compile(r"\S.*?(?=\s*\n[ \t]*\n|\s*\Z)", re.DOTALL)
_GAP = re.compile(r"\n[ \t]*\n")

Demo = tuple[str, str]
"""(input, output) of a solved example as they stand in the prompt."""


class Prompt(NamedTuple):
    """A prompt, or a message, taken apart."""

    prose: str
    demos: tuple[Demo, ...]
    text: str
    """The input to classify."""
    completes: bool
    """It ends with an empty `Label:`, which asks to be filled in."""


class _Field(NamedTuple):
    output: bool
    start: int
    text: int
    end: int


def is_output(name: str) -> bool:
    """Whether a key or a tag names an output: "label", "Final answer"."""
    return any(re.fullmatch(_OUTPUT, word, re.IGNORECASE) for word in re.split("[ _]", name))


def is_input(name: str) -> bool:
    """Whether a key or a tag names an input."""
    return bool(re.fullmatch(_INPUT, name, re.IGNORECASE))


def read_prompt(messages: Sequence[Message]) -> Prompt:
    """Take the messages apart. Without any user message the last message holds the input."""
    asked = [i for i, message in enumerate(messages) if message.role == "user"]
    last = asked[-1] if asked else len(messages) - 1
    prose: list[str] = []
    demos: list[Demo] = []
    for message, after in pairwise(messages[: last + 1]):
        if message.role != "assistant":
            solved = after.role == "assistant"
            part = _earlier(message.text, asked=solved)
            prose.append(part.prose)
            demos += part.demos
            if solved:
                demos.append((part.text, after.text.strip()))
    final = _taken_apart(messages[last].text if messages else "", asked=True, alone=last <= 0)
    return final._replace(prose="\n\n".join([*prose, final.prose]), demos=(*demos, *final.demos))


def _taken_apart(content: str, *, asked: bool, alone: bool = False) -> Prompt:
    """One message. asked: it ends with an input; alone: it must hold the task as well."""
    content = _TAGS.sub(_as_keys, content)
    fields = _fields(content)
    demos: list[Demo] = []
    prose: list[str] = []
    at = 0
    for source, target in pairwise(fields):
        output = content[target.text : target.end].strip()
        if target.output and not source.output and output:
            demos.append((content[source.text : source.end].strip(), output))
            prose.append(content[at : source.start])
            at = target.end
    if not asked:
        return Prompt("".join([*prose, content[at:]]), tuple(demos), "", completes=False)
    opened = [field for field in fields if field.start >= at and not field.output]
    if opened:
        start, first, end = opened[-1][1:]
        first, end = _input(content, first, end)
    else:
        first, end = _input(content, at, len(content), alone=alone)
        start = first
    completes = bool(fields) and fields[-1].output and not content[fields[-1].text :].strip()
    rest = "".join([*prose, content[at:start], content[end:]])
    return Prompt(rest, tuple(demos), content[first:end].strip(), completes)


_earlier = lru_cache(maxsize=256)(_taken_apart)


def _as_keys(tags: re.Match[str]) -> str:
    source, text, target, output = tags.groups()
    return f"{source}: {text.strip()}\n" + (f"{target}: {output.strip()}\n\n" if target else "\n")


def _fields(content: str) -> list[_Field]:
    """An input goes on until the next output, an output until a blank line or the next key."""
    found: list[_Field] = []
    for key in _KEY.finditer(content):
        output = key["output"] is not None
        if found and not (output or found[-1].output):
            continue  # A row may hold lines such as "Message: …".
        if found and key.start() < found[-1].end:
            found[-1] = found[-1]._replace(end=key.start())
        gap = _GAP.search(content, key.end()) if output else None
        found.append(_Field(output, *key.span(), gap.start() if gap else len(content)))
    return found


def _input(content: str, start: int, end: int, *, alone: bool = False) -> tuple[int, int]:
    """The span of an input, requests to the model before and after it left out.

    alone: the message holds the task as well, so its last paragraph or line is the input.
    """
    spans = [match.span() for match in _PARAGRAPH.finditer(content, start, end)]
    while len(spans) > 1 and _REQUEST.match(content, *spans[-1]):
        spans.pop()
    while len(spans) > 1 and (alone or _REQUEST.match(content, *spans[0])):
        del spans[0]
    if not spans:
        return end, end
    first, last = spans[0][0], spans[-1][1]
    return max(first, content.rfind("\n", first, last) + 1) if alone else first, last

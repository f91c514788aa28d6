"""The parse step: what an answer says, before anything judges whether it is right.

An answer that cannot be read (`None`) is counted apart from a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from promptlathe.data.values import as_text
from promptlathe.documents import Model
from promptlathe.scoring.reading.labels import LabelReader
from promptlathe.scoring.reading.numbers import read_number
from promptlathe.scoring.reading.objects import objects
from promptlathe.scoring.reading.reasoning import visible

Parsed = str | int | float | dict[str, Any]
"""What a parse step reads; None stands for "cannot be read"."""
Parser = Callable[[str], Parsed | None]


class JsonField(Model):
    """A field of the last JSON object in the answer, code fences or not; dots go deeper."""

    model_config = ConfigDict(populate_by_name=True)
    path: str | None = Field(alias="json")


class Tag(Model):
    """What stands in the last `<tag>…</tag>` of the answer."""

    tag: str = Field(pattern=r"^[A-Za-z][\w.-]*$")


class Pattern(Model):
    """The first group of the last match of a regular expression (the match, without groups)."""

    regex: str

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str) -> str:
        return compiles(regex)


Word = Literal["text", "label", "number", "json"]
Step = Word | JsonField | Tag | Pattern
Parse = Step | Annotated[tuple[Step, ...], Field(min_length=1)]
"""One step, or several, each reading what the one before it gave: `[{tag: answer}, number]`.

text    the answer without the whitespace around it
label   the one known label (a distinct target value) that the answer settles on
number  the number that it settles on
json    the last JSON object
"""


def steps(parse: Parse) -> tuple[Step, ...]:
    """The steps of a parse, in order."""
    return parse if isinstance(parse, tuple) else (parse,)


def has_pattern(parse: Parse) -> bool:
    """A step is a regular expression of yours, which may take for ever."""
    return any(isinstance(step, Pattern) for step in steps(parse))


def parser(parse: Parse, labels: Callable[[], Sequence[str]]) -> Parser:
    """The function that does `parse`; `labels` is asked only by the step `label`.

    Reasoning in the answer is set aside first: see `visible`. Where it does not end, nothing is
    read.
    """
    functions = [_function(step, labels) for step in steps(parse)]
    read = functions[0] if len(functions) == 1 else _chain(functions)
    tags = {step.tag.lower() for step in steps(parse) if isinstance(step, Tag)}

    def read_visible(text: str) -> Parsed | None:
        shown = visible(text, keep=tags)
        return None if shown is None else read(shown)

    return read_visible


def compiles(regex: str) -> str:
    """`regex`, or ValueError in words when it is not a regular expression."""
    try:
        re.compile(regex)
    except re.error as error:
        raise ValueError(
            f"{regex!r} is not a regular expression: {error}", "mend it (Python's `re` syntax)"
        ) from None
    return regex


def _chain(functions: Sequence[Parser]) -> Parser:
    def read(text: str) -> Parsed | None:
        parsed: Parsed | None = text
        for function in functions:
            parsed = function(as_text(parsed))
            if parsed is None:
                return None
        return parsed

    return read


def _function(step: Step, labels: Callable[[], Sequence[str]]) -> Parser:
    match step:
        case "text":
            return _text
        case "label":
            return LabelReader(labels())
        case "number":
            return read_number
        case "json":
            return _last_object
        case JsonField(path=path):
            return (lambda text: _json_field(text, path.split("."))) if path else _last_object
        case Tag(tag=tag):
            inside = rf"<{tag}(?:\s[^<>]*)?>((?:(?!<{tag}[\s>]).)*?)</{tag}\s*>"
            element = re.compile(inside, re.DOTALL | re.IGNORECASE)
            return lambda text: _matched(text, element)
        case Pattern(regex=regex):
            pattern = re.compile(regex)
            return lambda text: _matched(text, pattern)


def _text(text: str) -> str | None:
    return text.strip().strip("\ufeff\u200b\u2060").strip() or None


def _last_object(text: str) -> dict[str, Any] | None:
    *_, last = (None, *objects(text))
    return last


def _json_field(text: str, path: Sequence[str]) -> Parsed | None:
    found: Any = None
    for candidate in objects(text):
        value: Any = candidate
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                value = None
        found = found if value is None else value
    if isinstance(found, str):
        return found.strip() or None
    return as_text(found) if isinstance(found, bool | list) else found


def _matched(text: str, pattern: re.Pattern[str]) -> str | None:
    *_, last = (None, *pattern.finditer(text))
    found = last and (last[1] if pattern.groups else last[0])
    return found.strip() or None if found else None

"""The format of the answer that the prompt asks for, or that its demos teach."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, cast

from promptlathe.models.pocket.names import LABEL_NOUN, clean_label, is_input, is_output


class Format(NamedTuple):
    """How to write the answer."""

    kind: Literal["chatty", "bare", "json", "tag", "line"]
    names: tuple[str, ...] = ()
    """The keys of the JSON object, the tag, or the beginning of the line."""


class Output(NamedTuple):
    """What the output of a demo shows: its label, and the format that it teaches, if any."""

    label: str
    format: Format | None


_NOUN = rf"(?:{LABEL_NOUN}|word|name|answer)"
_BARE = re.compile(
    rf"\b(?:{_NOUN}(?: name)? (?:only|alone|and nothing)\b"
    r"|(?:only|just|solely|nothing (?:but|except))(?: (?:with|by|give|output|write|return))?"
    r" (?:the|its|one|a|that|this|your)(?: single| exact| best| correct| final| team| intent| one)*"
    rf" {_NOUN}\b|(?:single|one)[- ]word\b)",
    re.IGNORECASE,
)
"""The label without anything around it."""
_NO_MORE = re.compile(
    r"\b(?:nothing (?:else|more)|no (?:(?:other|additional|extra) (?:text|words?)|explanations?)"
    r"|(?:do not|don't|never) (?:explain|add)|without (?:any )?(?:explanations?|other|additional)"
    r"|(?:answer|respond|reply) (?:only with|with (?:only|exactly|(?:one|a single|the) label))"
    r"|(?:output|return) only)\b",
    re.IGNORECASE,
)
"""Says only that the answer has no more than the format."""
_OBJECT = re.compile(r"\{[^{}]*\}")
_OBJECT_KEY = re.compile(r"[\"'“”]([\w -]{1,40})[\"'“”]\s*:")
_JSON = re.compile(r"(?<!no )(?<!not )\bjson\b", re.IGNORECASE)
_JSON_KEY = re.compile(r"\b(?:keys?|fields?|property)\s*:?\s*[\"'`“]\s*(\w[\w -]{0,30})", re.I)
_TAG = re.compile(r"<([A-Za-z][\w-]*)>[^<]*?</\1>")
_TAG_ASKED = re.compile(
    r"(?:in|between|within|inside|with|as)\b[^.\n]{0,60}?<([A-Za-z][\w-]*)>", re.I
)
_LINE = re.compile(r"\bline\b[^\n]{0,40}?[\"'`“]([A-Za-z][\w ]{0,24}):\s*[^\n]{0,30}?[\"'`”]", re.I)


def read_format(prose: str, taught: Sequence[Output], *, completes: bool) -> Format:
    """The asked format; else what the demos teach; else chatty, unless the prompt `completes`.

    Of two conflicting requests the later one holds.
    """
    asked = max(_structured(prose), key=lambda one: one[0], default=None)
    bare = [m.start() for m in _BARE.finditer(prose)]
    if asked and not any(_in_later_sentence(prose, asked[0], at) for at in bare):
        return asked[1]
    if bare or _NO_MORE.search(prose):
        return Format("bare")
    shown = Counter(one.format for one in taught if one.format)
    return (
        max(shown, key=lambda one: shown[one])
        if shown
        else Format("bare" if completes else "chatty")
    )


def _in_later_sentence(prose: str, first: int, second: int) -> bool:
    return second > first and bool(re.search(r"[.!?]\s|\n", prose[first:second]))


def _structured(prose: str) -> Iterator[tuple[int, Format]]:
    """(place, format) of all requests for JSON, a tag or a line."""
    objects = [(m.start(), _OBJECT_KEY.findall(m[0])) for m in _OBJECT.finditer(prose)]
    objects = [(at, keys) for at, keys in objects if keys]
    if not objects:
        keys = _JSON_KEY.findall(prose) or ["label"]
        objects = [(m.start(), keys) for m in _JSON.finditer(prose)]
    for at, keys in objects:
        yield at, Format("json", tuple(keys))
    for match in [*_TAG_ASKED.finditer(prose), *_TAG.finditer(prose)]:
        if not is_input(match[1]):
            yield match.start(), Format("tag", (match[1],))
    for match in _LINE.finditer(prose):
        if is_output(match[1]):
            yield match.start(), Format("line", (match[1].strip(),))


_LAST_LINE = re.compile(r"(?:^|\n)[ \t*#]*([^\n:*]{1,30}):[ \t*]*(\S[^\n]{0,60})\s*$")


def read_output(output: str, labels: Sequence[str]) -> Output | None:
    """What a demo's output shows; None when no label can be read in it."""
    if output.startswith("{") and (shown := _object(output)):
        key = label_key(tuple(shown))
        return Output(clean_label(str(shown[key])), Format("json", tuple(shown)))
    if match := re.search(r"<([A-Za-z][\w-]*)>\s*([^<]*?)\s*</\1>\s*$", output):
        return Output(clean_label(match[2]), Format("tag", (match[1],)))
    if (match := _LAST_LINE.search(output)) and is_output(match[1]):
        return Output(clean_label(match[2]), Format("line", (match[1].strip(),)))
    label = clean_label(output)
    if label and len(label) <= 60 and len(label.split()) <= 6 and "\n" not in label:
        return Output(label, Format("bare"))
    places = {name: output.rfind(name) for name in labels}
    last = max(places, key=lambda n: (places[n], len(n)), default=None)
    return Output(last, None) if last is not None and places[last] >= 0 else None


def _object(output: str) -> dict[str, Any]:
    try:
        loaded: Any = json.loads(output)
    except ValueError:
        return {}
    return cast(dict[str, Any], loaded) if isinstance(loaded, dict) else {}


def label_key(keys: Sequence[str]) -> str:
    """The key of a JSON object that holds the label: by its name, or else the last one."""
    return next((k for k in keys if is_output(k.replace("_", " "))), keys[-1])

"""The context's solved examples, and the prose that is left without them."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple, cast

from promptlathe.models.pocket.layout import (
    Key,
    Shape,
    Turn,
    find_keys,
    find_repeated,
    split_plain,
    unfence,
)
from promptlathe.models.pocket.vocabulary import is_output, is_request, plain


class Solved(NamedTuple):
    """A demo as it stands in the prompt."""

    text: str
    output: str


class Output(NamedTuple):
    """What the output of a demo shows: the label, and the format that it teaches."""

    label: str
    kind: Literal["bare", "json", "tag", "line", "prose"]
    """`bare`, `json`, `tag`, `line` ("Answer: x"), or `prose` for any longer answer."""
    names: tuple[str, ...] = ()
    """The keys of the JSON object, the tag, or the line's beginning."""


Spans = list[tuple[int, int]]


def read_demos(context: Sequence[Turn], shape: Shape) -> tuple[list[Solved], str]:
    """(demos in order, prose). The prose has one blank line where something was taken out."""
    demos: list[Solved] = []
    prose: list[str] = []
    if shape.kind == "plain":
        keys = [k for _, content in context for k in find_keys(content)]
        shape = find_repeated(keys) or shape
    for i, (role, content) in enumerate(context):
        if role == "assistant":
            continue
        found, spans = _inside(content, shape)
        demos.extend(found)
        if i + 1 < len(context) and context[i + 1][0] == "assistant":
            start, end = _asked(content, shape)
            demos.append(Solved(unfence(content[start:end]), context[i + 1][1].strip()))
            spans.append((_line_start(content, start), end))
        prose.append(_without(content, spans))
    return demos, "\n\n".join(prose)


def _inside(content: str, shape: Shape) -> tuple[list[Solved], Spans]:
    """The demos that stand inside one message."""
    match shape:
        case Shape("keys", source, target) if target:
            found = list(_keyed(content, source, target))
        case Shape("tags", source, target) if target:
            found = list(_tagged(content, source, target))
        case Shape("arrow" | "plain"):
            found = list(_arrowed(content))
        case _:
            found = []
    return [demo for demo, _ in found], [span for _, span in found]


def _asked(content: str, shape: Shape) -> tuple[int, int]:
    """The span of the input in a user message that an assistant's answer follows."""
    own = [k for k in find_keys(content) if k.name == shape.source]
    if shape.kind == "keys" and own:
        return own[-1].value, _before_empty_output(content, own[-1])
    if shape.kind == "tags" and f"<{shape.source}>" in content:
        start = content.rindex(f"<{shape.source}>") + len(shape.source) + 2
        end = content.find(f"</{shape.source}>", start)
        return start, end if end >= 0 else len(content)
    return split_plain(content)


def _before_empty_output(content: str, key: Key) -> int:
    later = [k for k in find_keys(content) if k.start > key.start and k.empty]
    return next((k.start for k in later if is_output(k.name)), len(content))


def _keyed(content: str, source: str, target: str) -> Iterator[tuple[Solved, tuple[int, int]]]:
    opened: Key | None = None
    keys = [k for k in find_keys(content) if k.name in (source, target)]
    for i, key in enumerate(keys):
        if key.name == source:
            opened = key
        elif opened is not None:
            limit = keys[i + 1].start if i + 1 < len(keys) else len(content)
            end = _end_of_output(content, key.value, limit)
            output = content[key.value : end].strip()
            if output:
                text = unfence(content[opened.value : key.start])
                yield Solved(text, output), (opened.start, end)
            opened = None


_OUTPUT_END = re.compile(r"\n[ \t]*\n|\n\s*(?:-{3,}|={3,}|#|</)")


def _end_of_output(content: str, start: int, limit: int) -> int:
    """An output ends at a blank line (its first may be blank), a ruler or a request."""
    while start < limit and content[start].isspace():
        start += 1
    gap = _OUTPUT_END.search(content, start, limit)
    end = gap.start() if gap else limit
    line = content.find("\n", start, end)
    while line >= 0:
        if is_request(content[line + 1 : end]):
            return line
        line = content.find("\n", line + 1, end)
    return end


def _tagged(content: str, source: str, target: str) -> Iterator[tuple[Solved, tuple[int, int]]]:
    pattern = re.compile(
        rf"<{re.escape(source)}>(.*?)</{re.escape(source)}>\s*"
        rf"<{re.escape(target)}>(.*?)</{re.escape(target)}>",
        re.DOTALL,
    )
    for match in pattern.finditer(content):
        yield Solved(unfence(match[1]), match[2].strip()), match.span()


_ARROW_LINE = re.compile(
    r"^[ \t]*(?:[-*•][ \t]+|\d{1,2}[.)][ \t]+)?(\S.*?\S)[ \t]*(?:->|→|=>)[ \t]*(\S[^\n]{0,60})$",
    re.M,
)


def _arrowed(content: str) -> Iterator[tuple[Solved, tuple[int, int]]]:
    """`text -> label` lines, unless the left sides are the shorter ones (definitions)."""
    if not any(mark in content for mark in ("->", "→", "=>")):
        return
    found = list(_ARROW_LINE.finditer(content))
    left = sum(len(m[1].split()) for m in found)
    right = sum(len(m[2].split()) for m in found)
    if len(found) > 1 and left > 1.5 * right:
        for match in found:
            yield Solved(unfence(match[1]), match[2].strip()), match.span()


def _line_start(content: str, at: int) -> int:
    return content.rfind("\n", 0, at) + 1


def _without(content: str, spans: Spans) -> str:
    kept: list[str] = []
    at = 0
    for start, end in sorted(spans):
        kept.append(content[at : max(start, at)])
        at = max(at, end)
    return "\n\n".join([*kept, content[at:]])


_TAG = re.compile(r"<([A-Za-z][\w-]*)>\s*([^<]*?)\s*</\1>\s*$")
_LAST_LINE = re.compile(r"(?:^|\n)[ \t*#]*([^\n:*]{1,30}):[ \t*]*(\S[^\n]{0,60})\s*$")
_WRAPPING = " \t\n\"'“”«»`*."


def clean_label(text: str) -> str:
    """A label without the quotation marks, markup and full stop around it."""
    return text.strip(_WRAPPING)


def read_output(output: str, labels: Sequence[str]) -> Output | None:
    """What a demo's output shows; None when no label can be read in it.

    `labels` are those that the prompt names: they win over any other reading.
    """
    if output.startswith("{") and (shown := _json_object(output)):
        return shown
    if match := _TAG.search(output):
        return Output(clean_label(match[2]), "tag", (match[1],))
    if (match := _LAST_LINE.search(output)) and is_output(plain(match[1])):
        return Output(clean_label(match[2]), "line", (match[1].strip(),))
    label = clean_label(output)
    if label and len(label) <= 60 and len(label.split()) <= 6 and "\n" not in label:
        return Output(label, "bare")
    places = {name: output.rfind(name) for name in labels}
    last = max(places, key=lambda n: (places[n], len(n)), default=None)
    return Output(last, "prose") if last is not None and places[last] >= 0 else None


def _json_object(output: str) -> Output | None:
    try:
        loaded: Any = json.loads(output)
    except ValueError:
        return None
    if not isinstance(loaded, dict) or not loaded:
        return None
    shown = cast(dict[str, Any], loaded)
    key = label_key(tuple(shown))
    return Output(clean_label(str(shown[key])), "json", tuple(shown))


def label_key(keys: Sequence[str]) -> str:
    """The key of a JSON object that holds the label: by its name, or else the last one."""
    return next((k for k in keys if is_output(k.lower().replace("_", " "))), keys[-1])

"""The format of the answer: read from the prompt, its demos or a JSON schema, and written."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

from promptlathe.models.pocket.classifier import Ranking
from promptlathe.models.pocket.labels import NOUN, clean_label
from promptlathe.models.pocket.layout import is_input, is_output
from promptlathe.records import Json

Template = str
"""An answer with a slot for the label; CHATTY where no format is asked for."""
_SLOT = "\0"
CHATTY, BARE = "", _SLOT
CLEAR = 0.5
"""Up to which closeness of the second label a chatty answer names the first one only."""


def write(template: Template, ranking: Ranking) -> str:
    """The whole answer; the label stands in it exactly as the prompt spells it."""
    first, second = ranking.first, ranking.second
    if template != CHATTY:
        return template.replace(_SLOT, _quoted(first) if template[0] == "{" else first)
    if second is None or ranking.closeness < CLEAR:
        return f"This looks like a {first} matter."
    return f"This could be a {first} matter, but it could just as well be a {second} matter."


def _quoted(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _json(keys: Sequence[str]) -> Template:
    """The label stands under its key, null under the others."""
    own = _label_key(keys)
    return "{" + ", ".join(f"{_quoted(k)}: {_SLOT if k == own else 'null'}" for k in keys) + "}"


def _tag(name: str) -> Template:
    return f"<{name}>{_SLOT}</{name}>"


def _line(name: str) -> Template:
    return f"{name}: {_SLOT}"


def _label_key(keys: Sequence[str]) -> str:
    """The key of a JSON object that holds the label: by its name, or else the last one."""
    return next((key for key in keys if is_output(key)), keys[-1])


_NOUN = rf"(?:{NOUN}|word|name|answer)"
_BARE = re.compile(
    rf"\b{_NOUN}(?: name)? (?:only|alone|and nothing)\b|\b(?:single|one)[- ]word\b"
    rf"|\b(?:only|just|solely|nothing but|exactly)\b(?: [\w']+){{0,4}} {_NOUN}\b",
    re.IGNORECASE,
)
"""The label without anything around it."""
_NO_MORE = re.compile(
    r"\b(?:nothing (?:else|more)|no (?:other (?:text|words?)|explanations?)|do not explain"
    r"|without (?:any )?explanations?)\b",
    re.IGNORECASE,
)
"""Says only that the answer has no more than the format."""
_OBJECT = re.compile(r"\{[^{}]*[\"'“”]\s*:[^{}]*\}")
_OBJECT_KEY = re.compile(r"[\"'“”]([\w -]{1,40})[\"'“”]\s*:")
_ASKS_JSON = re.compile(rf"(?<!no )(?<!not )\bjson\b|{_OBJECT.pattern}", re.IGNORECASE)
_KEY_NAMED = re.compile(r"\b(?:keys?|fields?)\s*:?\s*[\"'`“](\w[\w -]{0,30})", re.IGNORECASE)
_ASKS_TAG = re.compile(r"<([a-z]\w*)>(?:[^<]*</\1>| tags?\b)", re.IGNORECASE)
_ASKS_LINE = re.compile(r"[\"'`“]([a-z][\w ]{0,24}):[^\"'`”\n]*[\"'`”]", re.IGNORECASE)


def read_format(prose: str, taught: Sequence[Template], *, completes: bool) -> Template:
    """The asked format; else what the demos teach; else chatty, unless the prompt `completes`.

    Of two conflicting requests the later one holds.
    """
    prose = _OBJECT.sub(lambda match: " ".join(match[0].split()), prose)
    objects = _OBJECT.findall(prose)
    keys = _OBJECT_KEY.findall(objects[-1]) if objects else _KEY_NAMED.findall(prose)
    sentences = re.split(r"(?<=[.!?])\s+|\n", prose)
    asked = [found for one in sentences if (found := _asked(one, keys or ["label"]))]
    if asked:
        return asked[-1]
    if _NO_MORE.search(prose):
        return BARE
    return max(taught, key=Counter(taught).__getitem__, default=BARE if completes else CHATTY)


def _asked(sentence: str, keys: Sequence[str]) -> Template | None:
    """What one sentence asks for."""
    if _ASKS_JSON.search(sentence):
        return _json(keys)
    if tags := [name for name in _ASKS_TAG.findall(sentence) if not is_input(name)]:
        return _tag(tags[-1])
    if lines := [name for name in _ASKS_LINE.findall(sentence) if is_output(name)]:
        return _line(lines[-1])
    return BARE if _BARE.search(sentence) else None


_IN_JSON = re.compile(r"\"([^\"]+)\"\s*:\s*(\"[^\"]*\"|[^,}]*)")
_IN_TAG = re.compile(r"<([a-z]\w*)>\s*([^<]*?)\s*</\1>\s*$", re.IGNORECASE)
_ON_LINE = re.compile(r"(?:^|\n)\**([^\n:*]{1,30}):[ *]*(\S[^\n]{0,60})\s*$")


def read_output(output: str) -> tuple[str, Template] | None:
    """The label of a demo's output, and the format that it teaches; None without a label."""
    if output.startswith("{") and (shown := dict(_IN_JSON.findall(output))):
        return clean_label(shown[_label_key(list(shown))]), _json(list(shown))
    if match := _IN_TAG.search(output):
        return clean_label(match[2]), _tag(match[1])
    if (match := _ON_LINE.search(output)) and is_output(match[1]):
        return clean_label(match[2]), _line(match[1])
    label = clean_label(output)
    return (label, BARE) if label and len(label.split()) <= 6 and "\n" not in label else None


def schema_of(response_format: Json) -> Mapping[str, Any] | None:
    """The JSON schema of a response format; of any JSON object that of a label; None without."""
    given = cast(Mapping[str, Any], response_format or {})
    match given.get("type"):
        case "json_schema":
            return (given.get("json_schema") or {}).get("schema") or {}
        case "json_object":
            return {"properties": {"label": {}}}
        case _:
            return None


def labels_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts of the first `enum` of a schema, from outside in; none without one."""
    waiting = [schema]
    for part in waiting:
        if texts := [one for one in part.get("enum") or () if isinstance(one, str)]:
            return tuple(texts)
        waiting += [*(part.get("properties") or {}).values(), *(part.get("anyOf") or ())]
    return ()


def write_by_schema(schema: Mapping[str, Any], label: str) -> str:
    """JSON by the schema: the label where an enum has it, or else under the label's key."""
    properties = schema.get("properties") or {}
    own = _label_key(list(properties)) if properties and not labels_of(schema) else ""
    return _quoted(_value(schema, label, own))


def _value(schema: Mapping[str, Any], label: str, own: str = "") -> Json:
    """The label, or the plainest value of its type."""
    if parts := schema.get("properties"):
        return {key: label if key == own else _value(part, label) for key, part in parts.items()}
    if label in labels_of(schema):
        return label
    plain = {"number": 0, "integer": 0, "boolean": False, "array": [], "object": {}}
    return plain.get(schema.get("type", ""), "")

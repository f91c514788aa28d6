"""A ranking of labels -> the text of the answer, in the asked format or by a JSON schema."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from promptlathe.models.pocket.classifier import Ranking
from promptlathe.models.pocket.formats import Format, label_key
from promptlathe.records import Json

NO_LABELS = "I could not find any labels in this request to choose from, so I cannot sort this."
"""The answer to a prompt in which no labels were found."""
_CLEAR, _OPEN = 0.5, 0.85
"""Up to which closeness of the second label a chatty answer is sure, and up to which it leans."""
_NUMBERS = ("confidence", "score", "probability", "certainty")


def write_answer(ranking: Ranking, asked: Format) -> str:
    """The whole answer; the label stands in it exactly as the prompt spells it."""
    label = ranking.labels[0]
    match asked.kind:
        case "chatty":
            return _chat(ranking)
        case "bare":
            return label
        case "json":
            own = label_key(asked.names)
            filled = {key: label if key == own else _other(key, ranking) for key in asked.names}
            return json.dumps(filled, ensure_ascii=False)
        case "tag":
            return f"<{asked.names[0]}>{label}</{asked.names[0]}>"
        case "line":
            return f"{asked.names[0]}: {label}"


def _chat(ranking: Ranking) -> str:
    """Like a chat model that was not told a format: sure, leaning, or in doubt."""
    first, *others = ranking.labels
    if not others or ranking.closeness < _CLEAR:
        return f"This looks like a {first} matter."
    if ranking.closeness < _OPEN:
        return f"This looks like a {first} matter, though it could also touch on {others[0]}."
    return f"This could be read as {others[0]}, but on balance I would say {first}."


def _other(key: str, ranking: Ranking) -> float | None:
    asked = any(word in key.lower() for word in _NUMBERS)
    return ranking.confidence if asked else None


def labels_of(schema: Json) -> tuple[str, ...]:
    """The texts of the first `enum` of a schema, from outside in; none without one."""
    waiting = [schema]
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, Mapping):
            given: Mapping[str, Any] = part  # pyright: ignore[reportUnknownVariableType]
            if texts := [one for one in given.get("enum") or () if isinstance(one, str)]:
                return tuple(texts)
            waiting += [*(given.get("properties") or {}).values(), *_inner(given)]
    return ()


def _inner(schema: Mapping[str, Any]) -> Sequence[Json]:
    return [*(schema.get("anyOf") or ()), *([schema["items"]] if "items" in schema else ())]


def write_by_schema(schema: Json, ranking: Ranking | None) -> str:
    """JSON by the schema: the label where its enum stands, or else under the label's key."""
    labels = labels_of(schema)
    properties: Mapping[str, Json] = schema.get("properties") or ({} if labels else {"label": {}})
    own = label_key(tuple(properties)) if properties else ""
    if not properties:
        return json.dumps(_value(schema, "", "", labels, ranking), ensure_ascii=False)
    filled = {key: _value(part, key, own, labels, ranking) for key, part in properties.items()}
    return json.dumps(filled, ensure_ascii=False)


def _value(
    schema: Mapping[str, Any], key: str, own: str, labels: Sequence[str], ranking: Ranking | None
) -> Json:
    """Of one property: the label, or the plainest value of its type."""
    if labels_of(schema) == tuple(labels) if labels else key == own:
        return ranking.labels[0] if ranking else NO_LABELS
    match schema.get("type"):
        case "number" | "integer":
            return ranking.confidence if ranking and schema["type"] == "number" else 0
        case "boolean":
            return False
        case "array":
            return []
        case "object":
            return {}
        case _:
            return ""

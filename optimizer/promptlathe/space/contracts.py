"""What a level may ask of the answer's form: native structured output.

response_format: json_object                           # any JSON object
response_format: {json: {label: labels, why: text}}    # these fields, all required

A field is `labels` (one of the objective's), `text`, `number`, `boolean`, a list of texts (one
of these), or a mapping of such fields.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

from promptlathe.documents import nearest

OBJECT = "json_object"
LABELS = "labels"
PARAMETER = "response_format"
"""The model parameter that is set."""
_TYPES = {"text": "string", "number": "number", "boolean": "boolean"}
_KINDS = (LABELS, *_TYPES)

Field = Literal["labels", "text", "number", "boolean"] | list[str] | dict[str, Any]
"""Of a JSON answer, as it is declared."""
Format = Literal["json_object"] | dict[Literal["json"], dict[str, Field]]
"""As it is declared."""


def checked_format(given: Any) -> Format:
    """A declared format, its fields checked. Raises ValueError(what, fix)."""
    if given == OBJECT:
        return OBJECT
    if isinstance(given, Mapping) and set(cast("Mapping[Any, Any]", given)) == {"json"}:
        return {"json": _object(cast("Mapping[Any, Any]", given)["json"])}
    raise ValueError(
        f"{given!r} is no response format", "write json_object, or {json: {field: text}}"
    )


def _object(given: Any) -> dict[str, Field]:
    if not isinstance(given, Mapping) or not given:
        raise ValueError("a JSON answer needs fields", "write {json: {field: text}}")
    fields = cast("Mapping[Any, Any]", given)
    return {str(name): _field(str(name), one) for name, one in fields.items()}


def _field(name: str, given: Any) -> Field:
    if isinstance(given, Mapping):
        return _object(given)
    if isinstance(given, list | tuple):
        several = cast("Sequence[Any]", given)
        if not several or not all(isinstance(one, str) for one in several):
            raise ValueError(f"the values of {name!r} are not texts", "write a list of texts")
        return list(several)
    if given in _KINDS:
        return given
    near = nearest(str(given), _KINDS)
    raise ValueError(
        f"the field {name!r} cannot be {given!r}",
        f"did you mean {near!r}?" if near else f"write one of {', '.join(_KINDS)}, or a list",
    )


def uses_labels(declared: Format) -> bool:
    """True when a field is one of the objective's labels."""
    return declared != OBJECT and _has_labels(cast("dict[str, Any]", declared)["json"])


def _has_labels(field: Field) -> bool:
    if isinstance(field, dict):
        return any(_has_labels(one) for one in field.values())
    return field == LABELS


def sent_format(declared: Format, labels: Sequence[str]) -> dict[str, Any]:
    """The parameter `response_format` as OpenAI-compatible endpoints take it."""
    if declared == OBJECT:
        return {"type": OBJECT}
    schema = _schema(cast("dict[str, Any]", declared)["json"], labels)
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }


def _schema(field: Field, labels: Sequence[str]) -> dict[str, Any]:
    if isinstance(field, dict):
        return {
            "type": "object",
            "properties": {name: _schema(one, labels) for name, one in field.items()},
            "required": list(field),
            "additionalProperties": False,
        }
    if isinstance(field, list):
        return {"type": "string", "enum": field}
    if field == LABELS:
        return {"type": "string", "enum": list(labels)}
    return {"type": _TYPES[field]}

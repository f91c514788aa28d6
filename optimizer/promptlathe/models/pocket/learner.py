"""`answer(messages, parameters)`: the pocket model in-process."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from promptlathe.models.pocket.context import read_context
from promptlathe.models.pocket.layout import find_layout
from promptlathe.models.pocket.tokens import count_input, cut
from promptlathe.models.pocket.writing import NO_LABELS, labels_of, write_answer, write_by_schema
from promptlathe.records import Answer, Json, Message

_NONE: Mapping[str, Json] = MappingProxyType({})


def answer(messages: Sequence[Message], parameters: Mapping[str, Json] = _NONE) -> Answer:
    """Answer a prompt. Equal messages and parameters give equal answers, in any process.

    `max_tokens` or `max_completion_tokens` (in the pieces of `tokens`) cut the answer, and a
    `response_format` with a JSON schema is kept to; other parameters have no effect.
    """
    limit = parameters.get("max_completion_tokens", parameters.get("max_tokens"))
    reply = _reply(messages, parameters.get("response_format"))
    text, pieces, truncated = cut(reply, 1 << 30 if limit is None else int(limit))
    return Answer(
        text,
        input_tokens=count_input(messages),
        output_tokens=pieces,
        latency=0.0,
        finish_reason="length" if truncated else "stop",
    )


def _reply(messages: Sequence[Message], response_format: Json) -> str:
    """The whole text of the answer."""
    schema = schema_of(response_format)
    layout = find_layout(messages)
    context = read_context(layout.context, labels_of(schema) if schema is not None else ())
    ranking = context.classifier.rank(layout.text) if context.classifier else None
    if schema is not None:
        return write_by_schema(schema, ranking)
    return write_answer(ranking, context.format) if ranking else NO_LABELS


def schema_of(response_format: Json) -> Json:
    """The JSON schema of a response format; of any JSON object an empty one; None without."""
    if not isinstance(response_format, Mapping):
        return None
    given: Mapping[str, Json] = response_format  # pyright: ignore[reportUnknownVariableType]
    match given.get("type"):
        case "json_schema":
            return (given.get("json_schema") or {}).get("schema") or {}
        case "json_object":
            return {}
        case _:
            return None

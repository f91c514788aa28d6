"""OpenAI's chat completions, as a call and its answer take them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from promptlathe.models.body import body_of, served
from promptlathe.models.dialect import Dialect
from promptlathe.models.failures import failure_inside, short
from promptlathe.models.likely import ASKED, likely
from promptlathe.models.room import until_room
from promptlathe.models.usage import usage
from promptlathe.records import Answer, Call, Failure

_STRAY = re.compile("[\ud800-\udfff\x00]")
"""Half an emoji, which an answer that was cut off can end with, and NUL: no database keeps them."""

PATH = "/chat/completions"


def request_body(call: Call, dialect: Dialect) -> dict[str, Any]:
    """The JSON that is sent."""
    body = dialect.parameters(dict(call.parameters))
    body.pop("extra_headers", None)
    extra = body.pop("extra_body", None) or {}
    body["model"] = call.model
    body["messages"] = dialect.messages(call.messages)
    asked = dialect.parameters(ASKED) if call.labels else {}
    return (asked if asked.keys() == ASKED.keys() else {}) | body | extra


def read_answer(
    content: bytes,
    latency: float,
    headers: Mapping[str, str] = MappingProxyType({}),
    *,
    hide: Callable[[str], str] = str,
    labels: Sequence[str] = (),
) -> Answer | Failure:
    """A chat completion's JSON as an answer. An empty text is an answer, a missing one is not.

    headers: of the response, with names in lower case. labels: whose chances were asked for.
    """
    data = body_of(content, hide=hide)
    match data:
        case Failure():
            return data
        case {"choices": [{"error": error}, *_]} if error:
            return failure_inside(error, hide=hide)
        case {"choices": [{"message": dict(message), **choice}, *_]}:
            pass
        case _:
            return Failure("malformed", short(hide(f"no choices in the answer: {data}")), 1)
    reason = choice.get("finish_reason")
    if reason == "content_filter":
        return Failure("content_filter", "the service's filter stopped the answer", 1)
    if reason == "error":
        return Failure("server_error", "the service stopped with an error", 1)
    calls = _tool_calls(message)
    text = _text(message)
    if not text and (refusal := _refusal(message)):
        text, reason = refusal, "refusal"  # the name that other services give it
    if text is None and (reason == "length" or calls):
        text = ""  # every token went into reasoning: other services send an empty text here
    if text is None:
        said = f"no content in the answer (finish_reason: {reason})"
        return Failure("malformed", short(hide(said)), 1)
    text = _STRAY.sub("\ufffd", text)
    finish = str(reason) if reason else None
    used: dict[str, Any] = usage(data, wrote=bool(text or calls))
    tokens = (used["input_tokens"] or 0) + (used["output_tokens"] or 0)
    return Answer(
        text,
        latency=latency,
        finish_reason=finish,
        tool_calls=calls,
        likely=likely(choice, labels) if labels else (),
        served=served(data),
        rest=until_room(headers, tokens),
        **used,
    )


def _tool_calls(message: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    calls = message.get("tool_calls")
    return tuple(c for c in calls if isinstance(c, dict)) if isinstance(calls, list) else ()


def _text(message: dict[str, Any]) -> str | None:
    """The content, which some services send in parts."""
    match message:
        case {"content": str(text)}:
            return text
        case {"content": [*parts]}:
            return "".join(_parts(parts))
        case _:
            return None


def _refusal(message: dict[str, Any]) -> str | None:
    """What the model said instead of an answer, beside the content or as a part of it."""
    match message:
        case {"refusal": str(text)}:
            return text
        case {"content": [*_, {"type": "refusal", "refusal": str(text)}]}:
            return text
        case _:
            return None


def _parts(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        match part:
            case {"type": "text", "text": str(text)}:
                yield text
            case _:
                pass  # the model's reasoning is not its answer

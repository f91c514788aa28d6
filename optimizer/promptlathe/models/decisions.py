"""OpenAI's Decisions API: typed questions about one input, answered with probabilities.

The answer's text is the JSON of its answers, in the order of the questions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from promptlathe.models.body import body_of, served
from promptlathe.models.dialect import Dialect
from promptlathe.models.failures import short
from promptlathe.models.room import until_room
from promptlathe.models.settings import QUESTIONS
from promptlathe.models.usage import usage
from promptlathe.records import Answer, Call, Failure, Image, Message

PATH = "/decisions"


def request_body(call: Call, dialect: Dialect) -> dict[str, Any]:
    """The JSON that is sent."""
    del dialect
    given = dict(call.parameters)
    key = given.get("prompt_cache_key")
    body = {
        "model": call.model,
        "input": [_item(message) for message in call.messages],
        QUESTIONS: given[QUESTIONS],
        **({} if key is None else {"prompt_cache_key": key}),
    }
    return body | (given.get("extra_body") or {})


def read_answer(
    content: bytes,
    latency: float,
    headers: Mapping[str, str],
    *,
    hide: Callable[[str], str] = str,
    labels: Sequence[str] = (),
) -> Answer | Failure:
    """The answers' JSON as a text."""
    del labels
    data = body_of(content, hide=hide)
    match data:
        case Failure():
            return data
        case {"answers": [_, *_] as answers}:
            pass
        case _:
            return Failure("malformed", short(hide(f"no answers to the questions: {data}")), 1)
    used = usage({"usage": _as_chat(data.get("usage"))}, wrote=False)
    read, wrote = used["input_tokens"], used["output_tokens"]
    return Answer(
        json.dumps(answers, ensure_ascii=False),
        read,
        wrote,
        latency,
        cached_tokens=used["cached_tokens"],
        cache_write_tokens=used["cache_write_tokens"],
        reasoning_tokens=used["reasoning_tokens"],
        served=served(data),
        rest=until_room(headers, (read or 0) + (wrote or 0)),
    )


def _as_chat(said: Any) -> dict[str, Any]:
    """The same counts by the names of chat completions; cached tokens are part of the input."""
    given: dict[str, Any] = said if isinstance(said, dict) else {}
    return {
        "prompt_tokens": given.get("input_tokens"),
        "completion_tokens": given.get("output_tokens"),
        "prompt_tokens_details": given.get("input_tokens_details"),
        "completion_tokens_details": given.get("output_tokens_details"),
    }


def _item(message: Message) -> dict[str, Any]:
    """A message, as the API takes it."""
    if isinstance(message.content, str):
        content: Any = message.content
    else:
        content = [_part(part) for part in message.content]
    return {"role": message.role, "content": content}


def _part(part: str | Image) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    detail = {} if part.detail is None else {"detail": part.detail}
    return {"type": "input_image", "image_url": part.url, **detail}

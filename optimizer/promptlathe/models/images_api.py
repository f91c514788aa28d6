"""OpenAI's images API: a prompt in, a picture out."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from promptlathe.models.body import body_of
from promptlathe.models.dialect import Dialect
from promptlathe.models.failures import short
from promptlathe.models.images import picture_kind
from promptlathe.models.room import until_room
from promptlathe.models.usage import usage
from promptlathe.records import Answer, Call, Failure

PATH = "/images/generations"


def prompt_of(call: Call) -> str:
    """The texts of all messages: these APIs know neither roles nor turns."""
    return "\n\n".join(message.text for message in call.messages)


def request_body(call: Call, dialect: Dialect) -> dict[str, Any]:
    """The JSON that is sent; of one picture."""
    del dialect
    body = dict(call.parameters)
    body.pop("extra_headers", None)
    extra = body.pop("extra_body", None) or {}
    return body | {"model": call.model, "prompt": prompt_of(call)} | extra


def read_answer(
    content: bytes,
    latency: float,
    headers: Mapping[str, str],
    *,
    hide: Callable[[str], str] = str,
    labels: Sequence[str] = (),
) -> Answer | Failure:
    """The picture, and the tokens where the service counts any."""
    del labels
    data = body_of(content, hide=hide)
    match data:
        case Failure():
            return data
        case {"data": [{"b64_json": str(encoded)}, *_]}:
            pass
        case {"data": [{"url": str()}, *_]}:
            what = (
                'an address in place of a picture (add  extra_body: {response_format: "b64_json"})'
            )
            return Failure("malformed", what, 1)
        case _:
            return Failure("malformed", short(hide(f"no picture in the answer: {data}")), 1)
    try:
        drawn = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return Failure("malformed", "the picture is not in base64", 1)
    used = usage(data, wrote=True)
    tokens = (used["input_tokens"] or 0) + (used["output_tokens"] or 0)
    return drawing(drawn, latency, rest=until_room(headers, tokens), **used)


def drawing(drawn: bytes, latency: float, **more: Any) -> Answer | Failure:
    """A picture as an answer; what is none as a failure."""
    if picture_kind(drawn) is None:
        return Failure("malformed", "what came is no PNG, JPEG, WebP or GIF", 1)
    return Answer("", latency=latency, drawn=drawn, **more)

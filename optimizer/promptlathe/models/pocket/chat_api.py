"""OpenAI's chat completions format: request bodies in, response and error bodies out."""

import time
from collections.abc import Mapping
from typing import Any, cast

from promptlathe.records import Answer, Message, Scalar, content_hash

MODEL = "pocket"
Body = dict[str, Any]
_LIMITS = ("max_tokens", "max_completion_tokens")


class BadRequest(Exception):
    """A body that the API refuses with status 400: the message, and the field at fault."""

    def __init__(self, message: str, field: str | None) -> None:
        super().__init__(message, field)
        self.message, self.field = message, field


def read_request(body: Any) -> tuple[str, list[Message], dict[str, Scalar]]:
    """(model, messages, parameters) of a request. Parameters without effect here are dropped.

    Raises:
        BadRequest: a field is missing or has the wrong type, or asks for what is not offered.
    """
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object", None)
    given = cast(Body, body)
    if not isinstance(model := given.get("model"), str):
        raise BadRequest("you must provide a model parameter", "model")
    if not isinstance(raw := given.get("messages"), list) or not raw:
        raise BadRequest("'messages' must be a list with one message at least", "messages")
    messages = [_message(m, f"messages[{i}]") for i, m in enumerate(cast(list[Any], raw))]
    if given.get("stream"):
        raise BadRequest("streaming is not offered", "stream")
    if given.get("n") not in (None, 1):
        raise BadRequest("only n = 1 is offered", "n")
    limits = {name: given[name] for name in _LIMITS if given.get(name) is not None}
    for name, value in limits.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise BadRequest(f"'{name}' must be a whole number above 0", name)
    return model, messages, limits


def _message(raw: Any, where: str) -> Message:
    given = cast(Mapping[str, Any], raw) if isinstance(raw, dict) else {}
    role, content = given.get("role"), given.get("content")
    if not isinstance(role, str):
        raise BadRequest("a message must have a role", f"{where}.role")
    if isinstance(content, list):
        content = "\n".join(_text(part, where) for part in cast(list[Any], content))
    if not isinstance(content, str):
        raise BadRequest("a message must have content", f"{where}.content")
    # The newer name of the system role.
    return Message("system" if role == "developer" else role, content)


def _text(part: Any, where: str) -> str:
    text = cast(Body, part).get("text") if isinstance(part, dict) else None
    if not isinstance(text, str):
        raise BadRequest("only text content is offered", f"{where}.content")
    return text


def completion(answer: Answer, *, usage: bool = True) -> Body:
    """The body of a response."""
    body: Body = {
        "id": f"chatcmpl-{content_hash([answer.text, answer.input_tokens])}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": MODEL,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": answer.text, "refusal": None},
                "logprobs": None,
                "finish_reason": answer.finish_reason,
            }
        ],
    }
    if usage:
        body["usage"] = {
            "prompt_tokens": answer.input_tokens,
            "completion_tokens": answer.output_tokens,
            "total_tokens": (answer.input_tokens or 0) + (answer.output_tokens or 0),
        }
    return body


def model_list() -> Body:
    """The body of `/v1/models`."""
    own = {"id": MODEL, "object": "model", "created": 0, "owned_by": "promptlathe"}
    return {"object": "list", "data": [own]}


def error(message: str, kind: str, code: str | None = None, field: str | None = None) -> Body:
    """OpenAI's error body."""
    return {"error": {"message": message, "type": kind, "param": field, "code": code}}

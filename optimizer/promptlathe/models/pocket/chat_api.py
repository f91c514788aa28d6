"""OpenAI's chat completions format: request bodies in, response and error bodies out."""

from typing import Any, cast

from promptlathe.models.pocket import VERSION
from promptlathe.records import Answer, Json, Message, content_hash

MODEL = "pocket"
Body = dict[str, Any]
_LIMITS = ("max_tokens", "max_completion_tokens")


class BadRequest(Exception):
    """A body that the API refuses with status 400: the message, and the field at fault."""

    def __init__(self, message: str, field: str | None) -> None:
        super().__init__(message, field)
        self.message, self.field = message, field


def read_request(body: Any) -> tuple[str, list[Message], dict[str, Json]]:
    """(model, messages, parameters) of a request. Parameters without effect here are dropped.

    Raises BadRequest: a field is missing or has the wrong type, or asks for what is not offered.
    """
    if not isinstance(body, dict):
        raise BadRequest("the body must be a JSON object", None)
    given = cast(Body, body)
    if not isinstance(model := given.get("model"), str):
        raise BadRequest("you must provide a model parameter", "model")
    if not isinstance(raw := given.get("messages"), list) or not raw:
        raise BadRequest("'messages' must be a list with one message at least", "messages")
    messages = [_message(m, f"messages[{i}]") for i, m in enumerate(cast(list[Any], raw))]
    if given.get("stream") or given.get("n") not in (None, 1):
        field = "stream" if given.get("stream") else "n"
        raise BadRequest("neither streaming nor n above 1 is offered", field)
    asked = {name: given[name] for name in _LIMITS if given.get(name) is not None}
    for name, value in asked.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise BadRequest(f"'{name}' must be a whole number above 0", name)
    if not isinstance(wanted := given.get("response_format"), dict | None):
        raise BadRequest("'response_format' must be an object", "response_format")
    return model, messages, asked | ({"response_format": wanted} if wanted else {})


def _message(raw: Any, where: str) -> Message:
    given = cast(Body, raw) if isinstance(raw, dict) else {}
    role, content = given.get("role"), given.get("content")
    if not isinstance(role, str):
        raise BadRequest("a message must have a role", f"{where}.role")
    parts = cast(list[Any], content) if isinstance(content, list) else [{"text": content}]
    texts = [cast(Body, part).get("text") if isinstance(part, dict) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise BadRequest("a message must have content, of text only", f"{where}.content")
    # The newer name of the system role.
    return Message("system" if role == "developer" else role, "\n".join(cast(list[str], texts)))


def completion(answer: Answer, *, usage: bool = True) -> Body:
    """The body of a response."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": answer.text, "refusal": None},
        "logprobs": None,
        "finish_reason": answer.finish_reason,
    }
    body: Body = {
        "id": f"chatcmpl-{content_hash([answer.text, answer.input_tokens])}",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "system_fingerprint": f"{MODEL}-{VERSION}",
        "choices": [choice],
    }
    counts = {"prompt_tokens": answer.input_tokens, "completion_tokens": answer.output_tokens}
    return body | ({"usage": counts | {"total_tokens": answer.tokens}} if usage else {})


def error(message: str, kind: str, code: str | None = None, field: str | None = None) -> Body:
    """OpenAI's error body."""
    return {"error": {"message": message, "type": kind, "param": field, "code": code}}

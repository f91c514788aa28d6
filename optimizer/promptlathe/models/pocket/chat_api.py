"""OpenAI's chat completions format: request bodies in, response and error bodies out."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field, StrictInt, ValidationError

from promptlathe.models.pocket import VERSION
from promptlathe.models.pocket.learner import answer
from promptlathe.records import Answer, Json, Message, content_hash

MODEL = "pocket"
_Limit = Annotated[StrictInt, Field(gt=0)] | None


class _TextPart(BaseModel):
    text: str


class _Message(BaseModel):
    role: str
    content: str | list[_TextPart]

    @property
    def record(self) -> Message:
        parts = [self.content] if isinstance(self.content, str) else [p.text for p in self.content]
        # "developer" is the newer name of the system role.
        return Message("system" if self.role == "developer" else self.role, "\n".join(parts))


class ChatRequest(BaseModel):
    """What is read of a request; other parameters have no effect."""

    model: str
    messages: Annotated[list[_Message], Field(min_length=1)]
    max_tokens: _Limit = None
    max_completion_tokens: _Limit = None
    response_format: dict[str, Json] | None = None
    stream: Literal[False] | None = None
    n: Literal[1] | None = None

    def answer(self) -> Answer:
        """The model's answer."""
        names = ("max_tokens", "max_completion_tokens", "response_format")
        parameters = {name: given for name in names if (given := getattr(self, name)) is not None}
        return answer([message.record for message in self.messages], parameters)


class Refused(web.HTTPException):
    """A request that gets an error in OpenAI's form."""

    def __init__(
        self,
        status: int,
        message: str,
        kind: str = "invalid_request_error",
        *,
        code: str | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        error = {"message": message, "type": kind, "param": field, "code": code}
        text = json.dumps({"error": error})
        super().__init__(text=text, content_type="application/json", headers=headers)
        self.set_status(status)


def read_request(text: str) -> ChatRequest:
    """Raises Refused: no JSON, a field that is missing or wrong, something that is not offered."""
    try:
        return ChatRequest.model_validate_json(text)
    except ValidationError as wrong:
        first = wrong.errors()[0]
        field = str(first["loc"][0]) if first["loc"] else None
        raise Refused(400, f"{field or 'the body'}: {first['msg']}", field=field) from None


def completion(given: Answer, *, usage: bool = True) -> dict[str, Any]:
    """The body of a response."""
    message = {"role": "assistant", "content": given.text}
    body: dict[str, Any] = {
        "id": f"chatcmpl-{content_hash([given.text, given.input_tokens])}",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "system_fingerprint": f"{MODEL}-{VERSION}",
        "choices": [{"index": 0, "message": message, "finish_reason": given.finish_reason}],
    }
    counts = {"prompt_tokens": given.input_tokens, "completion_tokens": given.output_tokens}
    return body | ({"usage": counts | {"total_tokens": given.tokens}} if usage else {})

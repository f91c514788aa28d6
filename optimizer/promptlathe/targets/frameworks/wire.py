"""Messages and answers in the form of OpenAI's chat completions, which frameworks speak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from promptlathe.records import Answer, Image, Json, Message


def message_of(given: Mapping[str, Any]) -> Message:
    """A chat message as it is sent. Raises ValueError for a part that is not sent."""
    more = {name: one for name, one in given.items() if name not in ("role", "content")}
    content = given.get("content") or ""
    if isinstance(content, str):
        return Message(given["role"], content, more)
    return Message(given["role"], tuple(_part(part) for part in content), more)


def _part(part: Any) -> str | Image:
    match part:
        case str():
            return part
        case {"type": "text", "text": str(text)}:
            return text
        case {"type": "image_url", "image_url": {"url": str(url)} as image}:
            return Image(url, image.get("detail"))
        case _:
            kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
            raise ValueError(f"a message holds {kind!r}: only texts and pictures are sent")


def completion_of(model: str, answers: Sequence[Answer]) -> dict[str, Json]:
    """The body of a chat completion, a choice for each answer."""
    choices = [
        {
            "index": i,
            "finish_reason": answer.finish_reason
            or ("tool_calls" if answer.tool_calls else "stop"),
            "message": {"role": "assistant", "content": answer.text}
            | ({"tool_calls": [dict(c) for c in answer.tool_calls]} if answer.tool_calls else {}),
        }
        for i, answer in enumerate(answers)
    ]
    read = sum(answer.input_tokens or 0 for answer in answers)
    wrote = sum(answer.output_tokens or 0 for answer in answers)
    usage = {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote}
    head = {"id": "promptlathe", "object": "chat.completion", "created": 0, "model": model}
    return {**head, "choices": choices, "usage": usage}


def form_of(form: type[BaseModel]) -> dict[str, Json]:
    """The response format of a pydantic model, as the client of OpenAI sends it."""
    from openai import pydantic_function_tool

    schema = dict(pydantic_function_tool(form)["function"].get("parameters", {}))
    body = {"schema": schema, "name": form.__name__, "strict": True}
    return {"type": "json_schema", "json_schema": body}

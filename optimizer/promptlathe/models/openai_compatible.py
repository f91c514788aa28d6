"""Any service that speaks OpenAI's chat completions.

`client.post` with a raw response stands in for `client.chat.completions.create`: it skips the
request transform and the response models, which take half of the processor time of a call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import httpx2
from openai import AsyncOpenAI
from pydantic import SecretStr

from promptlathe.models.failures import failure_from, reason_of_status, short
from promptlathe.models.settings import ModelSettings
from promptlathe.models.transport import LeanClient
from promptlathe.records import Answer, Call, Failure

_STRAY = re.compile("[\ud800-\udfff\x00]")
"""Half an emoji, which an answer that was cut off can end with, and NUL: no database keeps them."""
_NEW_NAME_HOSTS = ("openai.com", "openai.azure.com")


class OpenAICompatibleModel:
    """One service, in one event loop."""

    def __init__(self, settings: ModelSettings, key: SecretStr) -> None:
        self._key = key.get_secret_value()
        self._limit = limit_name(settings.endpoint)
        # A whole address spares the client joining it for each call.
        self._url = f"{settings.endpoint}/chat/completions"
        self._client = AsyncOpenAI(
            api_key=self._key,
            base_url=settings.endpoint,
            timeout=settings.timeout,
            max_retries=settings.retries,
            http_client=LeanClient(self._url, timeout=settings.timeout),
        )

    async def answer(self, call: Call) -> Answer | Failure:
        """Send the call; the client retries with growing pauses and obeys Retry-After."""
        body = request_body(call, self._limit)
        start = perf_counter()
        try:
            response = await self._client.post(self._url, cast_to=httpx2.Response, body=body)
            latency = perf_counter() - start
            return read_answer(response.content, latency)
        except Exception as error:  # noqa: BLE001 - failure_from raises what it does not know
            return failure_from(error, hide=self._hide)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _hide(self, text: str) -> str:
        return text.replace(self._key, "***")


def limit_name(endpoint: str) -> str:
    """What the service calls `max_tokens`.

    OpenAI's reasoning models refuse that name; most other services know only that one.
    """
    host = urlsplit(endpoint).hostname or ""
    newer = any(host == known or host.endswith(f".{known}") for known in _NEW_NAME_HOSTS)
    return "max_completion_tokens" if newer else "max_tokens"


def request_body(call: Call, limit: str) -> dict[str, Any]:
    """The JSON that is sent; `limit` is the service's name for `max_tokens`."""
    body: dict[str, Any] = dict(call.parameters)
    if "max_tokens" in body:
        body[limit] = body.pop("max_tokens")
    body["model"] = call.model
    body["messages"] = [message.to_dict() for message in call.messages]
    return body


def read_answer(content: bytes, latency: float) -> Answer | Failure:
    """A chat completion's JSON as an answer. An empty text is an answer, a missing one is not.

    Raises ValueError when it is not JSON.
    """
    data = json.loads(content)
    match data:
        case {"choices": [{"message": dict(message), **choice}, *_]}:
            pass
        case {"error": error} if error:
            return _refused(error)
        case _:
            return Failure("malformed", short(f"no choices in the answer: {data}"))
    reason = choice.get("finish_reason")
    text = _text(message)
    if text is None and reason == "length":
        text = ""  # every token went into reasoning: other services send an empty text here
    if text is None:
        return Failure("malformed", short(f"no content in the answer (finish_reason: {reason})"))
    match data.get("usage"):
        case {"prompt_tokens": int(i), "completion_tokens": int(o)}:
            tokens = i, o
        case _:
            tokens = None, None
    return Answer(_STRAY.sub("\ufffd", text), *tokens, latency, str(reason) if reason else None)


def _text(message: dict[str, Any]) -> str | None:
    """The content, which some services send in parts; a refusal is what the model said."""
    match message:
        case {"content": str(text)}:
            return text
        case {"content": [*parts]}:
            return "".join(_parts(parts))
        case {"refusal": str(text)}:
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


def _refused(error: Any) -> Failure:
    """Routing services report a failed call with status 200 and the true status inside."""
    code = error.get("code") if isinstance(error, dict) else None
    message = error.get("message", error) if isinstance(error, dict) else error
    reason = reason_of_status(code) if isinstance(code, int) and code >= 300 else "malformed"
    return Failure(reason, short(str(message)))

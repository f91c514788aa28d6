"""Any service that speaks OpenAI's chat completions.

`client.post` with a raw response stands in for `client.chat.completions.create`: it skips the
request transform and the response models, which take half of the processor time of a call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
from openai import AsyncOpenAI
from pydantic import SecretStr

from promptlathe.documents import hiding
from promptlathe.models.dialect import Dialect, dialect_of
from promptlathe.models.failures import failure_from, failure_inside, short
from promptlathe.models.room import until_room
from promptlathe.models.settings import ModelSettings
from promptlathe.models.transport import LeanClient
from promptlathe.models.usage import usage
from promptlathe.records import Answer, Call, Failure

_STRAY = re.compile("[\ud800-\udfff\x00]")
"""Half an emoji, which an answer that was cut off can end with, and NUL: no database keeps them."""

_SAID = 2000
"""Characters of what is no answer that are looked at."""


class _Client(AsyncOpenAI):
    """Of one address, which is parsed once, and of headers that are put together once: the library
    does both for each call (`benchmarks/throughput.py` shows what a call takes). It calls these two
    itself; should it do without them one day, calls take longer, and nothing else changes."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(**options)
        self._address = httpx2.URL(url)
        self._usual: httpx2.Headers | None = None

    def _prepare_url(self, url: str) -> httpx2.URL:
        return self._address

    def _build_headers(self, options: Any, *, retries_taken: int = 0) -> httpx2.Headers:
        if options.headers:
            return super()._build_headers(options, retries_taken=retries_taken)
        if self._usual is None:
            self._usual = super()._build_headers(options, retries_taken=retries_taken)
        return self._usual


class OpenAICompatibleModel:
    """One service, in one event loop."""

    def __init__(self, settings: ModelSettings, key: SecretStr) -> None:
        secret = key.get_secret_value()
        self._hide = hiding(secret)
        self._dialect = dialect_of(settings.endpoint, settings.dialect)
        self._url = chat_url(settings.endpoint)
        # What an option has no value for, the client copies deeply for each call.
        self._options: Any = {"max_retries": 0, "timeout": settings.timeout}
        self._client = _Client(
            self._url,
            api_key=secret,
            base_url=settings.endpoint,
            http_client=LeanClient(self._url, timeout=settings.timeout),
        )

    async def answer(self, call: Call) -> Answer | Failure:
        """Send the call once."""
        body = request_body(call, self._dialect)
        headers = dict(call.parameters).get("extra_headers") or {}
        start = perf_counter()
        try:
            response = await self._client.post(
                self._url,
                cast_to=httpx2.Response,
                body=body,
                options=self._options | {"headers": headers},
            )
            latency = perf_counter() - start
            return read_answer(response.content, latency, response.headers, hide=self._hide)
        except Exception as error:  # noqa: BLE001 - failure_from raises what it does not know
            return failure_from(error, hide=self._hide)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def chat_url(endpoint: str) -> str:
    """Below the base URL, before its query if there is one."""
    parts = urlsplit(endpoint)
    path = f"{parts.path.rstrip('/')}/chat/completions"
    return urlunsplit(parts._replace(path=path))


def request_body(call: Call, dialect: Dialect) -> dict[str, Any]:
    """The JSON that is sent."""
    body = dialect.parameters(dict(call.parameters))
    body.pop("extra_headers", None)
    extra = body.pop("extra_body", None) or {}
    body["model"] = call.model
    body["messages"] = dialect.messages(call.messages)
    return body | extra


def read_answer(
    content: bytes,
    latency: float,
    headers: Mapping[str, str] = MappingProxyType({}),
    *,
    hide: Callable[[str], str] = str,
) -> Answer | Failure:
    """A chat completion's JSON as an answer. An empty text is an answer, a missing one is not.

    headers: of the response, with names in lower case.
    """
    try:
        data = json.loads(content)
    except (ValueError, RecursionError):
        said = content.decode("utf-8", "replace").lstrip()
        return Failure("malformed", short(f"{_kind(said)}: {hide(said)[:_SAID]}"), 1)
    match data:
        case {"error": error} if error:
            return failure_inside(error, hide=hide)
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
    used = usage(data, wrote=bool(text or calls))
    tokens = (used["input_tokens"] or 0) + (used["output_tokens"] or 0)
    return Answer(
        text,
        latency=latency,
        finish_reason=finish,
        tool_calls=calls,
        rest=until_room(headers, tokens),
        **used,
    )


def _kind(said: str) -> str:
    """What came in place of JSON."""
    if said[:20].lower().startswith(("<!doctype", "<html")):
        return "a web page came in place of an answer (is `base_url` the API's, with /v1?)"
    if said.startswith(("data:", "event:")):
        return "a stream came in place of one answer (leave `stream` out of `extra_body`)"
    return "the answer is no JSON" if said else "the answer is empty"


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

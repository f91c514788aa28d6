"""Every failure as data: whose it is, whether another attempt may help, what it may have cost.

Failures of the service are those of `records.ServiceFailure`, of the prompt those of
`records.PromptFailure`. Nothing outside this file decides which.
"""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import httpx2
import openai
from aiohttp.http_exceptions import HttpProcessingError

from promptlathe.models.room import until_room
from promptlathe.records import Failure, FailureReason

_LIMIT = 300
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_BY_CLASS: tuple[tuple[type[Exception], FailureReason], ...] = (
    (openai.APITimeoutError, "timeout"),
    (openai.APIConnectionError, "connection"),
    (openai.APIResponseValidationError, "malformed"),
    (openai.LengthFinishReasonError, "malformed"),
    (openai.ContentFilterFinishReasonError, "content_filter"),
    (openai.WebSocketConnectionClosedError, "connection"),
    (openai.WebSocketQueueFullError, "connection"),
    (openai.OpenAIError, "bad_request"),
    (httpx2.TimeoutException, "timeout"),
    (httpx2.UnsupportedProtocol, "bad_request"),
    (httpx2.InvalidURL, "bad_request"),
    (httpx2.CookieConflict, "malformed"),
    (httpx2.DecodingError, "malformed"),
    (httpx2.HTTPError, "connection"),
    (httpx2.StreamError, "connection"),
    (TimeoutError, "timeout"),
    (aiohttp.InvalidURL, "bad_request"),
    (aiohttp.ContentTypeError, "malformed"),
    (aiohttp.WSMessageTypeError, "malformed"),
    (HttpProcessingError, "malformed"),
    (aiohttp.ClientError, "connection"),
    (ssl.SSLError, "connection"),
    (OSError, "connection"),
    (ValueError, "malformed"),
)
"""First match decides, so a class stands before its bases. ValueError: JSON and Unicode."""
_TOO_LONG = (
    "context_length",
    "maximum context length",
    "context length",
    "context window",
    "context size",
    "exceed_context_size",
    "too many tokens",
    "prompt is too long",
    "string_above_max_length",
)
"""OpenAI and vLLM, gateways, llama.cpp, Anthropic."""
_FILTERED = (
    "content_filter",
    "content_policy",
    "moderation_blocked",
    "content management policy",
    "responsibleai",
)
_MODERATED = (*_FILTERED, "moderation", "flagged", "safety")
_NO_QUOTA = (
    "insufficient_quota",
    "billing_hard_limit",
    "billing_not_active",
    "insufficient credit",
    "insufficient_credit",
    "insufficient balance",
    "insufficient_balance",
    "credit balance is too low",
    "out of credit",
    "exceeded your current quota",
)
"""OpenAI, routers, DeepSeek, Anthropic."""
_NAMED: tuple[tuple[str, FailureReason], ...] = (
    *((sign, "quota") for sign in _NO_QUOTA),
    ("rate_limit", "rate_limited"),
    ("invalid_api_key", "authentication"),
    ("authentication", "authentication"),
    ("permission", "forbidden"),
    ("not_found", "not_found"),
    ("invalid_request", "bad_request"),
    ("timeout", "timeout"),
)
"""What an error's code or type names: OpenAI's and Anthropic's."""
_GATEWAY_TIMEOUT = (504, 524)
"""A gateway did not wait for a service that had the request; the second is Cloudflare's."""


def reason_of_status(status: int, said: str = "") -> FailureReason:
    """What an HTTP status of 300 or more means; `said` is the body's code, type and message."""
    said = said.lower()
    match status:
        case 402:
            return "quota"
        case 400 | 403 | 429 if _has(said, _NO_QUOTA):
            return "quota"
        case 401 | 407:
            return "authentication"
        case 403:
            return "content_filter" if _has(said, _MODERATED) else "forbidden"
        case 404 | 410:
            return "not_found"
        case 408 | 504 | 524:
            return "timeout"
        case 413:
            return "context_length"
        case 429:
            return "rate_limited"
        case _ if status >= 500:
            # llama.cpp and some gateways report these as 500.
            return "context_length" if "exceed_context_size" in said else "server_error"
        case 400 | 422 if _has(said, _FILTERED):
            return "content_filter"
        case 400 | 422 if _has(said, _TOO_LONG):
            return "context_length"
        case _:
            return "bad_request"


def reason_of(error: Exception) -> FailureReason | None:
    """The reason of a library's exception; None for one that is not theirs."""
    if isinstance(error, (openai.APIStatusError, httpx2.HTTPStatusError)):
        return reason_of_status(error.response.status_code, _said(error))
    if isinstance(error.__cause__, httpx2.DecodingError):
        return "malformed"  # the client calls it a connection error
    for known, reason in _BY_CLASS:
        if isinstance(error, known):
            return reason
    return None


def failure_from(error: Exception, *, hide: Callable[[str], str]) -> Failure:
    """The failure that an exception stands for; `hide` takes secrets out of its text.

    Raises the exception again when it is none of the libraries': then this program is wrong.
    """
    reason = reason_of(error)
    if reason is None:
        raise error
    wait = None
    if isinstance(error, (openai.APIStatusError, httpx2.HTTPStatusError)):
        wait = retry_after(error.response.headers)
    return Failure(reason, short(hide(_text(error))), _billed(error, reason), wait)


def failure_inside(error: Any, *, hide: Callable[[str], str]) -> Failure:
    """Of an error object inside a status of 200, as routing services send: by its code or type."""
    fields: dict[str, Any] = dict(error) if isinstance(error, dict) else {"message": error}
    code = fields.get("code")
    if isinstance(code, str) and code.isdecimal():
        code = int(code)
    said = _fields(fields)
    status = code if isinstance(code, int) and 300 <= code < 600 else None
    if status is None:
        worded = reason_of_status(400, said)
        kind = f"{code} {fields.get('type')}".lower()
        reason = _named(kind) if worded == "bad_request" else worded
    else:
        reason = reason_of_status(status, said)
    return Failure(reason, short(hide(str(fields.get("message") or error))), 1)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks to wait: `retry-after-ms`, `retry-after`, or the limit that has
    no room left."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        said = headers.get(name)
        if said is None:
            continue
        try:
            seconds = float(said) / unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(said).timestamp() - time.time()
            except (ValueError, OverflowError):
                continue
        if 0 <= seconds < float("inf"):
            return seconds
        if seconds < 0:
            return 0.0
    return until_room(headers) or None


def short(text: str) -> str:
    """One line of at most 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LIMIT else line[: _LIMIT - 1] + "…"


def _named(kind: str) -> FailureReason:
    """By an error's code and type; a service that only says that it broke is in trouble."""
    for sign, reason in _NAMED:
        if sign in kind:
            return reason
    return "server_error"


def _has(said: str, signs: tuple[str, ...]) -> bool:
    return any(sign in said for sign in signs)


def _billed(error: Exception, reason: FailureReason) -> int:
    """1 when the service had the whole request and did not refuse it."""
    cause = error.__cause__
    if isinstance(error, _UNSENT) or isinstance(cause, _UNSENT):
        return 0
    if isinstance(error, (openai.APIStatusError, httpx2.HTTPStatusError)):
        return int(error.response.status_code in _GATEWAY_TIMEOUT)
    return int(reason in ("timeout", "connection", "malformed", "content_filter"))


def _said(error: openai.APIStatusError | httpx2.HTTPStatusError) -> str:
    """The code, type and message of a refusal; its text where it has none of these."""
    try:
        data: Any = json.loads(error.response.content)
    except (ValueError, RecursionError):
        return error.response.text
    except httpx2.StreamError:
        return str(error)
    inner = data.get("error", data) if isinstance(data, dict) else data
    return (_fields(inner) if isinstance(inner, dict) else "") or error.response.text


def _fields(error: Mapping[str, Any]) -> str:
    inner = error.get("innererror")
    names = ("code", "type", "message")
    parts = [error.get(name) for name in names]
    if isinstance(inner, dict):
        parts.append(inner.get("code"))
    return " ".join(str(part) for part in parts if part is not None)


def _text(error: Exception) -> str:
    """The message; where the client only says "Connection error." or a status, what is behind."""
    if isinstance(error, openai.APIConnectionError) and error.__cause__ is not None:
        return str(error.__cause__) or type(error.__cause__).__name__
    said = str(error) or type(error).__name__
    if isinstance(error, openai.APIStatusError) and said == f"Error code: {error.status_code}":
        return f"{said} - {_said(error)}"
    return said

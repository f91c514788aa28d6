"""Every exception of the libraries below, as a `Failure`: data, never an exception."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import aiohttp
import httpx2
import openai
from aiohttp.http_exceptions import HttpProcessingError

from promptlathe.records import Failure, FailureReason

_LIMIT = 300
_BY_CLASS: tuple[tuple[type[Exception], FailureReason], ...] = (
    (openai.APITimeoutError, "timeout"),
    (openai.APIConnectionError, "connection"),
    (openai.APIResponseValidationError, "malformed"),
    (openai.LengthFinishReasonError, "malformed"),
    (openai.ContentFilterFinishReasonError, "malformed"),
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


def reason_of_status(status: int) -> FailureReason:
    """What an HTTP status of 300 or more says about the service."""
    match status:
        case 401 | 403 | 407:
            return "authentication"
        case 404 | 410:
            return "not_found"
        case 408 | 504:
            return "timeout"
        case 429:
            return "rate_limited"
        case _ if status >= 500:
            return "server_error"
        case _:
            return "bad_request"


def reason_of(error: Exception) -> FailureReason | None:
    """The reason of a library's exception; None for one that is not theirs."""
    if isinstance(error, (openai.APIStatusError, httpx2.HTTPStatusError)):
        return reason_of_status(error.response.status_code)
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
    return Failure(reason, short(hide(_text(error))))


def short(text: str) -> str:
    """One line of at most 300 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _LIMIT else line[: _LIMIT - 1] + "…"


def _text(error: Exception) -> str:
    """The message; where the client only says "Connection error.", the cause says which."""
    if isinstance(error, openai.APIConnectionError) and error.__cause__ is not None:
        return str(error.__cause__) or type(error.__cause__).__name__
    return str(error) or type(error).__name__

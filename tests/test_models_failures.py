"""Every exception that the libraries below can raise is mapped: proven by listing them."""

import importlib
import inspect
import json
import pkgutil
import ssl
from datetime import UTC, datetime, timedelta
from typing import get_args

import aiohttp
import httpx2
import openai
import pytest

from promptlathe.models.chat import read_answer
from promptlathe.models.failures import (
    failure_from,
    failure_inside,
    reason_of,
    reason_of_status,
    retry_after,
)
from promptlathe.models.room import until_room
from promptlathe.records import Failure, FailureReason, PromptFailure, ServiceFailure


def exceptions_of(package: object) -> set[type[Exception]]:
    """All exception classes that a package defines, but for aiohttp's server side."""
    assert inspect.ismodule(package)
    found: set[type[Exception]] = set()
    for info in pkgutil.iter_modules(package.__path__):
        if "exceptions" not in info.name or info.name == "web_exceptions":
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for item in list(vars(module).values()):
            if (
                inspect.isclass(item)
                and issubclass(item, Exception)
                and not issubclass(item, Warning)
                and item.__module__.startswith(package.__name__)
            ):
                found.add(item)
    return found


LISTED = {package: exceptions_of(package) for package in (openai, httpx2, aiohttp)}
OTHERS = [json.JSONDecodeError, UnicodeDecodeError, TimeoutError, ssl.SSLError, ConnectionError]
RESPONSE = httpx2.Response(418, request=httpx2.Request("POST", "http://127.0.0.1"))


def test_the_list_is_not_empty() -> None:
    assert openai.RateLimitError in LISTED[openai]
    assert httpx2.ConnectTimeout in LISTED[httpx2]
    assert aiohttp.ClientPayloadError in LISTED[aiohttp]


@pytest.mark.parametrize(
    "known",
    [
        *sorted((c for classes in LISTED.values() for c in classes), key=str),
        *OTHERS,
    ],
    ids=lambda c: f"{c.__module__}.{c.__name__}",
)
def test_each_has_a_reason(known: type[Exception]) -> None:
    error = known.__new__(known)
    if issubclass(known, openai.APIStatusError | httpx2.HTTPStatusError):
        error.response = RESPONSE  # type: ignore[attr-defined]
    assert reason_of(error) in get_args(ServiceFailure) + get_args(PromptFailure)


def test_an_unknown_exception_is_raised_again() -> None:
    with pytest.raises(KeyError):
        failure_from(KeyError("a mistake of ours"), hide=str)


def test_the_cause_explains_a_connection_error() -> None:
    error = openai.APIConnectionError(request=RESPONSE.request)
    error.__cause__ = httpx2.ConnectError("Cannot connect to host example.invalid")
    found = failure_from(error, hide=lambda text: text.replace("example", "***"))
    assert found == Failure("connection", "Cannot connect to host ***.invalid")


def test_details_are_one_short_line() -> None:
    found = failure_from(ValueError("a\nb" * 1000), hide=str)
    assert len(found.detail) == 300
    assert "\n" not in found.detail


@pytest.mark.parametrize(
    ("status", "said", "reason"),
    [
        (401, "", "authentication"),
        (407, "", "authentication"),
        (403, "no access to this model", "forbidden"),
        (403, "Your input was flagged", "content_filter"),
        (410, "", "not_found"),
        (400, "context_length_exceeded", "context_length"),
        (400, "This model's maximum context length is 8192 tokens", "context_length"),
        (400, "exceed_context_size_error", "context_length"),
        (422, "too many tokens", "context_length"),
        (400, "content_filter ResponsibleAIPolicyViolation", "content_filter"),
        (400, "content_policy_violation", "content_filter"),
        (400, "unknown parameter", "bad_request"),
        (413, "", "context_length"),
        (429, "slow down", "rate_limited"),
        (429, "insufficient_quota", "quota"),
        (429, "You exceeded your current quota, please check your plan", "quota"),
        (402, "", "quota"),
        (400, "Your credit balance is too low to access the API", "quota"),
        (403, "Insufficient Balance", "quota"),
        (504, "", "timeout"),
        (503, "", "server_error"),
    ],
)
def test_what_a_status_means(status: int, said: str, reason: FailureReason) -> None:
    assert reason_of_status(status, said) == reason
    again = ("rate_limited", "server_error", "timeout")
    assert Failure(reason, "").retryable == (reason in again)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": 502, "message": "upstream"}, "server_error"),
        ({"code": "429", "message": "busy"}, "rate_limited"),
        ({"code": "context_length_exceeded"}, "context_length"),
        ({"message": "upstream", "code": "x"}, "server_error"),
        ("broken", "server_error"),
    ],
)
def test_an_error_inside_an_answer(error: object, reason: str) -> None:
    assert failure_inside(error, hide=str).reason == reason


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def in_seconds(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2.5s"}, 62.5),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1m"}, 0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-tokens": "99", "x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "100", "x-ratelimit-reset-tokens": "6m0s"}, 0),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "7"}, 7),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, 0),
        ({"x-ratelimit-remaining": "0"}, 0),
        ({"x-ratelimit-remaining": "none", "x-ratelimit-reset": "7"}, 0),
        ({"x-ratelimit-remaining": "nan", "x-ratelimit-reset": "9" * 400}, 0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "-5"}, 0),
    ],
)
def test_when_there_is_room_again(headers: dict[str, str], seconds: float) -> None:
    assert until_room(headers, 100) == pytest.approx(seconds)


def test_a_moment_at_which_there_is_room_again() -> None:
    at = in_seconds(30)
    for name, said in (
        ("x-ratelimit-{}", f"{at.timestamp():.3f}"),
        ("x-ratelimit-{}", f"{at.timestamp() * 1000:.0f}"),
        ("anthropic-ratelimit-output-tokens-{}", at.isoformat().replace("+00:00", "Z")),
    ):
        headers = {name.format("remaining"): "0", name.format("reset"): said}
        assert 20 < until_room(headers) < 31, said
    gone = in_seconds(-30).isoformat()
    assert not until_room({"ratelimit-remaining": "0", "ratelimit-reset": gone})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<!DOCTYPE html><html>Sign in</html>", "a web page came"),
        (b"\n <html><body>502</body></html>", "a web page came"),
        (b'data: {"choices": []}\n\ndata: [DONE]', "a stream came"),
        (b"", "the answer is empty"),
        (b'{"choices": [', "the answer is no JSON"),
    ],
)
def test_what_came_in_place_of_json_is_named(body: bytes, said: str) -> None:
    found = read_answer(body, 0.1)
    assert isinstance(found, Failure)
    assert found.reason == "malformed"
    assert found.detail.startswith(said)

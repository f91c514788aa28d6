"""Every exception that the libraries below can raise is mapped: proven by listing them."""

import importlib
import inspect
import json
import pkgutil
import ssl
from typing import get_args

import aiohttp
import httpx2
import openai
import pytest

from promptlathe.models.failures import failure_from, reason_of
from promptlathe.records import Failure, FailureReason


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
    assert reason_of(error) in get_args(FailureReason)


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

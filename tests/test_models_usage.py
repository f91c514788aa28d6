"""The tokens of an answer as services spell them, and what an answer with an error in it is."""

import json
from typing import Any

import pytest
from tests.services import completion

from promptlathe.models.chat import read_answer
from promptlathe.models.pricing import Price, Prices, cost
from promptlathe.records import Answer, Call, Failure

NAMES = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
OPENAI = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 256, "audio_tokens": 0},
}
DEEPSEEK = {
    "prompt_tokens": 400,
    "completion_tokens": 20,
    "prompt_cache_hit_tokens": 384,
    "prompt_cache_miss_tokens": 16,
    "completion_tokens_details": {"reasoning_tokens": 12},
}
LITELLM = {
    "prompt_tokens": 15_635,
    "completion_tokens": 9,
    "cache_read_input_tokens": 0,
    "cache_creation_input_tokens": 15_624,
    "prompt_tokens_details": {"cached_tokens": 0, "cache_creation_tokens": 15_624},
}
OPENROUTER = {
    "prompt_tokens": 50,
    "completion_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 3},
    "cost": 0.01,
}
ANTHROPIC = {
    "input_tokens": 12,
    "output_tokens": 9,
    "cache_read_input_tokens": 2495,
    "cache_creation_input_tokens": 40,
}
RENAMED = {
    "prompt_tokens": 12,
    "completion_tokens": 9,
    "cache_read_input_tokens": 2495,
    "cache_creation_input_tokens": 0,
}


def read(said: Any, content: Any = "hello", **choice: Any) -> Answer:
    body = completion(content, **choice) | {"usage": said}
    answer = read_answer(json.dumps(body).encode(), 0.0)
    assert isinstance(answer, Answer)
    return answer


def counts(answer: Answer) -> tuple[int | None, ...]:
    return tuple(getattr(answer, name) for name in NAMES)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (OPENAI, (2006, 300, 1920, None, 256)),
        (DEEPSEEK, (400, 20, 384, None, 12)),
        (LITELLM, (15_635, 9, 0, 15_624, None)),
        (OPENROUTER, (50, 9, 20, 3, None)),
        (ANTHROPIC, (12 + 2495 + 40, 9, 2495, 40, None)),
        (RENAMED, (12 + 2495, 9, 2495, 0, None)),
        ({"prompt_tokens": 5, "completion_tokens": 2}, (5, 2, None, None, None)),
        ({"prompt_tokens": 5}, (5, None, None, None, None)),
        ({"total_tokens": 7}, (None,) * 5),
        ({}, (None,) * 5),
        (None, (None,) * 5),
        ("7 tokens", (None,) * 5),
        ([7], (None,) * 5),
    ],
    ids=str,
)
def test_each_spelling(said: Any, expected: tuple[int | None, ...]) -> None:
    assert counts(read(said)) == expected


def test_what_is_read_from_a_cache_is_priced_so() -> None:
    prices = Prices({"m": Price(input=1, output=10, cached=0.1, cache_write=1.25)})
    usd = 12 * 1 + 2495 * 0.1 + 40 * 1.25 + 9 * 10
    assert cost(Call("m", ()), read(ANTHROPIC), prices) == pytest.approx(usd / 1e6)


@pytest.mark.parametrize("bad", [-1, -(2**40), 1.5, True, "7", None, [], {}, float("inf")])
def test_what_is_no_count_is_unknown(bad: Any) -> None:
    said = {
        "prompt_tokens": bad,
        "completion_tokens": bad,
        "prompt_tokens_details": {"cached_tokens": bad, "cache_write_tokens": bad},
        "completion_tokens_details": {"reasoning_tokens": bad},
        "input_tokens": bad,
        "cache_read_input_tokens": bad,
    }
    assert counts(read(said)) == (None,) * 5
    assert (
        counts(read({"prompt_tokens_details": bad, "completion_tokens_details": bad}))
        == (None,) * 5
    )


def test_zeros_for_what_was_read_and_written_are_unknown() -> None:
    """A gateway that does not count says 0; a cache that gave nothing says so too."""
    zeros = {
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    assert counts(read(zeros)) == (None, None, 0, None, 0)
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    called = read(zeros, message={"content": None, "tool_calls": [call]})
    assert counts(called)[:2] == (None, None)
    assert read(zeros, content="").output_tokens == 0


def failure(body: Any) -> Failure:
    reply = read_answer(json.dumps(body).encode(), 0.0)
    assert isinstance(reply, Failure)
    return reply


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"finish_reason": "content_filter"}, "content_filter"),
        ({"finish_reason": "error"}, "server_error"),
        ({"error": {"code": 429, "message": "busy"}}, "rate_limited"),
        ({"error": {"code": "context_length_exceeded"}}, "context_length"),
    ],
)
@pytest.mark.parametrize("content", ["half of an ans", "", None])
def test_an_answer_that_the_service_stopped(choice: Any, reason: str, content: Any) -> None:
    """Whatever was written before: it is no answer, and it may be charged for."""
    found = failure(completion(content, **choice))
    assert (found.reason, found.billed) == (reason, 1)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": 401, "message": "no such key"}, "authentication"),
        ({"code": 404, "message": "no such model"}, "not_found"),
        ({"code": 400, "message": "maximum context length is 10"}, "context_length"),
        ({"code": 403, "message": "flagged"}, "content_filter"),
        ({"code": "rate_limit_exceeded", "message": "slow down"}, "rate_limited"),
        ({"type": "insufficient_quota", "message": "pay"}, "quota"),
        ({"code": "invalid_api_key", "type": "invalid_request_error"}, "authentication"),
        ({"type": "not_found_error", "message": "model: x"}, "not_found"),
        ({"code": "model_not_found", "type": "invalid_request_error"}, "not_found"),
        ({"type": "permission_error", "message": "not yours"}, "forbidden"),
        ({"type": "invalid_request_error", "message": "temperature"}, "bad_request"),
        ({"type": "timeout_error", "message": "too slow"}, "timeout"),
        ({"code": 429, "type": "insufficient_quota"}, "quota"),
        ({"type": "overloaded_error", "message": "Overloaded"}, "server_error"),
        ({"message": "it broke"}, "server_error"),
        ("it broke", "server_error"),
        (["it broke"], "server_error"),
    ],
)
def test_an_error_beside_choices_is_a_failure_of_its_kind(error: Any, reason: str) -> None:
    found = failure(completion("hello") | {"error": error})
    assert (found.reason, found.billed) == (reason, 1)
    assert failure({"error": error}) == found


@pytest.mark.parametrize("nothing", [None, {}, "", [], False])
def test_no_error_is_no_error(nothing: Any) -> None:
    body = completion("hello") | {"error": nothing}
    assert isinstance(read_answer(json.dumps(body).encode(), 0.0), Answer)

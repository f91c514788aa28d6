"""The client against a real HTTP server that misbehaves on request."""

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.services import HI, Service, ask, completion, serving

from promptlathe.models import ModelSettings, connect
from promptlathe.models.chat import read_answer, request_body
from promptlathe.models.dialect import Dialect, dialect_of
from promptlathe.records import Answer, Call, Failure, Message


@pytest.fixture
async def service() -> AsyncIterator[tuple[Service, str]]:
    async with serving() as found:
        yield found


async def test_an_answer_with_its_tokens(service: tuple[Service, str]) -> None:
    fake, url = service
    fake.says(completion())
    reply = await ask(url)
    assert isinstance(reply, Answer)
    assert (reply.text, reply.input_tokens, reply.output_tokens) == ("hello", 5, 2)
    assert reply.finish_reason == "stop"
    assert 0 < reply.latency < 60
    assert fake.bodies == [
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}],
            "max_tokens": 9,
            "temperature": 0.5,
        }
    ]


async def test_one_attempt_that_says_when_to_come_back(service: tuple[Service, str]) -> None:
    fake, url = service
    fake.says({"error": {"message": "slow down"}}, 429, **{"retry-after-ms": "1500"})
    reply = await ask(url, retries=5)
    assert isinstance(reply, Failure)
    assert (reply.reason, reply.retry_after, reply.billed) == ("rate_limited", 1.5, 0)
    assert len(fake.bodies) == 1


async def test_an_answer_says_when_there_is_room_for_the_next(service: tuple[Service, str]) -> None:
    fake, url = service
    room = {"X-RateLimit-Remaining-Requests": "0", "X-RateLimit-Reset-Requests": "2s"}
    fake.says(completion("yes"), **room)
    reply = await ask(url)
    assert isinstance(reply, Answer)
    assert (reply.text, reply.rest) == ("yes", 2.0)
    assert reply == replace(reply, rest=0.0)  # no part of what was answered
    fake.handlers.clear()
    fake.says({"error": {"message": "slow down"}}, 429, **room)
    refused = await ask(url)
    assert isinstance(refused, Failure)
    assert refused.retry_after == 2.0


async def test_too_large_an_answer_is_malformed(service: tuple[Service, str]) -> None:
    fake, url = service

    async def handler(_: web.Request) -> web.Response:
        bomb = gzip.compress(b" " * 20_000_000)
        return web.Response(body=bomb, headers={"content-encoding": "gzip"})

    fake.handlers.append(handler)
    reply = await ask(url)
    assert isinstance(reply, Failure)
    assert (reply.reason, reply.billed) == ("malformed", 1)
    assert "larger than 16 MB" in reply.detail


async def test_tool_calls_without_a_text_and_all_tokens(service: tuple[Service, str]) -> None:
    fake, url = service
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = completion(None, message={"content": None, "tool_calls": [call]})
    said["usage"] = {
        "prompt_tokens": 50,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    fake.says(said)
    reply = await ask(url)
    assert isinstance(reply, Answer)
    assert (reply.text, reply.tool_calls) == ("", (call,))
    assert (reply.cached_tokens, reply.cache_write_tokens, reply.reasoning_tokens) == (20, 3, 4)


@pytest.mark.parametrize("n", [0, -1, 1.5, True, None, "7"])
async def test_impossible_counts_are_unknown(service: tuple[Service, str], n: Any) -> None:
    fake, url = service
    fake.says(completion() | {"usage": {"prompt_tokens": n, "completion_tokens": n}})
    reply = await ask(url)
    assert isinstance(reply, Answer)
    assert (reply.input_tokens, reply.output_tokens) == (None, None)


async def test_extra_body_and_headers(service: tuple[Service, str]) -> None:
    fake, url = service
    fake.says(completion())
    extra = (("extra_body", {"top_k": 3}), ("extra_headers", {"X-Team": "a"}))
    assert isinstance(await ask(url, Call("m", HI.messages, extra)), Answer)
    assert fake.bodies[0]["top_k"] == 3
    assert {k.lower(): v for k, v in fake.headers[0].items()}["x-team"] == "a"
    assert not {"extra_body", "extra_headers"} & fake.bodies[0].keys()


async def test_the_headers_of_one_call_are_not_those_of_the_next(
    service: tuple[Service, str],
) -> None:
    fake, url = service
    model = connect(ModelSettings(name="m", base_url=url))
    for team in ("", "a", "b", ""):
        fake.says(completion())
        extra = (("extra_headers", {"X-Team": team}),) if team else ()
        assert isinstance(await model.answer(Call("m", HI.messages, extra)), Answer)
    await model.close()
    sent = [{k.lower(): v for k, v in one.items()} for one in fake.headers]
    assert [one.get("x-team", "") for one in sent] == ["", "a", "b", ""]
    assert {one["content-type"] for one in sent} == {"application/json"}
    assert {one["authorization"] for one in sent} == {"Bearer no-key"}
    assert [int(one["content-length"]) > 0 for one in sent] == [True] * 4
    assert {one["host"] for one in sent} == {urlsplit(url).netloc}


def test_a_service_without_system_role_or_temperature() -> None:
    call = Call("m", (Message("system", "s"), *HI.messages), HI.parameters)
    body = request_body(call, Dialect(system_role=False, temperature=False))
    assert body["messages"] == [{"role": "user", "content": "s\n\nhi"}]
    assert "temperature" not in body


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "bad_request"),
        (401, "authentication"),
        (403, "forbidden"),
        (404, "not_found"),
        (408, "timeout"),
        (409, "bad_request"),
        (422, "bad_request"),
        (413, "context_length"),
        (429, "rate_limited"),
        (500, "server_error"),
        (504, "timeout"),
    ],
)
async def test_a_status_becomes_a_failure(
    service: tuple[Service, str], status: int, reason: str
) -> None:
    fake, url = service
    fake.says({"error": {"message": "no such luck"}}, status)
    reply = await ask(url)
    assert isinstance(reply, Failure)
    assert reply.reason == reason
    assert "no such luck" in reply.detail


@pytest.mark.parametrize(
    "content",
    [
        "<html>a login page</html>",
        '{"choices": [',
        {"choices": []},
        {"choices": [{}]},
        {"object": "chat.completion"},
        [],
        None,
        completion(None),
    ],
)
async def test_what_is_no_completion_is_malformed(
    service: tuple[Service, str], content: Any
) -> None:
    fake, url = service
    fake.says(content)
    reply = await ask(url)
    assert isinstance(reply, Failure)
    assert reply.reason == "malformed"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (completion(""), ""),
        (completion(None, finish_reason="length"), ""),
        (completion("yes", message={"content": "yes", "reasoning_content": "Hm, no"}), "yes"),
        (completion([{"type": "thinking"}, {"type": "text", "text": "yes"}]), "yes"),
    ],
)
async def test_what_a_model_can_say_is_an_answer(
    service: tuple[Service, str], content: Any, text: str
) -> None:
    fake, url = service
    fake.says(content)
    reply = await ask(url)
    assert isinstance(reply, Answer)
    assert reply.text == text


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "refusal": "I cannot"},
        {"content": "", "refusal": "I cannot"},
        {"content": [{"type": "refusal", "refusal": "I cannot"}]},
    ],
)
async def test_a_refusal_is_an_answer_that_says_so(
    service: tuple[Service, str], message: Any
) -> None:
    fake, url = service
    fake.says(completion(None, message=message))
    reply = await ask(url)
    assert isinstance(reply, Answer)
    assert (reply.text, reply.finish_reason) == ("I cannot", "refusal")


async def test_unknown_tokens_are_none(service: tuple[Service, str]) -> None:
    fake, url = service
    fake.says({"choices": completion()["choices"]})
    reply = await ask(url)
    assert isinstance(reply, Answer)
    assert (reply.input_tokens, reply.output_tokens) == (None, None)


async def test_an_error_inside_status_200_keeps_its_status(service: tuple[Service, str]) -> None:
    fake, url = service
    fake.says({"error": {"code": 429, "message": "upstream is busy"}})
    assert await ask(url) == Failure("rate_limited", "upstream is busy", 1)


async def test_compressed_answers_are_read(service: tuple[Service, str]) -> None:
    fake, url = service

    async def handler(_: web.Request) -> web.Response:
        body = gzip.compress(json.dumps(completion("packed")).encode())
        return web.Response(body=body, headers={"content-encoding": "gzip"})

    fake.handlers.append(handler)
    reply = await ask(url)
    assert isinstance(reply, Answer)
    assert reply.text == "packed"


async def test_silence_is_a_timeout(service: tuple[Service, str]) -> None:
    fake, url = service

    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    fake.handlers.append(handler)
    reply = await ask(url, timeout=0.1)
    assert isinstance(reply, Failure)
    assert reply.reason == "timeout"


async def test_dripping_bytes_do_not_extend_the_time_limit(service: tuple[Service, str]) -> None:
    fake, url = service

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b" ")
            await asyncio.sleep(0.02)
        return response

    fake.handlers.append(handler)
    reply = await ask(url, timeout=0.3)
    assert isinstance(reply, Failure)
    assert reply.reason == "timeout"


async def test_a_dropped_connection(service: tuple[Service, str]) -> None:
    fake, url = service

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    fake.handlers.append(handler)
    reply = await ask(url)
    assert isinstance(reply, Failure)
    assert reply.reason == "connection"


async def test_a_refused_connection_names_the_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    reply = await ask(f"http://127.0.0.1:{port}/v1")
    assert isinstance(reply, Failure)
    assert reply.reason == "connection"
    assert str(port) in reply.detail


async def test_the_key_is_sent_but_never_told(
    service: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, url = service
    monkeypatch.setenv("MY_KEY", "sk-very-secret\n")
    fake.says({"error": {"message": "Incorrect API key: sk-very-secret"}}, 401)
    reply = await ask(url, api_key_env="MY_KEY")
    assert fake.headers[0]["Authorization"] == "Bearer sk-very-secret"
    assert isinstance(reply, Failure)
    assert "sk-very-secret" not in reply.detail
    assert "Incorrect API key: ***" in reply.detail


async def test_the_proxy_of_the_environment_is_used(
    service: tuple[Service, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake, url = service
    fake.says(completion())
    for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", url.removesuffix("/v1"))
    assert isinstance(await ask("http://service.example/v1"), Answer)
    assert fake.headers[0]["Host"] == "service.example"


async def test_a_cancelled_call_leaves_the_model_usable(service: tuple[Service, str]) -> None:
    fake, url = service
    arrived = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        arrived.set()
        await asyncio.sleep(30)
        return web.Response()

    fake.handlers.append(handler)
    fake.says(completion())
    model = connect(ModelSettings(name="m", base_url=url))
    task = asyncio.create_task(model.answer(HI))
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert isinstance(await model.answer(HI), Answer)
    await model.close()
    await model.close()


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://mine.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("https://notopenai.com/v1", "max_tokens"),
        ("http://127.0.0.1:8000/v1", "max_tokens"),
    ],
)
def test_the_name_of_the_token_limit(endpoint: str, name: str) -> None:
    body = request_body(HI, dialect_of(endpoint))
    assert {key: value for key, value in body.items() if "max" in key} == {name: 9}


KEYS = ["choices", "message", "content", "error", "code", "usage", "type", "text"]
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 600) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
)


@given(values)
def test_no_json_breaks_the_reading(data: Any) -> None:
    assert isinstance(read_answer(json.dumps(data).encode(), 0.0), Answer | Failure)


@given(values)
def test_no_message_breaks_the_reading(data: Any) -> None:
    body = {"choices": [{"message": data}], "usage": data}
    assert isinstance(read_answer(json.dumps(body).encode(), 0.0), Answer | Failure)


@pytest.mark.parametrize("text", ["cut off \ud83d", "\udc00", "a\x00b"])
def test_what_no_database_keeps_is_replaced(text: str) -> None:
    body = {"choices": [{"message": {"content": text + " 😀"}}]}
    answer = read_answer(json.dumps(body).encode(), 0.0)
    assert isinstance(answer, Answer)
    assert answer.text.encode("utf-8").decode().endswith(" 😀")
    assert "�" in answer.text
    assert "\x00" not in answer.text

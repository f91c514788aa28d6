"""Answers without an end, and attempts that time out or break off: what is kept, what is billed."""

import asyncio
import gzip
import json
import socket
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.services import Handler, ask, completion, serving

from promptlathe.models.chat import read_answer
from promptlathe.records import Answer, Failure

MB = 1_000_000


def endless(chunk: bytes, pause: float = 0.0, **headers: str) -> Handler:
    """A body that goes on as long as somebody reads it."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        while True:
            await response.write(chunk)
            await asyncio.sleep(pause)

    return handler


def packed() -> bytes:
    """A gigabyte in one, a thousandth on the line."""
    pack = zlib.compressobj(9, wbits=31)
    return b"".join(pack.compress(b" " * MB) for _ in range(1000)) + pack.flush()


@contextmanager
def memory_at_most(size: int) -> Iterator[None]:
    """Of what is allocated within."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "handler",
    [
        endless(b" " * 65_536),
        endless(b" " * 65_536, **{"Content-Length": "10000000000"}),
        endless(b'{"choices": [' * 5000),
        endless(packed(), **{"Content-Encoding": "gzip"}),
    ],
    ids=["chunked", "announced", "text", "packed"],
)
async def test_an_endless_answer_fills_no_memory(handler: Handler) -> None:
    async with serving() as (service, url):
        service.handlers.append(handler)
        with memory_at_most(40 * MB):
            reply = await ask(url, timeout=20)
    assert isinstance(reply, Failure)
    assert (reply.reason, reply.billed) == ("malformed", 1)
    assert "larger than 16 MB" in reply.detail


async def test_a_refusal_without_an_end_fills_no_memory() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=429)
        await response.prepare(request)
        while True:
            await response.write(b" " * 65_536)

    async with serving() as (service, url):
        service.handlers.append(handler)
        with memory_at_most(40 * MB):
            reply = await ask(url, timeout=20)
    assert isinstance(reply, Failure)


async def test_the_largest_answer_that_is_read() -> None:
    async with serving() as (service, url):
        service.says(completion("x" * (16 * MB - 1000)))
        reply = await ask(url, timeout=20)
    assert isinstance(reply, Answer)
    assert len(reply.text) == 16 * MB - 1000


@pytest.mark.parametrize("pause", [0.01, 0.15])
async def test_dripping_ends_with_the_time_limit(pause: float) -> None:
    async with serving() as (service, url):
        service.handlers.append(endless(b" ", pause))
        reply = await ask(url, timeout=0.3)
    assert isinstance(reply, Failure)
    assert (reply.reason, reply.billed) == ("timeout", 1)


async def test_redirects_share_the_time_limit() -> None:
    async with serving() as (service, url):

        async def handler(_: web.Request) -> web.Response:
            await asyncio.sleep(0.1)
            return web.Response(status=307, headers={"Location": url})

        service.handlers.append(handler)
        reply = await ask(url, timeout=0.35)
    assert isinstance(reply, Failure)
    assert (reply.reason, reply.billed) == ("timeout", 1)


async def test_a_redirected_request_is_whole() -> None:
    async with serving() as (service, url):
        service.says("", 307, Location=f"{url}/elsewhere")
        service.says(completion("there"))
        reply = await ask(url)
        assert isinstance(reply, Answer)
        assert service.bodies[0] == service.bodies[1]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, "NaN", "\x00"])
def test_json_that_no_reader_takes(text: str) -> None:
    reply = read_answer(text.encode(), 0.0)
    assert isinstance(reply, Failure)
    assert reply.reason == "malformed"


async def hang(request: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


async def cut(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def half(request: web.Request) -> web.StreamResponse:
    """Half of an answer, and then nothing."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(json.dumps(completion())[:30].encode())
    assert request.transport is not None
    request.transport.abort()
    return response


async def broken(request: web.Request) -> web.Response:
    packed = gzip.compress(json.dumps(completion()).encode())
    return web.Response(body=packed[:-9] + b"x" * 9, headers={"Content-Encoding": "gzip"})


async def torn(request: web.Request) -> web.Response:
    return web.Response(text=json.dumps(completion())[:-9])


def status(code: int) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=code)

    return handler


@pytest.mark.parametrize(
    ("handler", "reason", "billed"),
    [
        (hang, "timeout", 1),
        (cut, "connection", 1),
        (half, "connection", 1),
        (broken, "connection", 1),
        (torn, "malformed", 1),
        (status(504), "timeout", 1),
        (status(524), "timeout", 1),
        (status(408), "timeout", 0),
        (status(502), "server_error", 0),
        (status(503), "server_error", 0),
        (status(429), "rate_limited", 0),
    ],
)
async def test_what_may_have_been_charged(handler: Handler, reason: str, billed: int) -> None:
    async with serving() as (service, url):
        service.handlers.append(handler)
        reply = await ask(url, timeout=0.3 if handler is hang else 20)
    assert isinstance(reply, Failure)
    assert (reply.reason, reply.billed) == (reason, billed)


async def test_what_was_not_sent_is_not_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        refused = await ask(url, timeout=20)
        full.listen(0)  # nobody takes the connections: from the second on, they wait
        with socket.socket() as first, socket.socket() as second:
            for one in (first, second):
                one.setblocking(False)
                one.connect_ex(full.getsockname())
            late = await ask(url, timeout=0.3)
    unknown = await ask("http://nonesuch.invalid/v1", timeout=20)
    replies: list[Any] = [refused, late, unknown]
    assert [(one.reason, one.billed) for one in replies] == [
        ("connection", 0),
        ("timeout", 0),
        ("connection", 0),
    ]

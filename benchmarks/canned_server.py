"""A server that answers every request with a chat completion, after a fixed time.

By default it is always the same one, and no more of a request is read than its length, so that
the client is what a benchmark measures.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing as mp
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import Any

Moment = Synchronized  # of a float
Answer = Callable[[dict[str, Any]], str]
"""From a request's JSON to the text of the answer."""
CHOICE: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": "stop"}
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-0",
    "object": "chat.completion",
    "created": 1,
    "model": "canned",
    "usage": {
        "prompt_tokens": 120,
        "completion_tokens": 3,
        "total_tokens": 123,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    },
    "service_tier": "default",
}


class _Canned(asyncio.Protocol):
    def __init__(
        self, respond: Callable[[bytes], bytes], latency: float, first: Moment | None
    ) -> None:
        self._respond, self._latency, self._first = respond, latency, first
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            _, _, rest = head.partition(b"content-length:")
            size = end + 4 + int(rest.split(b"\r\n", 1)[0] or 0)
            if len(self._buffer) < size:
                return
            response = self._respond(bytes(self._buffer[end + 4 : size]))
            del self._buffer[:size]
            if self._first and not self._first.value:
                self._first.value = time.monotonic()
            asyncio.get_running_loop().call_later(self._latency, self._answer, response)

    def _answer(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


def _response(text: str) -> bytes:
    choice = {**CHOICE, "message": {"role": "assistant", "content": text, "refusal": None}}
    body = json.dumps({**ANSWER, "choices": [choice]}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _serve(latency: float, answer: Answer | None, first: Moment | None, port: Connection) -> None:
    same = _response("billing")

    def respond(body: bytes) -> bytes:
        return same if answer is None else _response(answer(json.loads(body)))

    async def forever() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Canned(respond, latency, first), "127.0.0.1", 0, backlog=2048
        )
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


def moment() -> Moment:
    """A time of the system's monotonic clock in seconds, shared between processes; at first 0."""
    return mp.get_context("spawn").Value("d", 0.0)


@contextmanager
def canned_server(
    latency: float, *, answer: Answer | None = None, first: Moment | None = None
) -> Generator[str]:
    """Serve in another process; gives the base URL. `latency` is in seconds.

    answer: makes each text, and must pickle. first: gets the time of the first request.
    """
    context = mp.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(latency, answer, first, there), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/v1"
    finally:
        process.terminate()
        process.join()

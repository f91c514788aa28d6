"""The pocket model's server, which also counts tokens and knows requests for new texts."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from lab.peers.task import PROPOSAL_KEY
from promptlathe.models.pocket.chat_api import completion
from promptlathe.models.pocket.faults import Faults
from promptlathe.models.pocket.server import PocketServer
from promptlathe.records import Answer


@dataclass
class Counts:
    """What reached the server since `reset`."""

    calls: int = 0
    """Answered task calls."""
    tokens: int = 0
    """Of the task calls, input and output."""
    proposals: int = 0
    """Answered requests for new texts."""
    written: int = 0
    """Tokens of these, input and output; a real model's."""
    computed: int = 0
    """Of `tokens`, those that a real model did not find in its cache of prefixes."""
    remembered: int = 0
    """Requests, of both kinds, that were answered from memory."""


class CountingServer(PocketServer):
    """The counts, and optionally texts that stand in for a model that can write."""

    def __init__(self) -> None:
        super().__init__(Faults())
        self.counts = Counts()
        self.texts: Iterator[str] | None = None
        """The answers to requests for new texts; None: they are answered like any other prompt."""

    def reset(self, texts: Iterator[str] | None = None) -> None:
        self.counts, self.texts = Counts(), texts

    async def chat(self, request: web.Request) -> web.StreamResponse:
        asked = request.headers.get("Authorization") == f"Bearer {PROPOSAL_KEY}"
        if asked and self.texts is not None:
            self.counts.proposals += 1
            return web.json_response(completion(Answer(next(self.texts), None, None, 0.0)))
        response = await super().chat(request)
        if isinstance(response, web.Response) and response.status == 200:
            if asked:
                self.counts.proposals += 1
            else:
                self.counts.calls += 1
                self.counts.tokens += json.loads(response.text or "")["usage"]["total_tokens"]
        return response


@asynccontextmanager
async def listening(application: web.Application) -> AsyncGenerator[str, None]:
    """Serve on any free port of this machine for as long as the block runs; the base URL."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def counting_server() -> AsyncGenerator[CountingServer, None]:
    """A server on any free port of this machine for as long as the block runs."""
    server = CountingServer()
    async with listening(server.application()) as server.base_url:
        yield server

"""A real LLM behind the counting server: a GGUF file, served on this machine.

Task calls are answered at temperature 0 and shortly, whoever asks. With `labels` a task call is
constrained to a JSON schema of them, and its answer is handed on as the label alone, for all
optimizers alike: a model of 135 million parameters answers nothing that can be read otherwise.
Requests for new texts are answered by the same model, without a schema.

What was answered once is answered from memory, for whoever asks, and counted as any other: a
second attempt of an optimizer repeats most of its first one, and at temperature 0 the model would
say the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from lab.peers.counting import Counts, listening
from lab.peers.task import ANSWER_TOKENS, PROPOSAL_KEY
from promptlathe.models import ModelSettings
from promptlathe.models.local_server import close_server, open_server

WRITTEN = 400
"""Tokens of a new text at most."""


class RealServer:
    """Forwards chat requests, and counts them; `base_url` is where the optimizers ask."""

    def __init__(
        self, upstream: str, key: str, model: str | None, session: aiohttp.ClientSession
    ) -> None:
        self.base_url = ""
        self.labels: Sequence[str] = ()
        """To which answers are constrained; (): they are free."""
        self.answer_tokens = ANSWER_TOKENS
        """Of an answer at most."""
        self.counts = Counts()
        self._known: dict[str, tuple[bool, dict[str, Any]]] = {}
        """What was said to a request, and whether with log probabilities."""
        self._upstream, self._key, self._model, self._session = upstream, key, model, session

    def reset(self, texts: Iterator[str] | None = None) -> None:
        assert texts is None, "the model writes them itself"
        self.counts = Counts()

    async def chat(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.text())
        new_text = request.headers.get("Authorization") == f"Bearer {PROPOSAL_KEY}"
        most = asked.pop("max_completion_tokens", None) or asked.get("max_tokens")
        if new_text:
            asked["max_tokens"] = min(most or WRITTEN, WRITTEN)
        else:
            asked |= {"temperature": 0, "max_tokens": self.answer_tokens}
            if self.labels:
                asked["response_format"] = _schema(self.labels)
        if self._model:
            asked["model"] = self._model
        status, said = await self._said(asked)
        if status == 200 and new_text:
            self.counts.proposals += 1
            self.counts.written += said["usage"]["total_tokens"]
        elif status == 200:
            usage = said["usage"]
            cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
            self.counts.calls += 1
            self.counts.tokens += usage["total_tokens"]
            self.counts.computed += usage["total_tokens"] - cached
        return web.json_response(said, status=status)

    async def _said(self, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and the answer, whose content is the label alone where that was asked."""
        probable = bool(asked.get("logprobs"))
        plain = {name: asked[name] for name in asked if name not in ("logprobs", "top_logprobs")}
        request = json.dumps(plain, sort_keys=True)
        known = self._known.get(request)
        if known and known[0] >= probable:
            self.counts.remembered += 1
            return 200, known[1]
        headers = {"Authorization": f"Bearer {self._key}"}
        url = f"{self._upstream}/chat/completions"
        async with self._session.post(url, json=asked, headers=headers) as reply:
            status, said = reply.status, await reply.json()
        if status == 200:
            if "response_format" in plain and self.labels:
                message = said["choices"][0]["message"]
                message["content"] = _label(message["content"])
            self._known[request] = probable, said
        return status, said


def _schema(labels: Sequence[str]) -> dict[str, object]:
    properties = {"label": {"type": "string", "enum": list(labels)}}
    schema = {"type": "object", "properties": properties, "required": ["label"]}
    return {"type": "json_schema", "json_schema": {"name": "label", "schema": schema}}


def _label(content: str) -> str:
    try:
        return str(json.loads(content)["label"])
    except (ValueError, KeyError, TypeError):  # cut off
        return content


@asynccontextmanager
async def in_front_of(
    upstream: str, key: str, model: str | None = None
) -> AsyncGenerator[RealServer, None]:
    """On any free port, for as long as the block runs; `upstream` is the model's base URL, `model`
    its name there, where it matters."""
    timeout = aiohttp.ClientTimeout(total=600)
    # Servers close connections that rest, just when the next call takes one.
    resting = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(timeout=timeout, connector=resting) as session:
        server = RealServer(upstream, key, model, session)
        application = web.Application(client_max_size=16 * 1024 * 1024)
        application.router.add_post("/v1/chat/completions", server.chat)
        async with listening(application) as server.base_url:
            yield server


@asynccontextmanager
async def real_server(settings: ModelSettings) -> AsyncGenerator[RealServer, None]:
    """The model of `settings` (a GGUF file), for as long as the block runs."""
    local = open_server(settings.weights, settings.tokens_of_a_call)
    try:
        address = await asyncio.to_thread(local.start)
        async with in_front_of(address, local.key) as server:
            yield server
    finally:
        close_server(local)

"""Chat completions that code of yours asks for by HTTP, taken on their way.

Within `taking(asking)`, and in the threads and tasks that begin there with its context, a request
of httpx2 (the client of OpenAI) or httpx to `…/chat/completions` is not sent: it goes through the
context of the cell, which counts, caches and records it. All else goes its way; what else asks a
model and is not counted is refused.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Any

from promptlathe.records import Answer, Json, Message
from promptlathe.targets.frameworks.target import Asking, sendable
from promptlathe.targets.frameworks.wire import completion_of, message_of

TAKEN = "/chat/completions"
REFUSED = ("/responses", "/messages", "/completions")
"""Other ways to ask a model."""
OURS = ("messages", "model", "stream", "stream_options")
_asking: ContextVar[Asking | None] = ContextVar("promptlathe_asking", default=None)
"""Of the cell whose code runs."""
_patched = set[str]()


@contextmanager
def taking(asking: Asking) -> Generator[None]:
    """While code of yours runs for a cell."""
    for name in ("httpx2", "httpx"):
        if name not in _patched:
            _patch(name)
    token = _asking.set(asking)
    try:
        yield
    finally:
        _asking.reset(token)


@contextmanager
def _ours() -> Generator[None]:
    """What promptlathe sends itself, with the same client, is not taken again."""
    token = _asking.set(None)
    try:
        yield
    finally:
        _asking.reset(token)


def _patch(name: str) -> None:
    """Once for a process; outside of a cell nothing is different."""
    try:
        module = import_module(name)
    except ImportError:
        return
    _patched.add(name)
    send, asend = module.Client.send, module.AsyncClient.send

    def taken(self: Any, request: Any, **more: Any) -> Any:
        asking = _asking.get()
        if asking is None or not _is_ours(request):
            return send(self, request, **more)
        request.read()
        messages, parameters = _asked(request)
        with _ours():
            answer = asking.wait(messages, parameters)
        return _response(module, request, answer)

    async def ataken(self: Any, request: Any, **more: Any) -> Any:
        asking = _asking.get()
        if asking is None or not _is_ours(request):
            return await asend(self, request, **more)
        await request.aread()
        messages, parameters = _asked(request)
        with _ours():
            answer = await asking.ask(messages, parameters)
        return _response(module, request, answer)

    module.Client.send, module.AsyncClient.send = taken, ataken


def _is_ours(request: Any) -> bool:
    """Raises RuntimeError for a call that would not be counted."""
    path = request.url.path.rstrip("/")
    if request.method == "POST" and path.endswith(TAKEN):
        return True
    if request.method == "POST" and path.endswith(REFUSED):
        raise RuntimeError(
            f"{path} asks a model, and only chat completions can be counted: use these"
        )
    return False


def _asked(request: Any) -> tuple[list[Message], dict[str, Json]]:
    body = json.loads(request.content)
    if body.get("n") == 1:
        del body["n"]
    parameters = {name: one for name, one in body.items() if name not in OURS}
    return [message_of(one) for one in body["messages"]], sendable(parameters, "the code")


def _response(module: Any, request: Any, answer: Answer) -> Any:
    asked = json.loads(request.content)
    body = completion_of(str(asked.get("model", "")), [answer])
    if not asked.get("stream"):
        return module.Response(200, json=body, request=request)
    (choice,) = body["choices"]
    delta = {"index": 0, "delta": choice["message"], "finish_reason": choice["finish_reason"]}
    chunk = {**body, "object": "chat.completion.chunk", "choices": [delta]}
    text = f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n"
    kind = {"content-type": "text/event-stream"}
    return module.Response(200, text=text, headers=kind, request=request)

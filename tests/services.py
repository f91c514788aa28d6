"""An HTTP server that misbehaves on request, and one question to it, for tests of the client."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from promptlathe.models import ModelSettings, connect
from promptlathe.records import Answer, Call, Failure, Message

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HI = Call("m", (Message("user", "hi"),), (("max_tokens", 9), ("temperature", 0.5)))


def completion(content: Any = "hello", **choice: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content}
    return {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"} | choice],
        "usage": {"prompt_tokens": 5, "completion_tokens": 2},
    }


class Service:
    """Answers with `handlers` in turn, with the last of them for ever; keeps what it was sent."""

    def __init__(self) -> None:
        self.handlers: list[Handler] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json() if request.can_read_body else {})
        self.headers.append(dict(request.headers))
        handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
        return await handler(request)

    def says(self, content: Any, status: int = 200, **headers: str) -> None:
        async def handler(_: web.Request) -> web.Response:
            text = content if isinstance(content, str) else json.dumps(content)
            return web.Response(text=text, status=status, headers=headers)

        self.handlers.append(handler)


async def ask(url: str, call: Call = HI, **settings: Any) -> Answer | Failure:
    model = connect(ModelSettings(name="m", base_url=url, **{"retries": 0} | settings))
    try:
        return await model.answer(call)
    finally:
        await model.close()


@asynccontextmanager
async def serving() -> AsyncGenerator[tuple[Service, str]]:
    """A service and its base URL. Any path and method is answered: redirects lead anywhere."""
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", service.handle)
    async with TestServer(app, handler_cancellation=True) as server:
        yield service, str(server.make_url("/v1"))

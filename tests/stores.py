"""MLflow stores that are away, in front of none or of a real server."""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

from aiohttp import ClientSession, web

Mood = Literal["through", "500", "hangs", "hangs up"]


class Door:
    """An HTTP endpoint before `behind`; what it does with a request may be changed at any time."""

    def __init__(self, behind: str = "", mood: Mood = "500") -> None:
        self.behind, self.mood = behind, mood
        self.url = ""
        self.requests = 0
        self._closing = asyncio.Event()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        match self.mood:
            case "500":
                return web.Response(status=500, text="out of order")
            case "hangs":
                await self._closing.wait()
            case "hangs up":
                assert request.transport
                request.transport.abort()
            case "through":
                return await self._pass_on(request)
        return web.Response()

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {k: v for k, v in request.headers.items() if k.lower() != "host"}
        async with (
            ClientSession() as client,
            client.request(
                request.method, self.behind + request.raw_path, data=body, headers=headers
            ) as answer,
        ):
            return web.Response(
                status=answer.status, body=await answer.read(), content_type=answer.content_type
            )


@contextmanager
def door(behind: str = "", mood: Mood = "500") -> Generator[Door]:
    """It listens on a free port of this machine."""
    opened = Door(behind, mood)
    loop = asyncio.new_event_loop()
    listening, stop = threading.Event(), asyncio.Event()

    async def serve() -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", opened._handle)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        opened.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        listening.set()
        await stop.wait()
        opened._closing.set()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert listening.wait(30)
    try:
        yield opened
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()

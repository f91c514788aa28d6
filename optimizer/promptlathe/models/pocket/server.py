"""The pocket model over HTTP: an OpenAI-compatible server that can also go wrong on request.

    async with serve() as server:
        client = AsyncOpenAI(base_url=server.base_url, api_key="any")

Routes: POST /v1/chat/completions, GET /v1/models, GET /health. The answers are those of
`learner.answer`. With `Faults` it is a fault injector.
"""

import asyncio
import errno
import json
import signal
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from aiohttp import web

from promptlathe.errors import InputError
from promptlathe.models.pocket.chat_api import MODEL, Refused, completion, read_request
from promptlathe.models.pocket.faults import Faults

_LARGEST_BODY = 16 * 1024 * 1024


class PocketServer:
    """A running server and its counts of chat requests."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self.base_url = ""
        """`http://host:port/v1`, once it listens."""
        self.requests = 0
        """Chat requests that arrived, those that were refused or failed included."""
        self.answered = 0
        """Chat requests that got a completion."""
        self.in_flight = 0
        self.max_in_flight = 0
        self._closing = asyncio.Event()

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """POST /v1/chat/completions."""
        self.requests += 1
        number = self.requests
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await self._reply(request, number)
        finally:
            self.in_flight -= 1

    async def _reply(self, request: web.Request, number: int) -> web.StreamResponse:
        self._check_key(request)
        asked = read_request(await request.text())
        if self.faults.latency > 0:
            await asyncio.sleep(self.faults.latency)
        if asked.model != MODEL or self.faults.unknown_model:
            message = f"the model {asked.model!r} does not exist; this server has {MODEL!r}"
            raise Refused(404, message, code="model_not_found", field="model")
        fault = self.faults.of_request(number)
        match fault:
            case "rate_limited":
                message, wait = "rate limit reached (injected)", f"{self.faults.retry_after:g}"
                headers = {"Retry-After": wait}
                raise Refused(429, message, "requests", code="rate_limit_exceeded", headers=headers)
            case "server_error":
                raise Refused(500, "the server had an error (injected)", "server_error")
            case "hang" | "disconnect":
                if fault == "hang":
                    await self._closing.wait()
                if request.transport is not None:
                    request.transport.abort()
                return web.Response()  # which has nowhere to go
            case _:
                text = json.dumps(completion(asked.answer(), usage=fault != "no_usage"))
        if fault == "malformed":
            text = text[: len(text) // 2]
        else:
            self.answered += 1
        return web.Response(text=text, content_type="application/json")

    async def models(self, request: web.Request) -> web.Response:
        """GET /v1/models."""
        self._check_key(request)
        own = {"id": MODEL, "object": "model", "created": 0, "owned_by": "promptlathe"}
        return web.json_response({"object": "list", "data": [own]})

    async def health(self, _: web.Request) -> web.Response:
        """GET /health."""
        return web.json_response({"status": "ok", "model": MODEL})

    def _check_key(self, request: web.Request) -> None:
        key = self.faults.require_key
        if key is not None and request.headers.get("Authorization") != f"Bearer {key}":
            raise Refused(401, "incorrect API key provided", code="invalid_api_key")

    def application(self) -> web.Application:
        """The routes."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/health", self.health)
        return app

    def close(self) -> None:
        """Let the hanging requests go."""
        self._closing.set()


@asynccontextmanager
async def serve(
    host: str = "127.0.0.1", port: int = 0, faults: Faults | None = None
) -> AsyncGenerator[PocketServer, None]:
    """A server for as long as the block runs. Port 0 takes any free port.

    Raises:
        InputError: the address cannot be used, for example because the port is taken.
    """
    server = PocketServer(faults or Faults())
    runner = web.AppRunner(
        server.application(), access_log=None, handler_cancellation=True, shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        await _listen(runner, host, port)
        server.base_url = f"http://{host}:{runner.addresses[0][1]}/v1"
        yield server
    finally:
        server.close()
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except (OSError, OverflowError, ValueError) as refused:
        taken = isinstance(refused, OSError) and refused.errno == errno.EADDRINUSE
        what = f"port {port} is already taken" if taken else f"cannot listen: {refused}"
        fix = "give an address of this machine and a free port with --port, 0 for any"
        raise InputError(what, f"{host}:{port}", fix) from None


def run_server(
    host: str = "127.0.0.1",
    port: int = 0,
    faults: Faults | None = None,
    *,
    ready: Callable[[PocketServer], None],
) -> None:
    """Serve until Ctrl-C or SIGTERM; `ready` is called once, when it listens.

    Raises:
        InputError: as `serve` does.
    """

    async def run() -> None:
        stop = asyncio.Event()
        async with serve(host, port, faults) as server:
            # Where loops know no signal handlers, Ctrl-C raises KeyboardInterrupt as usual.
            with suppress(NotImplementedError):
                for number in (signal.SIGINT, signal.SIGTERM):
                    asyncio.get_running_loop().add_signal_handler(number, stop.set)
            ready(server)
            await stop.wait()

    asyncio.run(run())

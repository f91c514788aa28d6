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
from http import HTTPStatus

from aiohttp import web
from aiohttp.typedefs import Handler

from promptlathe.errors import InputError
from promptlathe.models.pocket.chat_api import (
    MODEL,
    BadRequest,
    Body,
    completion,
    error,
    read_request,
)
from promptlathe.models.pocket.faults import Faults
from promptlathe.models.pocket.learner import answer

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
        if self._is_stranger(request):
            return _wrong_key()
        try:
            model, messages, parameters = read_request(await _body(request))
        except BadRequest as bad:
            return _refusal(400, bad.message, "invalid_request_error", field=bad.field)
        if self.faults.latency > 0:
            await asyncio.sleep(self.faults.latency)
        if model != MODEL or self.faults.unknown_model:
            return _unknown_model(model)
        fault = self.faults.of_request(number)
        match fault:
            case "rate_limited":
                return self._rate_limited()
            case "server_error":
                return _refusal(500, "the server had an error (injected)", "server_error")
            case "hang":
                await self._closing.wait()
                return _cut(request)
            case "disconnect":
                return _cut(request)
            case _:
                body = completion(answer(messages, parameters), usage=fault != "no_usage")
        if fault == "malformed":
            text = json.dumps(body)
            return web.Response(text=text[: len(text) // 2], content_type="application/json")
        self.answered += 1
        return web.json_response(body)

    async def models(self, request: web.Request) -> web.Response:
        """GET /v1/models."""
        own = {"id": MODEL, "object": "model", "created": 0, "owned_by": "promptlathe"}
        listed = web.json_response({"object": "list", "data": [own]})
        return _wrong_key() if self._is_stranger(request) else listed

    def _rate_limited(self) -> web.Response:
        response = _refusal(
            429, "rate limit reached (injected)", "requests", code="rate_limit_exceeded"
        )
        response.headers["Retry-After"] = f"{self.faults.retry_after:g}"
        return response

    def application(self) -> web.Application:
        """The routes; every refusal has OpenAI's error shape."""
        app = web.Application(middlewares=[_openai_errors], client_max_size=_LARGEST_BODY)
        app.router.add_post("/v1/chat/completions", self.chat)
        app.router.add_get("/v1/models", self.models)
        app.router.add_get("/health", _health)
        return app

    def _is_stranger(self, request: web.Request) -> bool:
        key = self.faults.require_key
        return key is not None and request.headers.get("Authorization") != f"Bearer {key}"

    def close(self) -> None:
        """Let the hanging requests go."""
        self._closing.set()


@web.middleware
async def _openai_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the refusals of the router and of the body reader OpenAI's shape."""
    try:
        return await handler(request)
    except web.HTTPException as refused:
        unknown = refused.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
        message = (
            f"unknown request URL: {request.method} {request.path}" if unknown else refused.reason
        )
        code = "unknown_url" if unknown else None
        return _refusal(refused.status, message, "invalid_request_error", code=code)


async def _body(request: web.Request) -> Body:
    try:
        return await request.json()
    except ValueError:
        raise BadRequest("the body is not valid JSON", None) from None


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "model": MODEL})


def _refusal(
    status: int, message: str, kind: str, *, code: str | None = None, field: str | None = None
) -> web.Response:
    return web.json_response(error(message, kind, code, field), status=status)


def _wrong_key() -> web.Response:
    message = "incorrect API key provided"
    return _refusal(401, message, "invalid_request_error", code="invalid_api_key")


def _unknown_model(model: str) -> web.Response:
    hint = "" if model == MODEL else f"; this server has {MODEL!r}"
    message = f"the model {model!r} does not exist{hint}"
    return _refusal(404, message, "invalid_request_error", code="model_not_found", field="model")


def _cut(request: web.Request) -> web.Response:
    """Drop the connection; the response that is returned has nowhere to go."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


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
        address = f"{host}:{port}"
        if isinstance(refused, OSError) and refused.errno == errno.EADDRINUSE:
            fix = "choose another port with --port, or 0 for any free one"
            raise InputError(f"port {port} is already taken", address, fix) from None
        fix = "give an address of this machine and a port from 1024 to 65535, or 0"
        raise InputError(f"cannot listen: {refused}", address, fix) from None


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
    asyncio.run(_run(host, port, faults, ready))


async def _run(
    host: str, port: int, faults: Faults | None, ready: Callable[[PocketServer], None]
) -> None:
    stop = asyncio.Event()
    async with serve(host, port, faults) as server:
        # Where loops know no signal handlers, Ctrl-C raises KeyboardInterrupt as usual.
        with suppress(NotImplementedError):
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
        ready(server)
        await stop.wait()

"""An OpenAI-compatible server on this machine whose answers and faults a test gives.

    async with ScriptedServer("billing") as server: ...          # always the same
    with ScriptedServer([("invoice", "billing"), ("", "other")]) as server: ...    # in a thread
    ScriptedServer(lambda arrived: Reply(f"call {arrived.number}", delay=0.2))

Questions to the Decisions API are answered by a JSON object: see `decisions.py`.

A rule is (words that stand in the prompt, or a function of what arrived; the answer): the first
that fits holds, and a prompt that fits none gets status 400. `server.base_url` is its address.
"""

import asyncio
import json
import threading
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from promptlathe.testing.batches import BatchApi
from promptlathe.testing.decisions import decision

_STARTS = 30.0
"""Seconds that a server in a thread has to start or end."""
DRAWN = 272
"""Tokens of a picture."""
_CHUNK, _PAUSE = 64 * 1024, 0.001
"""Bytes of a body that never ends, and seconds between two of them."""


@dataclass(frozen=True)
class Reply:
    """What the server does with one request."""

    text: str = ""
    """Empty is an answer too, which a refusing or broken service gives."""
    delay: float = 0.0
    """Seconds before it."""
    status: int = 200
    """Another gives an error in OpenAI's shape, with `text` as its message."""
    code: str | None = None
    """Of the error."""
    retry_after: float | None = None
    """Seconds in a Retry-After header."""
    fault: Literal["hang", "cut", "drip", "endless"] | None = None
    """No answer until the client gives up; the connection is cut; or a body that never ends, byte
    by byte or as fast as it is read."""
    body: str | None = None
    """In place of the completion or the error: HTML, say, or half of a JSON text."""
    location: str | None = None
    """Where the client is sent, with a status from 301 on."""
    finish_reason: str = "stop"
    usage: Mapping[str, Any] | None = None
    """In place of the words that are counted; {} for a service that tells none."""
    cached_tokens: int = 0
    """Of the input."""
    picture: bytes | None = None
    """What is drawn, where a picture is asked for."""
    calls: Sequence[tuple[str, Mapping[str, Any] | str]] = ()
    """Tools that it calls: the name, and the arguments, or a text in their place."""


@dataclass(frozen=True)
class Arrived:
    """A request."""

    number: int
    """From 1, in order of arrival."""
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    """With names in lower case."""

    @property
    def prompt(self) -> str:
        """The texts of all messages, and of questions, a line break between two; of a picture that
        is asked for, what it shall show."""
        drawn = self.body.get("prompt", self.body.get("inputs"))
        if drawn is not None:
            return str(drawn)
        said = [message.get("content") for message in self._messages]
        return "\n".join(map(_text, [*said, *(one["instructions"] for one in self.questions)]))

    @property
    def questions(self) -> list[Mapping[str, Any]]:
        """Those to the Decisions API."""
        return list(self.body.get("questions", ()))

    @property
    def _messages(self) -> list[Mapping[str, Any]]:
        given = self.body.get("messages", self.body.get("input", ()))
        return [{"content": given}] if isinstance(given, str) else list(given)

    @property
    def pictures(self) -> tuple[bytes, ...]:
        """Those that the messages show as `data:` URLs."""
        parts = (p for m in self._messages for p in _parts(m.get("content")))
        shown = (part["image_url"] for part in parts if "image_url" in part)
        urls = [str(one["url"] if isinstance(one, dict) else one) for one in shown]
        return tuple(b64decode(url.partition(",")[2]) for url in urls if url.startswith("data:"))

    @property
    def tools(self) -> Mapping[str, Mapping[str, Any]]:
        """The functions that are offered, by name."""
        offered = self.body.get("tools") or []
        return {tool["function"]["name"]: tool["function"] for tool in offered}

    @property
    def choices(self) -> tuple[str, ...]:
        """The first `enum` in the JSON schema that is asked for; none without one."""
        found = [p["enum"] for p in self._properties.values() if "enum" in p]
        return tuple(found[0]) if found else ()

    def as_asked(self, text: str) -> str:
        """A text as JSON by the schema that is asked for, under the key that has the enum, or the
        first; as it is, where none is asked for."""
        keys = [key for key, p in self._properties.items() if "enum" in p] or [*self._properties]
        return json.dumps({keys[0]: text}) if keys else text

    @property
    def _properties(self) -> Mapping[str, Any]:
        asked = self.body.get("response_format") or {}
        return asked.get("json_schema", {}).get("schema", {}).get("properties", {})

    @property
    def decides(self) -> bool:
        """It came to the Decisions API."""
        return "questions" in self.body


Answering = Callable[[Arrived], str | Reply]
Rule = tuple[str | Callable[[Arrived], bool], str | Reply]


class ScriptedServer:
    """Answers by a function, by rules, or always the same; counts what it received.

    Use it with `async with`, or with `with`, which runs it in a thread of its own.
    """

    def __init__(self, answers: str | Reply | Sequence[Rule] | Answering) -> None:
        self._answers = answers
        self.base_url = ""
        """`http://127.0.0.1:port/v1`, once it listens."""
        self.arrived: list[Arrived] = []
        self.prompts = Counter[str]()
        """How often each prompt came."""
        self.in_flight = self.max_in_flight = 0
        self.input_tokens = self.output_tokens = 0
        """Of the answers that told any."""
        self.batches = BatchApi()
        """Its files and batches, whose lines arrive as requests."""
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()
        self._thread: tuple[threading.Thread, asyncio.AbstractEventLoop] | None = None

    async def __aenter__(self) -> "ScriptedServer":
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        self.batches.add_to(app)
        app.router.add_post("/v1/images/generations", self._chat)
        app.router.add_post("/v1", self._chat)  # Hugging Face's text_to_image
        app.router.add_post("/v1/decisions", self._chat)
        self._closing = asyncio.Event()
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        if self._runner:
            await self._runner.cleanup()

    def __enter__(self) -> "ScriptedServer":
        ready: Future[asyncio.AbstractEventLoop] = Future()
        thread = threading.Thread(target=asyncio.run, args=(self._serve(ready),), daemon=True)
        thread.start()
        self._thread = thread, ready.result(_STARTS)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._thread
        thread, loop = self._thread
        loop.call_soon_threadsafe(self._closing.set)
        thread.join(_STARTS)

    async def _serve(self, ready: "Future[asyncio.AbstractEventLoop]") -> None:
        try:
            async with self:
                ready.set_result(asyncio.get_running_loop())
                await self._closing.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    def reply(self, arrived: Arrived) -> Reply:
        """What the script says to a request."""
        made: str | Reply
        if isinstance(self._answers, str | Reply):
            made = self._answers
        elif callable(self._answers):
            made = self._answers(arrived)
        else:
            made = next(
                (answer for when, answer in self._answers if _fits(when, arrived)),
                Reply("no rule of the script fits this prompt", status=400),
            )
        return Reply(made) if isinstance(made, str) else made

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        arrived = Arrived(len(self.arrived) + 1, await request.json(), headers)
        self.arrived.append(arrived)
        self.prompts[arrived.prompt] += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await self._respond(request, arrived, self.reply(arrived))
        finally:
            self.in_flight -= 1

    async def _respond(
        self, request: web.Request, arrived: Arrived, reply: Reply
    ) -> web.StreamResponse:
        await asyncio.sleep(reply.delay)
        if reply.fault == "hang":
            await self._closing.wait()
        if reply.fault in ("drip", "endless"):
            return await self._endless(request, 1 if reply.fault == "drip" else _CHUNK)
        if reply.fault:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        headers = {} if reply.retry_after is None else {"Retry-After": f"{reply.retry_after:g}"}
        headers |= {} if reply.location is None else {"Location": reply.location}
        if reply.body is not None:
            return web.Response(text=reply.body, status=reply.status, headers=headers)
        if reply.status != 200:
            error = {"message": reply.text or "scripted", "type": "scripted", "code": reply.code}
            return web.json_response({"error": error}, status=reply.status, headers=headers)
        usage = _usage(arrived, reply) if reply.usage is None else dict(reply.usage)
        self.input_tokens += usage.get("prompt_tokens", 0)
        self.output_tokens += usage.get("completion_tokens", 0)
        if request.path.endswith("/decisions"):
            made, status = decision(arrived.body, reply.text, usage)
            return web.json_response(made, status=status)
        if "messages" not in arrived.body:
            return _drawn(reply, usage, raw="inputs" in arrived.body)
        choice = {
            "index": 0,
            "message": _message(reply),
            "finish_reason": "tool_calls" if reply.calls else reply.finish_reason,
        }
        body: dict[str, Any] = {
            "id": f"scripted-{arrived.number}",
            "object": "chat.completion",
            "created": 0,
            "model": arrived.body.get("model", ""),
            "choices": [choice],
        }
        return web.json_response(body | ({"usage": usage} if usage else {}))

    async def _endless(self, request: web.Request, size: int) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not self._closing.is_set():
            await response.write(b" " * size)
            await asyncio.sleep(_PAUSE)
        return response


def _message(reply: Reply) -> dict[str, Any]:
    if not reply.calls:
        return {"role": "assistant", "content": reply.text}
    calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {
                "name": name,
                "arguments": given if isinstance(given, str) else json.dumps(given),
            },
        }
        for number, (name, given) in enumerate(reply.calls)
    ]
    return {"role": "assistant", "content": reply.text or None, "tool_calls": calls}


def _text(content: Any) -> str:
    if isinstance(content, str) or content is None:
        return content or ""
    return "\n".join(part.get("text", "") for part in content)


def _parts(content: Any) -> list[dict[str, Any]]:
    return content if isinstance(content, list) else []


def _drawn(reply: Reply, usage: Mapping[str, Any], *, raw: bool) -> web.Response:
    picture = reply.picture or b""
    if raw:
        return web.Response(body=picture, content_type="image/png")
    data = [{"b64_json": b64encode(picture).decode("ascii")}]
    used = {
        "input_tokens": usage.get("prompt_tokens", 0),
        "output_tokens": usage.get("completion_tokens", 0),
        "total_tokens": usage.get("total_tokens", 0),
    }
    return web.json_response({"created": 0, "data": data} | ({"usage": used} if usage else {}))


def _fits(when: str | Callable[[Arrived], bool], arrived: Arrived) -> bool:
    return when in arrived.prompt if isinstance(when, str) else when(arrived)


def _usage(arrived: Arrived, reply: Reply) -> dict[str, Any]:
    """A token a word, and DRAWN for a picture."""
    read = len(arrived.prompt.split())
    written = len(reply.text.split()) if reply.picture is None else DRAWN
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
    }

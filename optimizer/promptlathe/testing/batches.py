"""OpenAI's files and batches endpoints for a server on this machine: each line of a batch goes to
the server itself, as a request of its own.

    app = web.Application()
    app.router.add_post("/v1/chat/completions", handle)
    batches = BatchApi()
    batches.add_to(app)
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal

import aiohttp
from aiohttp import web

Fate = Literal["completed", "expired", "failed", "unheard"]
"""What becomes of a batch: `expired` answers every second line, `failed` is refused after it was
made, and of one that is `unheard` its maker hears nothing."""
_TURN = 0.003


class BatchApi:
    """Keeps files and batches, and counts."""

    def __init__(self) -> None:
        self.fate: Callable[[int], Fate] = lambda number: "completed"
        """Of a batch, by its number from 1."""
        self.held = False
        """No batch begins while it is set."""
        self.batches: list[dict[str, Any]] = []
        """As the API shows them, in order."""
        self.lines: list[dict[str, Any]] = []
        """All lines of all batches, in order."""
        self._files: dict[str, bytes] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def add_to(self, app: web.Application) -> None:
        """Under /v1."""
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files/{id}/content", self._content)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list)
        app.router.add_get("/v1/batches/{id}", self._show)
        app.router.add_post("/v1/batches/{id}/cancel", self._cancel)
        app.on_shutdown.append(self._stop)

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file: Any = form["file"]
        if form.get("purpose") != "batch":
            return _refused("purpose must be batch")
        id = self._keep(file.file.read())
        made = {"id": id, "object": "file", "purpose": "batch", "filename": file.filename}
        return web.json_response(made | {"bytes": 0, "created_at": 0, "status": "processed"})

    async def _content(self, request: web.Request) -> web.Response:
        content = self._files.get(request.match_info["id"])
        return _refused("no such file", 404) if content is None else web.Response(body=content)

    async def _create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        given = self._files.get(asked["input_file_id"])
        if given is None or asked["completion_window"] != "24h":
            return _refused("no such file, or window")
        lines = [json.loads(line) for line in given.splitlines()]
        if wrong := _wrong(lines, asked["endpoint"]):
            return _refused(wrong)
        number = len(self.batches) + 1
        batch: dict[str, Any] = {
            "id": f"batch_{number}",
            "object": "batch",
            "status": "in_progress",
            "endpoint": asked["endpoint"],
            "input_file_id": asked["input_file_id"],
            "completion_window": "24h",
            "created_at": 0,
            "metadata": asked.get("metadata"),
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
        }
        self.batches.append(batch)
        fate = self.fate(number)
        if fate == "failed":
            error = {"code": "token_limit_exceeded", "message": "too many tokens are enqueued"}
            batch |= {"status": "failed", "errors": {"object": "list", "data": [error]}}
        else:
            self.lines += lines
            work = self._work(batch, lines, fate, str(request.url.origin()))
            self._tasks[batch["id"]] = asyncio.create_task(work)
        if fate == "unheard" and request.transport is not None:
            request.transport.abort()
        return web.json_response(batch)

    async def _work(
        self, batch: dict[str, Any], lines: list[dict[str, Any]], fate: Fate, origin: str
    ) -> None:
        while self.held:
            await asyncio.sleep(_TURN)
        told: list[dict[str, Any]] = []
        left = {line["custom_id"] for line in lines}
        try:
            done = lines[::2] if fate == "expired" else lines
            async with aiohttp.ClientSession() as session:

                async def one(line: dict[str, Any]) -> None:
                    async with session.post(origin + line["url"], json=line["body"]) as response:
                        body = await response.json(content_type=None)
                    reply = {"status_code": response.status, "request_id": "", "body": body}
                    told.append({"custom_id": line["custom_id"], "response": reply, "error": None})
                    left.discard(line["custom_id"])
                    batch["request_counts"]["completed"] += 1

                await asyncio.gather(*map(one, done))
            batch["status"] = "expired" if fate == "expired" else "completed"
        except asyncio.CancelledError:
            batch["status"] = "cancelled"
        code = {"expired": "batch_expired", "cancelled": "batch_cancelled"}.get(batch["status"])
        errors = [
            {"custom_id": id, "response": None, "error": {"code": code, "message": "not begun"}}
            for id in sorted(left)
        ]
        good = [one for one in told if one["response"]["status_code"] < 300]
        bad = [one for one in told if one["response"]["status_code"] >= 300]
        for name, content in (("output_file_id", good), ("error_file_id", [*bad, *errors])):
            if content:
                text = "".join(json.dumps(one) + "\n" for one in content)
                batch[name] = self._keep(text.encode())

    async def _list(self, request: web.Request) -> web.Response:
        del request
        data = self.batches[::-1]
        return web.json_response({"object": "list", "data": data, "has_more": False})

    async def _show(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        found = next((one for one in self.batches if one["id"] == id), None)
        return _refused("no such batch", 404) if found is None else web.json_response(found)

    async def _cancel(self, request: web.Request) -> web.Response:
        task = self._tasks.get(request.match_info["id"])
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return await self._show(request)

    async def _stop(self, app: web.Application) -> None:
        del app
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _keep(self, content: bytes) -> str:
        id = f"file-{len(self._files) + 1}"
        self._files[id] = content
        return id


def _wrong(lines: list[dict[str, Any]], endpoint: str) -> str | None:
    """What the API refuses."""
    if len({line["custom_id"] for line in lines}) < len(lines):
        return "a custom_id stands twice"
    if any(line["url"] != endpoint or line["method"] != "POST" for line in lines):
        return "a line is for another endpoint"
    if len({line["body"]["model"] for line in lines}) != 1:
        return "one model a batch"
    return None


def _refused(said: str, status: int = 400) -> web.Response:
    return web.json_response({"error": {"message": said, "type": "invalid"}}, status=status)

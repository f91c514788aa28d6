"""A model that its service will shut down is named by `check`."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.test_job import job

from promptlathe.job.checks import shutdown_notes, shutdowns
from promptlathe.models.settings import ModelSettings
from promptlathe.models.shutdown import shutdown_dates

TODAY = date(2026, 11, 26)
MODELS = [
    {"id": "old", "object": "model", "created": 1, "owned_by": "x", "shutdown_date": "2026-12-11"},
    {"id": "gone", "object": "model", "created": 1, "owned_by": "x", "shutdown_date": "2026-11-01"},
    {"id": "far", "object": "model", "created": 1, "owned_by": "x", "shutdown_date": "2027-12-01"},
    {"id": "new", "object": "model", "created": 1, "owned_by": "x"},
]


class Lists:
    """A service that lists its models."""

    def __init__(self) -> None:
        self.said: Any = {"object": "list", "data": MODELS}
        self.calls = 0

    async def models(self, request: web.Request) -> web.Response:
        if self.said == "hang":
            await asyncio.sleep(30)
        return web.json_response(self.said)

    async def chat(self, request: web.Request) -> web.Response:
        self.calls += 1
        return web.json_response({})


@pytest.fixture
async def service() -> AsyncIterator[tuple[Lists, str]]:
    lists, app = Lists(), web.Application()
    app.router.add_get("/v1/models", lists.models)
    app.router.add_post("/v1/chat/completions", lists.chat)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield lists, f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("name", "said"),
    [("old", "in 15 days"), ("gone", "it may be gone"), ("far", None), ("new", None)],
)
async def test_it_is_named_with_the_date(
    service: tuple[Lists, str], tmp_path: Path, name: str, said: str | None
) -> None:
    lists, url = service
    one = job(tmp_path, model={"name": name, "base_url": url})
    dates = await asyncio.to_thread(shutdowns, one)
    notes = shutdown_notes(dates, TODAY, one.retire.warn_days)
    assert [note for note in notes if said and name in note and said in note] == notes
    assert len(notes) == (said is not None)
    assert lists.calls == 0


@pytest.mark.parametrize("said", [{}, [], {"data": [{"id": 3, "shutdown_date": "soon"}]}, None])
async def test_a_service_with_another_list_says_nothing(
    service: tuple[Lists, str], said: object
) -> None:
    lists, url = service
    lists.said = said
    settings = ModelSettings(name="old", base_url=url)
    assert await asyncio.to_thread(shutdown_dates, settings) == {}


async def test_a_service_that_hangs_holds_up_nothing(
    service: tuple[Lists, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptlathe.models.shutdown.SECONDS", 0.2)
    lists, url = service
    lists.said = "hang"
    settings = ModelSettings(name="old", base_url=url)
    async with asyncio.timeout(10):
        assert await asyncio.to_thread(shutdown_dates, settings) == {}
    assert shutdown_dates(ModelSettings(name="pocket")) == {}

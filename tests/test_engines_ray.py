"""What only the Ray engine has: a cluster to join, and workers that can die."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from promptlathe.errors import InputError
from promptlathe.evaluate.cluster import Cluster
from promptlathe.evaluate.ray_engine import RayEngine
from promptlathe.models import ModelSettings
from promptlathe.records import Answer, Failure, Message


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    with Cluster("local"):
        yield


class Gate:
    """Holds every call until it is opened; knows the worker process of each by its port."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.busy = 0
        self.total = 0
        self.url = ""

    async def handle(self, _: web.Request) -> web.Response:
        self.total += 1
        self.busy += 1
        try:
            await self.open.wait()
        finally:
            self.busy -= 1
        return web.json_response({"choices": [{"message": {"content": "yes"}}]})

    @property
    def settings(self) -> ModelSettings:
        return ModelSettings(name="m", base_url=self.url, retries=0)


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    gate = Gate()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", gate.handle)
    async with TestServer(app, handler_cancellation=True) as server:
        gate.url = str(server.make_url("/v1"))
        yield gate
        gate.open.set()


async def submit(engine: RayEngine, gate: Gate, count: int) -> None:
    for i in range(count):
        engine.submit(gate.settings.call([Message("user", str(i))]))


async def replies(engine: RayEngine) -> list[Answer | Failure]:
    found: list[Answer | Failure] = []
    while batch := await engine.next():
        found += [reply for _, reply in batch]
    return found


async def until_busy(gate: Gate, count: int) -> None:
    while gate.busy != count:
        await asyncio.sleep(0.01)


def kill_worker(engine: RayEngine) -> None:
    """As a failing machine does."""
    import ray

    ray.kill(engine._links[0].actor)


async def test_the_calls_of_a_dead_worker_go_to_another(cluster: None, gate: Gate) -> None:
    async with RayEngine(gate.settings, 4, workers=2) as engine:
        await submit(engine, gate, 4)
        await until_busy(gate, 4)
        kill_worker(engine)
        await until_busy(gate, 2)
        gate.open.set()
        found = await replies(engine)
    assert [type(reply) for reply in found] == [Answer] * 4
    assert gate.total == 6


async def test_without_workers_the_calls_come_back_as_failures(cluster: None, gate: Gate) -> None:
    async with RayEngine(gate.settings, 4, workers=2) as engine:
        await submit(engine, gate, 10)
        await until_busy(gate, 4)
        kill_worker(engine)
        kill_worker(engine)
        found = await replies(engine)
        await submit(engine, gate, 1)
        found += await replies(engine)
    assert [reply.reason for reply in found if isinstance(reply, Failure)] == ["connection"] * 11


async def test_a_worker_that_has_proved_itself_is_replaced(cluster: None, gate: Gate) -> None:
    gate.open.set()
    async with RayEngine(gate.settings, 1, workers=1) as engine:
        await submit(engine, gate, 1)
        await replies(engine)
        gate.open.clear()
        await submit(engine, gate, 2)
        await until_busy(gate, 1)
        kill_worker(engine)
        gate.open.set()
        assert [type(reply) for reply in await replies(engine)] == [Answer, Answer]


def test_an_address_without_a_cluster_is_named_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(InputError, match=address):
        Cluster(address)
    with pytest.raises(InputError, match="ray://"):
        Cluster("ray://127.0.0.1:10001")
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ


def test_a_cluster_of_ones_own_leaves_no_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    if ray.is_initialized():
        pytest.skip("another test holds a cluster")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    before = dict(os.environ)
    mine = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        handler = signal.getsignal(signal.SIGTERM)
        with Cluster("local"):
            assert signal.getsignal(signal.SIGTERM) is handler
            assert ray.is_initialized()
        assert not ray.is_initialized()
        assert signal.getsignal(signal.SIGTERM) is handler
        assert dict(os.environ) == before
    finally:
        signal.signal(signal.SIGTERM, mine)

"""What only the Ray engine has: a cluster to join, and workers that can die."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from promptlathe.errors import InputError
from promptlathe.models import ModelSettings
from promptlathe.records import Answer, Failure, Message
from promptlathe.runtime.cluster import Cluster
from promptlathe.runtime.ray_engine import RayEngine


class Gate:
    """Holds every call until it is opened."""

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


def kill_workers(engine: RayEngine, count: int = 1) -> None:
    """As a failing machine does."""
    import ray

    for link in engine._links[:count]:
        ray.kill(link.actor)


async def test_the_calls_of_a_dead_worker_go_to_another(cluster: None, gate: Gate) -> None:
    async with RayEngine(gate.settings, 4, workers=2) as engine:
        await submit(engine, gate, 4)
        await until_busy(gate, 4)
        kill_workers(engine)
        await until_busy(gate, 2)
        gate.open.set()
        found = await replies(engine)
    assert [type(reply) for reply in found] == [Answer] * 4
    assert gate.total == 6


async def test_without_workers_the_calls_come_back_as_failures(cluster: None, gate: Gate) -> None:
    async with RayEngine(gate.settings, 4, workers=2) as engine:
        await submit(engine, gate, 10)
        await until_busy(gate, 4)
        kill_workers(engine, 2)
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
        kill_workers(engine)
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


OWN = """
import os, signal, sys
from promptlathe.runtime.cluster import Cluster

mine = lambda *_: None
signal.signal(signal.SIGTERM, mine)
before = dict(os.environ)
with Cluster("auto"):
    import ray
    assert ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is mine
    addresses = ray.get_runtime_context().gcs_address
assert not ray.is_initialized()
assert signal.getsignal(signal.SIGTERM) is mine
assert dict(os.environ) == before
print(addresses.rpartition(":")[0])
"""


def test_auto_passes_over_a_dead_cluster_and_leaves_no_traces() -> None:
    # Unix sockets lie in this folder, and their paths must be short.
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        Path(folder, "ray").mkdir()
        Path(folder, "ray", "ray_current_cluster").write_text("127.0.0.1:1")
        env = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"} | {"RAY_TMPDIR": folder}
        assert python(OWN, env) == "127.0.0.1"


JOIN = """
import asyncio
from promptlathe.runtime.ray_engine import RayEngine
from promptlathe.models import ModelSettings
from promptlathe.records import Message

async def main():
    settings = ModelSettings(name="pocket")
    async with RayEngine(settings, 1, workers=1, address="auto") as engine:
        engine.submit(settings.call([Message("user", "hello")]))
        [(call, answer)] = await engine.next()
        print(bool(answer.text))

asyncio.run(main())
"""


def test_a_running_cluster_is_joined_and_left_running(cluster: None) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    env = {k: v for k, v in os.environ.items() if k not in STARTED} | {"RAY_ADDRESS": address}
    assert python(JOIN, env) == "True"
    assert ray.get(ray.put(1)) == 1
    assert [node["Alive"] for node in ray.nodes()] == [True]


STARTED = {"RAY_AUTH_MODE", "OMP_NUM_THREADS", "PYTHONPATH"}


def python(script: str, env: dict[str, str]) -> str:
    """What a script prints, run by this interpreter in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

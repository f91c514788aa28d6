"""What only the Ray engine has: a cluster to join, and workers that can die."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

import promptlathe
from promptlathe.errors import InputError
from promptlathe.models import ModelSettings
from promptlathe.records import Answer, Failure
from promptlathe.runtime.cluster import Cluster
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.runtime.ray_engine import RayEngine
from promptlathe.runtime.shares import shares, slots
from promptlathe.testing.engines import call, serving

pytestmark = pytest.mark.ray


def tasks(engine: RayEngine, lanes: Lanes, number: int) -> list[asyncio.Task[Answer | Failure]]:
    """Calls under way that the service holds."""
    return [asyncio.create_task(engine.send(call(lanes, f"wait {i}"))) for i in range(number)]


def kill_workers(engine: RayEngine, count: int = 1) -> None:
    """As a failing machine does."""
    import ray

    for link in engine._links[:count]:
        ray.kill(link.actor)


async def test_the_calls_of_a_dead_worker_go_to_another(cluster: None) -> None:
    async with serving() as service:
        lanes = Lanes({"task": service.lane(slots=4)})
        async with RayEngine(lanes, workers=2) as engine:
            sent = tasks(engine, lanes, 4)
            await service.until_busy(4)
            kill_workers(engine)
            await service.until_busy(2)
            service.open.set()
            found = await asyncio.gather(*sent)
        assert [type(reply) for reply in found] == [Answer] * 4
        assert len(service.seen) == 6


async def test_a_call_that_two_workers_died_with_has_failed(cluster: None) -> None:
    async with serving() as service:
        lanes = Lanes({"task": service.lane(slots=3)})
        async with RayEngine(lanes, workers=3) as engine:
            [sent] = tasks(engine, lanes, 1)
            for attempt in (1, 2):
                while len(service.seen) < attempt:
                    await asyncio.sleep(0.005)
                [place] = [i for i, link in enumerate(engine._links) if link.sent]
                engine._links.insert(0, engine._links.pop(place))
                kill_workers(engine)
            found = await sent
            assert isinstance(found, Failure)
            assert (found.reason, found.billed) == ("connection", 1)
            assert "two Ray workers died" in found.detail
            service.open.set()
            [again] = tasks(engine, lanes, 1)
            assert isinstance(await again, Answer)


async def test_a_lane_whose_only_worker_dies_twice_fails_alone(cluster: None) -> None:
    async with serving() as service:
        lanes = Lanes({"task": service.lane(slots=1), "judge": service.lane(slots=1)})
        async with RayEngine(lanes, workers=2) as engine:
            assert [set(link.slots) for link in engine._links] == [{"task"}, {"judge"}]
            lost = tasks(engine, lanes, 2)
            for attempt in (1, 2):
                while len(service.seen) < attempt:
                    await asyncio.sleep(0.005)
                engine._links.sort(key=lambda link: "judge" in link.slots)
                kill_workers(engine)
            found = await asyncio.gather(*lost)
            judged = await engine.send(call(lanes, "fine", role="judge"))
    assert [reply.reason for reply in found if isinstance(reply, Failure)] == ["connection"] * 2
    assert isinstance(judged, Answer)


async def test_a_worker_that_has_proved_itself_is_replaced(cluster: None) -> None:
    async with serving() as service:
        lanes = Lanes({"task": service.lane(slots=1)})
        async with RayEngine(lanes, workers=1) as engine:
            await engine.send(call(lanes, "first"))
            sent = tasks(engine, lanes, 2)
            await service.until_busy(1)
            kill_workers(engine)
            service.open.set()
            found = await asyncio.gather(*sent)
    assert [type(reply) for reply in found] == [Answer, Answer]


async def test_keys_and_addresses_are_those_of_the_driver(
    cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers were started without these variables."""
    async with serving() as service:
        monkeypatch.setenv("OPENAI_BASE_URL", service.url)
        monkeypatch.setenv("SOME_LANES_KEY", "secret")
        settings = ModelSettings(name="m", api_key_env="SOME_LANES_KEY", retries=0)
        lanes = Lanes({"task": Lane(settings, 1), "judge": service.lane("j")})
        async with RayEngine(lanes, workers=1) as engine:
            for role in ("task", "judge"):
                assert isinstance(await engine.send(call(lanes, "x", role=role)), Answer)
        assert service.seen == [("m", "x"), ("j", "x")]


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 9, 40])
def test_slots_are_divided_and_none_is_lost(workers: int) -> None:
    settings = ModelSettings(name="pocket")
    lanes = Lanes(
        {
            "task": Lane(settings, 8, "service"),
            "task/plan": Lane(settings, 8, "service"),
            "judge": Lane(settings, 2),
            "rewrite": Lane(settings, 1),
        }
    )
    split = shares(lanes, workers)
    assert len(split) == min(workers, 11)
    totals = Counter[str]()
    for one in split:
        assert one.by_name
        totals.update(slots(one))
        assert ("task" in one.by_name) == ("task/plan" in one.by_name)
    assert totals == {"service": 8, "judge": 2, "rewrite": 1}
    most = max(sum(slots(one).values()) for one in split)
    assert most - min(sum(slots(one).values()) for one in split) <= 1


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
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.runtime.ray_engine import RayEngine
from promptlathe.models import ModelSettings
from promptlathe.testing.engines import call

async def main():
    lanes = Lanes({"task": Lane(ModelSettings(name="pocket"), 1)})
    async with RayEngine(lanes, workers=1, address="auto") as engine:
        answer = await engine.send(call(lanes, "hello"))
        print(bool(answer.text))

asyncio.run(main())
"""


def test_a_running_cluster_is_joined_and_left_running(cluster: None) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    env = {k: v for k, v in os.environ.items() if k not in STARTED}
    env |= {"RAY_ADDRESS": address, "PYTHONPATH": str(Path(promptlathe.__file__).parents[1])}
    assert python(JOIN, env) == "True"
    assert ray.get(ray.put(1)) == 1
    assert [node["Alive"] for node in ray.nodes()] == [True]


STARTED = {"RAY_AUTH_MODE", "OMP_NUM_THREADS"}


def python(script: str, env: dict[str, str]) -> str:
    """What a script prints, run by this interpreter in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

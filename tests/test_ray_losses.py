"""Workers, nodes and clusters that are lost: what is told, what goes on, and how a run ends."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.test_exit_codes import answers

from promptlathe.errors import ClusterLost, InputError
from promptlathe.models.pocket.faults import Faults
from promptlathe.models.pocket.server import serve
from promptlathe.records import Answer, Failure
from promptlathe.runtime import actors, cluster_watch
from promptlathe.runtime.cluster import Cluster
from promptlathe.runtime.cluster_watch import ClusterWatch, Part
from promptlathe.runtime.lanes import Lanes
from promptlathe.runtime.links import Place
from promptlathe.runtime.losses import Losses
from promptlathe.runtime.ray_engine import RayEngine
from promptlathe.testing.engines import call, serving

pytestmark = [pytest.mark.ray, pytest.mark.slow]


async def test_a_silent_worker_s_calls_go_to_another(
    cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While all calls wait for their service: one that only waits is not taken for lost."""
    monkeypatch.setattr(actors, "BEAT", 0.75)
    async with serving() as service:
        lanes = Lanes({"task": service.lane(slots=4)})
        async with RayEngine(lanes, workers=2) as engine:
            sends = [asyncio.create_task(engine.send(call(lanes, f"wait {i}"))) for i in range(4)]
            await service.until_busy(4)
            os.kill(engine._links[0].place.process, signal.SIGSTOP)
            while not engine.notices:
                await asyncio.sleep(0.01)
            [told] = engine.notices
            while len(engine._links) < 2:
                await asyncio.sleep(0.01)
            service.open.set()
            found = await asyncio.gather(*sends)
            [note] = engine.notes
    assert [type(reply) for reply in found] == [Answer] * 4
    assert len(service.seen) == 6
    assert "(not heard for 3 s), 2 calls are sent again" in told
    assert note.startswith("Ray workers were lost: 1 on ")
    assert note.endswith("replaced: 1; calls sent again: 2")


NODES = """
import sys
from ray.cluster_utils import Cluster

lean = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
nodes = Cluster(initialize_head=True, head_node_args=lean)
nodes.add_node()
print(nodes.address, flush=True)
sys.stdin.read()
nodes.shutdown()
"""
LOCAL = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture
def nodes() -> Iterator[tuple[str, int, int]]:
    """A cluster of two: its address, and the processes of its head and the other node's raylet."""
    with subprocess.Popen(
        [sys.executable, "-c", NODES],
        env=os.environ | LOCAL,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        address = process.stdout.readline().strip()
        named = [(command(one), one) for one in children(process.pid)]
        [head] = [one for name, one in named if name == "gcs_server"]
        yield address, head, max(one for name, one in named if name == "raylet")
        process.stdin.close()


def children(process: int) -> list[int]:
    """Its processes."""
    task = Path(f"/proc/{process}/task")
    return [int(one) for path in task.glob("*/children") for one in path.read_text().split()]


def command(process: int) -> str:
    """The name of what it runs."""
    return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[0].decode().split("/")[-1]


RUN = """
import sys
from pathlib import Path
from tests.test_job import job
from promptlathe.errors import ClusterLost
from promptlathe.job import run
from promptlathe.job.runfile import ParallelOptions
from promptlathe.runtime import actors, cluster, cluster_watch

actors.BEAT, cluster.PATIENCE, cluster_watch.LOOK = 1.0, 1.0, 0.2

class Watch:
    def update(self, view):
        for said in view.engine.notices:
            print(said, flush=True)

workspace, url, address = sys.argv[1:]
model = {"name": "pocket", "base_url": url, "retries": 0}
ray = ParallelOptions(engine="ray", concurrency=4, workers=2, address=address)
try:
    run(job(Path(workspace), calls=20000, model=model, parallel=ray), progress=Watch())
except ClusterLost as error:
    print(error)
    sys.exit(error.exit_code)
"""


async def test_a_run_goes_on_without_a_node_and_ends_without_the_head(
    nodes: tuple[str, int, int], tmp_path: Path
) -> None:
    address, head, raylet = nodes
    async with serve(faults=Faults(latency=0.1)) as server:
        with subprocess.Popen(
            [sys.executable, "-c", RUN, str(tmp_path), server.base_url, address],
            env=os.environ | LOCAL,
            stdout=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stdout
            while server.answered < 20:
                assert run.poll() is None
                await asyncio.sleep(0.02)
            for one in (raylet, *children(raylet)):  # as a machine that loses its power
                os.kill(one, signal.SIGKILL)
            lost = await asyncio.to_thread(run.stdout.readline)
            before = server.answered
            while server.answered < before + 20:
                await asyncio.sleep(0.02)
            os.kill(head, signal.SIGKILL)
            said = await asyncio.to_thread(run.stdout.read)
        paid = server.answered
    assert "was lost (" in lost
    assert f"the head of the Ray cluster (GCS) at {address} is gone" in said
    assert "start the Ray cluster again, then start the same command again" in said
    assert run.returncode == 1
    assert paid - 8 <= answers(tmp_path) <= paid


async def test_workers_that_die_without_an_answer_end_the_run(cluster: None) -> None:
    """Each has one successor; then nothing can carry a call."""
    async with serving() as service:
        lanes = Lanes({"task": service.lane(slots=1)})
        async with RayEngine(lanes, workers=1) as engine:
            sends = [asyncio.create_task(engine.send(call(lanes, f"wait {i}"))) for i in range(2)]
            for attempt in (1, 2):
                while len(service.seen) < attempt:
                    await asyncio.sleep(0.01)
                os.kill(engine._links[0].place.process, signal.SIGKILL)
            first, later = await asyncio.gather(*sends, return_exceptions=True)
            with pytest.raises(ClusterLost, match="every Ray worker"):
                await engine.send(call(lanes, "more"))
    assert isinstance(first, Failure)
    assert isinstance(later, ClusterLost)


async def test_another_version_on_a_worker_is_told(
    cluster: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actors, "version", lambda: "0.0.1")
    async with serving() as service:
        engine = RayEngine(Lanes({"task": service.lane()}), workers=1)
        with pytest.raises(InputError, match=r"promptlathe \S+ is installed on .*, 0\.0\.1 here"):
            await engine.start()


async def test_the_parts_of_a_cluster_are_there(cluster: None) -> None:
    with Cluster("auto") as joined:
        parts = joined.watch()._parts
    assert len({part.address for part in parts}) == 2
    assert [await part.missing() for part in parts] == ["", ""]


async def test_a_part_that_stays_away_is_told_then_the_cluster_is_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster_watch, "LOOK", 0.01)
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    watch = ClusterWatch([Part("its head", f"127.0.0.1:{port}", 0.5)], "start it")
    lost = asyncio.create_task(watch.until_lost())
    for there in (True, False, True, False):
        if not there:
            server.close()
            await server.wait_closed()
        elif not server.is_serving():
            server = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
        while bool(watch.notice) == there:
            await asyncio.sleep(0.01)
        assert not lost.done()
        await asyncio.sleep(0.05)
    assert "its head is away: waited 0 s of 0 s" in watch.notice
    assert f"its head at 127.0.0.1:{port} is gone" in str(await lost)


def test_losses_are_told_for_a_while_and_noted_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = Losses()
    assert (*losses.notices(starting=True), *losses.notes) == ()
    losses.add(Place("10.0.0.3", "n", 42), "it died", 3)
    assert losses.notices(starting=False) == (
        "the Ray worker 42 on 10.0.0.3 was lost (it died), 3 calls are sent again",
    )
    losses.add(Place("10.0.0.3", "n", 43), "it died", 1)
    losses.replaced()
    monkeypatch.setattr("promptlathe.runtime.losses.NEWS", 0)
    assert losses.notices(starting=False) == ()
    assert "worker 43" in losses.notices(starting=True)[0]
    assert losses.notes == (
        "Ray workers were lost: 2 on 10.0.0.3 (it died); replaced: 1; calls sent again: 4",
    )


def test_a_cluster_of_another_version_is_told_with_both(cluster: None) -> None:
    import ray

    address = ray.get_runtime_context().gcs_address
    script = f"import ray; ray.__version__ = '1.2.3'\n{JOIN}"
    done = subprocess.run(
        [sys.executable, "-c", script, address], capture_output=True, text=True, timeout=120
    )
    ours = f"Python {sys.version.split()[0]}"
    assert (
        f"runs Ray {ray.__version__} and {ours}, this process Ray 1.2.3 and {ours}" in done.stdout
    )
    assert "install the same versions" in done.stdout


JOIN = """
import sys
from promptlathe.errors import InputError
from promptlathe.runtime.cluster import Cluster

try:
    Cluster(sys.argv[1])
except InputError as error:
    print(error)
"""


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_an_address_of_something_else_is_named_at_once(greeting: bytes) -> None:
    """A dashboard's, or one that hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(2):  # the first only knocks
                there, _ = server.accept()
                with there:
                    there.sendall(greeting)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(InputError, match="is no Ray cluster, or does not answer"):
            Cluster(f"127.0.0.1:{server.getsockname()[1]}")
        thread.join()

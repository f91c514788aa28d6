"""The engine `batch`: its contract, rounds, what is found again, and what it costs."""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import OBJECTIVE, essence
from tests.scripted_jobs import LABEL, SPACE, row_of

from promptlathe.errors import InputError
from promptlathe.job import Job
from promptlathe.job.plan import make_plan
from promptlathe.job.run import run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models import ModelSettings, Prices
from promptlathe.models.pricing import Price
from promptlathe.records import Answer, Budget, Call, Failure, Message, Request
from promptlathe.runtime.batch import BatchEngine
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.testing.engines import EngineContract
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

QUICK: dict[str, Any] = {"settle": 0.03, "poll": (0.01, 0.02)}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path) -> None:
    TestBatch.folder = tmp_path / "batches"


class TestBatch(EngineContract):
    """But for what a batch cannot do: a slow call holds up its neighbours, and has no limit."""

    folder = Path()

    def engine(self, lanes: Lanes) -> Engine:
        return BatchEngine(lanes, self.folder, **QUICK)

    def test_a_slow_call_holds_up_no_other(self) -> None:
        pytest.skip("a batch ends as a whole")

    def test_failures_are_data(self) -> None:
        pytest.skip("a call of a batch has no time limit: see below")


def lanes_to(server: ScriptedServer, slots: int = 100) -> Lanes:
    settings = ModelSettings(name="m", base_url=server.base_url, retries=0)
    return Lanes({"task": Lane(settings, slots, "p")})


def calls(lanes: Lanes, number: int) -> list[Call]:
    made = (Request((Message("user", f"text {i}"),)) for i in range(number))
    return [lanes.call(one, role="task", step="", repeat=0) for one in made]


def echo(arrived: Arrived) -> Reply:
    if arrived.prompt == "text 3":
        return Reply("too long", status=400, code="context_length_exceeded")
    return Reply(arrived.prompt)


@asynccontextmanager
async def opened(
    folder: Path, *, slots: int = 100
) -> AsyncGenerator[tuple[ScriptedServer, Lanes, BatchEngine]]:
    async with ScriptedServer(echo) as server:
        lanes = lanes_to(server, slots)
        async with BatchEngine(lanes, folder, **QUICK) as engine:
            yield server, lanes, engine


async def all_of(engine: BatchEngine, wanted: list[Call]) -> list[Answer | Failure]:
    return await asyncio.gather(*(engine.send(one) for one in wanted))


def texts(replies: list[Answer | Failure]) -> list[str]:
    return [one.text if isinstance(one, Answer) else one.reason for one in replies]


async def test_calls_go_in_rounds(tmp_path: Path) -> None:
    async with opened(tmp_path, slots=8) as (server, lanes, engine):
        replies = await all_of(engine, calls(lanes, 20))
        assert texts(replies)[:5] == ["text 0", "text 1", "text 2", "context_length", "text 4"]
        assert [one["request_counts"]["total"] for one in server.batches.batches] == [8, 8, 4]
        assert engine.notes == ["3 batches were sent"]
    assert not list(tmp_path.iterdir())


async def test_what_expires_is_a_failure_that_may_be_tried_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as (server, lanes, engine):
        server.batches.fate = lambda number: "expired"
        replies = await all_of(engine, calls(lanes, 4))
        assert texts(replies) == ["text 0", "timeout", "text 2", "timeout"]
        lost = [one for one in replies if isinstance(one, Failure)]
        assert all(one.retryable and not one.billed for one in lost)


async def test_a_batch_that_is_refused_fails_its_calls(tmp_path: Path) -> None:
    async with opened(tmp_path) as (server, lanes, engine):
        server.batches.fate = lambda number: "failed" if number == 1 else "completed"
        assert set(texts(await all_of(engine, calls(lanes, 3)))) == {"rate_limited"}
        assert texts(await all_of(engine, calls(lanes, 3))) == ["text 0", "text 1", "text 2"]


async def test_a_batch_whose_making_was_not_heard_of_is_found(tmp_path: Path) -> None:
    async with opened(tmp_path) as (server, lanes, engine):
        server.batches.fate = lambda number: "unheard"
        assert texts(await all_of(engine, calls(lanes, 3))) == ["text 0", "text 1", "text 2"]
        assert len(server.batches.batches) == 1


async def test_nobody_listens(tmp_path: Path) -> None:
    async with ScriptedServer(echo) as server:
        lanes = lanes_to(server)
    async with BatchEngine(lanes, tmp_path, **QUICK) as engine:
        [reply] = await all_of(engine, calls(lanes, 1))
    assert isinstance(reply, Failure)
    assert reply.unsent


async def killed(engine: BatchEngine, works: list[asyncio.Task[Any]]) -> None:
    """Without a chance to say goodbye."""
    for task in [*engine._tasks, *works]:  # pyright: ignore[reportPrivateUsage]
        task.cancel()
    engine._records.let_go()  # pyright: ignore[reportPrivateUsage]
    await asyncio.sleep(0)


@pytest.mark.parametrize("heard", [True, False])
async def test_a_killed_run_finds_its_batch(heard: bool, tmp_path: Path) -> None:
    """Also one whose making it did not live to hear of. No line is sent twice."""
    async with ScriptedServer(echo) as server:
        lanes = lanes_to(server)
        server.batches.held = True
        first = BatchEngine(lanes, tmp_path, **QUICK)
        await first.start()
        works = [asyncio.create_task(first.send(one)) for one in calls(lanes, 3)[:3]]
        while not server.batches.batches:
            await asyncio.sleep(0.005)
        if heard:
            await asyncio.sleep(0.05)
        await killed(first, works)
        server.batches.held = False
        async with BatchEngine(lanes, tmp_path, **QUICK) as engine:
            found = texts(await all_of(engine, calls(lanes, 5)))
            assert found[:3] == ["text 0", "text 1", "text 2"]
            assert "3 calls were in batches of an earlier run" in engine.notes
        sizes = [one["request_counts"]["total"] for one in server.batches.batches]
        assert sorted(sizes) == [2, 3]
        assert len(server.arrived) == 5
        assert not list(tmp_path.iterdir())


async def test_a_stopped_run_cancels_its_batches_and_keeps_what_was_answered(
    tmp_path: Path,
) -> None:
    def one_hangs(arrived: Arrived) -> Reply:
        return Reply(arrived.prompt, fault="hang" if "1" in arrived.prompt else None)

    async with ScriptedServer(one_hangs) as server:
        lanes = lanes_to(server)
        first = BatchEngine(lanes, tmp_path, **QUICK)
        await first.start()
        works = [asyncio.create_task(first.send(one)) for one in calls(lanes, 3)]
        made = server.batches.batches
        while not made or made[0]["request_counts"]["completed"] < 2 or len(server.arrived) < 3:
            await asyncio.sleep(0.005)
        await first.close()
        ended = await asyncio.gather(*works, return_exceptions=True)
        assert {type(one) for one in ended} == {RuntimeError}
        assert made[0]["status"] == "cancelled"
        async with BatchEngine(lanes, tmp_path, **QUICK) as engine:
            again = calls(lanes, 3)
            replies = await all_of(engine, [again[0], again[2]])
            assert texts(replies) == ["text 0", "text 2"]
        assert len(server.batches.batches) == 1


PRICE = Price(input=1, output=3)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 1000}


def label(arrived: Arrived) -> Reply:
    good = LABEL[row_of(arrived)] if "label only" in arrived.prompt else "none"
    return Reply(good, usage=USAGE)


def job_at(url: str, workspace: Path, **more: Any) -> Job:
    given: dict[str, Any] = {
        "model": ModelSettings(name="m", base_url=url, retries=1),
        "budget": Budget(calls=120),
        "parallel": ParallelOptions(engine="batch", concurrency=40),
        "search": SearchOptions(policy="halving", operators=()),
        "prices": Prices({"m": PRICE}),
        "track": False,
        "workspace": workspace,
    }
    return Job(SPACE, OBJECTIVE, **(given | more))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BatchEngine.__init__, "__kwdefaults__", QUICK)


@pytest.mark.usefixtures("quick")
def test_a_job_runs_in_rounds_at_half_the_price(tmp_path: Path) -> None:
    with ScriptedServer(label) as server:
        plan = make_plan(job_at(server.base_url, tmp_path))
        result = run(job_at(server.base_url, tmp_path))
        sizes = [one["request_counts"]["total"] for one in server.batches.batches]
    assert any("calls go in batches of up to 40" in note for note in plan.notes)
    assert sum(sizes) == len(server.arrived) == result.spent.calls
    assert sizes[0] == 8, "few until one says something"
    assert max(sizes) <= 40
    assert len(sizes) < len(server.arrived) / 3
    assert result.spent.usd == pytest.approx(len(server.arrived) * PRICE.of(1000, 1000) / 2)
    assert any("batches were sent" in note for note in result.notes)
    assert result.test.best > result.test.seed


@pytest.mark.slow
def test_a_run_that_was_killed_pays_no_call_twice(tmp_path: Path, quick: None) -> None:
    code = (
        "import sys; from pathlib import Path; from tests import test_batch as t\n"
        "t.BatchEngine.__init__.__kwdefaults__.update(t.QUICK)\n"
        "t.run(t.job_at(sys.argv[1], Path(sys.argv[2])))"
    )
    with ScriptedServer(label) as server:
        server.batches.fate = lambda number: "completed"
        whole = run(job_at(server.base_url, tmp_path / "whole"))
        before = len(server.batches.lines)
        workspace = tmp_path / "killed"
        child = subprocess.Popen([sys.executable, "-c", code, server.base_url, str(workspace)])
        batches = len(server.batches.batches)
        while len(server.batches.batches) < batches + 2 and child.poll() is None:
            time.sleep(0.005)
        server.batches.held = True
        while not any(one["status"] == "in_progress" for one in server.batches.batches):
            assert child.poll() is None
            time.sleep(0.005)
        child.kill()
        child.wait()
        server.batches.held = False
        result = run(job_at(server.base_url, workspace))
        sent = Counter(json.dumps(one["body"]) for one in server.batches.lines[before:])
    assert set(sent.values()) == {1}
    assert essence(result) == essence(whole)
    assert any("in batches of an earlier run" in note for note in result.notes)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"model": ModelSettings(name="m", base_url="http://h/v1", service_tier="flex")}, "tier"),
        (
            {"model": ModelSettings(name="m", base_url="http://h/v1", extra_headers={"a": "b"})},
            "hea",
        ),
        ({"model": ModelSettings(name="pocket")}, "no batch takes calls of pocket"),
    ],
)
def test_what_no_batch_takes(more: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        make_plan(job_at("http://h/v1", tmp_path, **more))

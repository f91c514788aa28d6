"""How fast a service is asked, outages that are waited out, and what is told meanwhile."""

import asyncio
import time
from pathlib import Path

import pytest
from tests.jobs import essence
from tests.scripted_jobs import LABEL, Service, job, result_of, row_of, settings
from tests.test_job import CALLS, served
from tests.test_job import job as pocket_job

from promptlathe.errors import ModelUnavailable
from promptlathe.job import run
from promptlathe.job.progress import View
from promptlathe.job.runfile import SearchOptions
from promptlathe.models.pocket.faults import Faults
from promptlathe.models.pocket.server import serve
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Budget, Failure
from promptlathe.runtime.pacing import CUT, Pace
from promptlathe.runtime.quota import Quota
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

ANSWER, FULL = Answer("x"), Failure("rate_limited", "too many")


async def never() -> bool:
    return False


def pace(slots: int = 16) -> Pace:
    return Pace("host", slots, never)


async def under_way(one: Pace, asked: int) -> int:
    """How many of so many calls may begin at once; all are given up again."""
    tasks = [asyncio.create_task(one.enter()) for _ in range(asked)]
    await asyncio.sleep(0)
    begun = one.under_way
    for task in tasks:
        if task.done():
            one.leave(None)
        else:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert one.under_way == 0
    return begun


async def ended(one: Pace, *replies: Answer | Failure) -> None:
    for reply in replies:
        await one.enter()
        one.leave(reply)


async def test_slots_follow_what_is_refused_and_come_back() -> None:
    one = pace()
    assert await under_way(one, 40) == 16
    await ended(one, *[FULL] * 16)
    assert await under_way(one, 40) == int(16 * (1 - CUT))
    await ended(one, *[FULL] * 200)
    assert await under_way(one, 40) == 1
    await ended(one, *[ANSWER] * 300)
    assert await under_way(one, 40) == 16


async def test_a_service_works_as_long_as_it_answers_some_calls() -> None:
    one, lost = pace(), Failure("connection", "lost", 1)
    assert not one.working
    await ended(one, *[ANSWER, lost, lost] * 10)
    assert one.working
    await ended(one, *[lost] * 16)
    assert not one.working
    await ended(one, *[ANSWER] * 5)
    assert one.working


async def test_a_few_refusals_and_other_failures_change_nothing() -> None:
    one = pace()
    others = [Failure("server_error", "500"), Failure("malformed", "{", 1)]
    await ended(one, *[*[ANSWER] * 7, FULL, *others] * 20)
    assert await under_way(one, 40) == 16


@pytest.mark.parametrize(
    "said",
    [[Failure("rate_limited", "wait", retry_after=0.2)] * 16, [Answer("x", rest=0.2), ANSWER]],
    ids=["refused", "answered"],
)
async def test_a_full_service_s_wish_to_wait_holds_for_all_calls(
    said: list[Answer | Failure],
) -> None:
    one = pace()
    tasks = [asyncio.create_task(one.enter()) for _ in said]
    await asyncio.gather(*tasks)
    for reply in said:
        one.leave(reply)
    start = time.monotonic()
    waiting = asyncio.create_task(one.enter())
    await asyncio.sleep(0.05)
    assert "asks to wait" in one.notice
    await waiting
    assert time.monotonic() - start >= 0.19
    one.leave(ANSWER)


async def test_a_call_that_is_cancelled_while_it_waits_leaves_its_slot() -> None:
    one = pace(1)
    await one.enter()
    waiting = asyncio.create_task(one.enter())
    await asyncio.sleep(0)
    one.leave(ANSWER)  # the slot is handed over
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert await under_way(one, 3) == 1


async def test_calls_and_tokens_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlathe.runtime.quota.MINUTE", 0.5)
    for quota in (Quota(4, None), Quota(None, 400)):
        start = time.monotonic()
        taken = await asyncio.gather(*(quota.enter(100) for _ in range(10)))
        at = sorted(one.at - start for one in taken)
        assert at[3] < 0.4
        for first, fifth in zip(at, at[4:], strict=False):
            assert fifth - first >= 0.499
    quota = Quota(None, 400)
    (await quota.enter(1000)).tokens = 10  # alone it goes, and took less
    assert (await asyncio.wait_for(quota.enter(300), 0.4)).tokens == 300


@pytest.mark.parametrize("status", [401, 403, 404, 429])
async def test_what_fails_systematically_stops_within_twenty_calls(
    tmp_path: Path, status: int
) -> None:
    code = "insufficient_quota" if status == 429 else None
    fault = Reply("no", status=status, code=code, delay=0.05)
    async with ScriptedServer(Service(fault=lambda arrived: fault)) as server:
        model = settings(server, retries=5)
        with pytest.raises(ModelUnavailable) as caught:
            await result_of(job(server, tmp_path, concurrency=64, model=model))
        assert len(server.arrived) <= 20
    assert caught.value.exit_code == 5
    assert "→" in str(caught.value)


async def test_one_row_that_is_refused_is_that_row_s_failure(tmp_path: Path) -> None:
    flagged = list(LABEL)[:3]

    def fault(arrived: Arrived) -> Reply | None:
        return Reply("no", status=403) if row_of(arrived) in flagged else None

    async with ScriptedServer(Service(fault=fault)) as server:
        result = await result_of(job(server, tmp_path, concurrency=16))
    assert result.verdict in ("better", "no significant gain")
    assert result.test.missing == 0


class Watch:
    """Keeps what is told while nothing comes."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def update(self, view: View) -> None:
        self.notices += view.notices


async def test_an_outage_is_waited_out_and_told(tmp_path: Path) -> None:
    """The server goes away in the middle, and comes back: nothing is lost."""
    watch, faults = Watch(), Faults(latency=0.01)
    whole = run(pocket_job(tmp_path / "whole"))
    async with serve(faults=faults) as first:
        one = pocket_job(tmp_path / "gone", model={**served(first), "retries": 1})
        running = asyncio.ensure_future(asyncio.to_thread(run, one, progress=watch))
        while first.answered < 60:
            await asyncio.sleep(0.01)
        port = int(first.base_url.rsplit(":", 1)[1].split("/")[0])
    await asyncio.sleep(2.5)
    assert not running.done()
    async with serve(port=port) as second:
        result = await running
        answered = second.answered
    assert essence(result) == essence(whole)
    assert answered <= CALLS - 60
    assert any("takes no connection: waited" in said for said in watch.notices)


async def test_an_outage_that_lasts_ends_the_run(tmp_path: Path) -> None:
    async with serve(faults=Faults(latency=0.01)) as server:
        model = {**served(server), "retries": 5, "outage": 0.6}
        one = pocket_job(tmp_path, model=model, concurrency=8)
        running = asyncio.ensure_future(asyncio.to_thread(run, one))
        while server.answered < 40:
            await asyncio.sleep(0.01)
    with pytest.raises(ModelUnavailable, match="connection"):
        await running


async def test_a_server_that_hangs_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlathe.job.lanes.QUIET", 0.5)
    watch = Watch()
    async with ScriptedServer(Reply("late", delay=2.5)) as server:
        one = job(server, tmp_path, model=settings(server, timeout=2, retries=0))
        with pytest.raises(ModelUnavailable, match="timeout"):
            await asyncio.to_thread(run, one, progress=watch)
    assert any(said.startswith("no answer from 127.0.0.1") for said in watch.notices)


async def test_calls_that_wait_for_another_attempt_hold_up_no_other(tmp_path: Path) -> None:
    """Half of the rows are refused once, and asked to come back after a second."""
    seen = set[str]()

    def fault(arrived: Arrived) -> Reply | None:
        first = arrived.prompt not in seen
        seen.add(arrived.prompt)
        if first and arrived.number % 2:
            return Reply("busy", status=503, retry_after=1.0)
        return None

    service = Service(fault=fault)
    async with ScriptedServer(service) as server:
        search = SearchOptions(policy="random", operators=())
        model = settings(server, retries=2)
        one = job(
            server, tmp_path, concurrency=4, model=model, search=search, budget=Budget(calls=120)
        )
        await result_of(one)
        first = service.started[0][1]
    assert sum(at - first < 0.9 for _, at in service.started) > 4 * 4


async def test_minutes_limits_reach_the_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptlathe.runtime.quota.MINUTE", 1.0)
    service = Service()
    async with ScriptedServer(service) as server:
        model = settings(server, calls_per_minute=60)
        one = job(server, tmp_path, model=model, concurrency=16, budget=Budget(calls=110))
        await result_of(one)
    at = [at for _, at in service.started]
    assert at[60] - at[0] > 0.95
    assert ModelSettings(name="x").calls_per_minute is None

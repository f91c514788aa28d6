"""Units in, events out: ledger first, equal calls once, paid within the budget, order as recorded.

A real service, the local engine and a ledger in a file.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from promptlathe.ledger import Ledger
from promptlathe.models.pricing import Price, Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.records import (
    Answer,
    Budget,
    Candidate,
    Cell,
    Dropped,
    Event,
    Example,
    Failure,
    Message,
    Outcome,
    Prompt,
    Rewrite,
    Rewritten,
)
from promptlathe.runtime.account import Account
from promptlathe.runtime.amounts import Amounts
from promptlathe.runtime.caller import Caller
from promptlathe.runtime.evaluator import Evaluator
from promptlathe.runtime.forecast import Forecast
from promptlathe.runtime.health import Health
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.runtime.local import LocalEngine
from promptlathe.runtime.replay import WAITS, LeftRecord, ReplayedEvaluator
from promptlathe.runtime.writer import Writer
from promptlathe.scoring import Objective, exact_match
from promptlathe.targets import PromptTarget, StepsTarget

ROWS = [{"text": f"t{i}", "label": f"say t{i}" if i % 2 == 0 else "?"} for i in range(10)]
OBJECTIVE = Objective(ROWS, scorer=exact_match("label"))


@dataclass
class Service:
    """Says the prompt back; `says` answers otherwise, `held` texts wait for `open`."""

    seen: list[str] = field(default_factory=list)
    says: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    """By text, statuses and headers of the next requests, before it is answered."""
    held: set[str] = field(default_factory=set)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        text: str = (await request.json())["messages"][0]["content"]
        self.seen.append(text)
        if text in self.held:
            await self.open.wait()
        if self.says.get(text):
            status, headers = self.says[text].pop(0)
            if status == 0:
                await asyncio.sleep(5)
            return web.json_response({"error": {"message": "no"}}, status=status, headers=headers)
        usage = {"prompt_tokens": 10, "completion_tokens": 1}
        return web.json_response({"choices": [{"message": {"content": text}}], "usage": usage})

    async def until_seen(self, number: int) -> None:
        while len(self.seen) < number:
            await asyncio.sleep(0.005)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", service.handle)
    async with TestServer(app, handler_cancellation=True) as server:
        service.url = str(server.make_url("/v1"))
        try:
            yield service
        finally:
            service.open.set()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@asynccontextmanager
async def opened(
    service: Service,
    url: str,
    run: str | None = "run",
    *,
    budget: Budget | None = None,
    target: Any = None,
    slots: int = 20,
    **settings: Any,
) -> AsyncIterator[Evaluator]:
    model = ModelSettings(name="m", base_url=service.url, **{"retries": 0, **settings})
    lanes = Lanes({"task": Lane(model, slots), "rewrite": Lane(model, 2)})
    ledger = Ledger(url)
    account = Account(budget or Budget(), Prices({"m": Price(input=1, output=2)}))
    writer = Writer(ledger, run)
    async with LocalEngine(lanes) as engine:
        caller = Caller(engine, ledger, account, lanes, Health({"task": "m"}), writer)
        one = Evaluator(
            caller, writer, target or PromptTarget(), OBJECTIVE, Forecast(Amounts(calls=1))
        )
        try:
            yield one
        finally:
            await one.close()
            ledger.close()


def prompt(text: str, **parameters: Any) -> Prompt:
    return Prompt((Message("user", text),), tuple(sorted(parameters.items())))


def cell(row: int = 0, text: str = "say", *, repeat: int = 0, **parameters: Any) -> Cell:
    candidate = Candidate.single((), prompt(text + " {{ text }}", **parameters))
    return Cell(candidate, Example(f"e{row}", ROWS[row], "select"), repeat)


def chain(second: str, row: int = 0) -> Cell:
    prompts = {"plan": prompt("plan {{ text }}"), "answer": prompt(second + " {{ plan }}")}
    return Cell(Candidate((), prompts), Example(f"e{row}", ROWS[row], "select"))


def rewrite(text: str, number: int = 0) -> Rewrite:
    return Rewrite("rephrase", (Message("user", text),), number)


async def all_of(one: Evaluator | ReplayedEvaluator) -> list[Event]:
    found: list[Event] = []
    while event := await one.next():
        found.append(event)
    return found


async def outcomes(one: Evaluator | ReplayedEvaluator, *cells: Cell) -> list[Outcome]:
    for each in cells:
        assert one.submit(each) is None
    return [event for event in await all_of(one) if isinstance(event, Outcome)]


async def test_a_cell_is_sent_scored_and_counted(service: Service, url: str) -> None:
    async with opened(service, url) as one:
        found = {o.cell: o for o in await outcomes(one, cell(0), cell(1))}
        assert sorted(service.seen) == ["say t0", "say t1"]
        right, wrong = found[cell(0)], found[cell(1)]
        assert (right.value, right.cached, wrong.value) == (1.0, False, 0.0)
        assert right.cost == pytest.approx(12e-6)
        spent = one.caller.account.spent
        assert (spent.calls, spent.tokens) == (2, 22)
        assert one.caller.account.idle
        assert await one.next() is None


async def test_what_the_ledger_knows_is_not_sent_and_waits_for_nothing(
    service: Service, url: str
) -> None:
    async with opened(service, url) as first:
        await outcomes(first, cell(0))
    service.held.add("say t1")
    async with opened(service, url, "again") as again:
        again.submit(cell(1))
        again.submit(cell(0))
        known = await again.next()
        assert isinstance(known, Outcome)
        assert (known.cell, known.value, known.cached) == (cell(0), 1.0, True)
        assert service.seen.count("say t0") == 1
        spent = again.caller.account.spent
        assert (spent.cached_calls, again.caller.account.used.calls) == (1, 1)


async def test_equal_calls_under_way_are_one_request(service: Service, url: str) -> None:
    """Two prompts may make the same call: here one says what the settings say anyway."""
    same = [cell(0), cell(0, temperature=0.5)]
    assert same[0].candidate != same[1].candidate
    async with opened(service, url, temperature=0.5) as one:
        found = await outcomes(one, *same)
        assert [o.value for o in found] == [1.0, 1.0]
        assert sorted(o.cached for o in found) == [False, True]
        assert service.seen == ["say t0"]
        assert one.caller.account.used.calls == 1
        # Also when it is answered already, but neither written nor told.
        [again] = await outcomes(one, cell(0, max_tokens=1024))
        assert again.cached
        assert one.caller.account.used.calls == 1


async def test_repeats_are_other_calls(service: Service, url: str) -> None:
    async with opened(service, url) as one:
        await outcomes(one, cell(0), cell(0, repeat=1))
    assert service.seen == ["say t0", "say t0"]


async def test_the_first_step_of_a_chain_is_paid_once(service: Service, url: str) -> None:
    async with opened(service, url, target=StepsTarget("answer")) as one:
        found = await outcomes(one, *(chain(second) for second in ("a", "b", "c")))
        assert Counter(service.seen) == Counter(["plan t0", "a plan t0", "b plan t0", "c plan t0"])
        assert sorted(o.trace.text for o in found) == ["a plan t0", "b plan t0", "c plan t0"]
        assert {len(o.trace.calls) for o in found} == {2}
        assert [s.call.step for s in found[0].trace.calls] == ["plan", "answer"]
        assert one.caller.account.used.calls == 4


async def test_it_is_written_before_it_is_handed_on(service: Service, url: str) -> None:
    another = Ledger(url)
    async with opened(service, url) as one:
        for row in range(6):
            one.submit(cell(row))
        told = 0
        while event := await one.next():
            assert isinstance(event, Outcome)
            told += 1
            [sent] = event.trace.calls
            assert another.find([sent.call.key]) == {sent.call.key: sent.reply}
            assert another.order("run")[told - 1] == event.cell.key
    another.close()
    assert told == 6


async def test_late_rewrites_do_not_end_the_next_stage(service: Service, url: str) -> None:
    service.held.add("slow")
    async with opened(service, url) as one:
        one.submit(rewrite("slow"))
        one.submit(cell(0))
        assert isinstance(await one.next(), Outcome)
        assert await one.stop("calls") == []
        [next_stage] = await outcomes(one, cell(1))
        assert next_stage.cell == cell(1)
        service.open.set()
        while not one.caller.account.idle:
            await asyncio.sleep(0.005)
        assert await one.next() is None
    async with opened(service, url, "again") as again:
        again.submit(rewrite("slow"))
        [known] = await all_of(again)
        assert isinstance(known, Rewritten)
        assert known.cached
    assert service.seen.count("slow") == 1


async def test_a_refused_attempt_waits_as_it_is_asked_to(service: Service, url: str) -> None:
    service.says["say t0"] = [(429, {"Retry-After": "0.2"}), (429, {"retry-after-ms": "100"})]
    async with opened(service, url, retries=2) as one:
        start = asyncio.get_running_loop().time()
        [found] = await outcomes(one, cell(0))
        assert asyncio.get_running_loop().time() - start >= 0.3
        assert (found.value, len(service.seen)) == (1.0, 3)
        assert one.caller.account.used.calls == 1


async def test_timeouts_are_paid_and_counted(service: Service, url: str) -> None:
    service.says["say t0"] = [(0, {}), (0, {})]
    budget = Budget(tokens=100_000)
    async with opened(service, url, budget=budget, retries=1, timeout=0.1, max_tokens=8) as one:
        [found] = await outcomes(one, cell(0))
        assert found.failure
        assert (found.failure.reason, found.failure.billed, found.value) == ("timeout", 2, None)
        assert one.caller.account.used.calls == 2
        assert one.caller.account.spent.calls == 2
        assert one.caller.account.used.tokens == 2 * (6 + 8 + 64 + 8)


async def test_a_failure_of_the_prompt_has_the_worst_score(service: Service, url: str) -> None:
    service.says = {"say t0": [(400, {})], "say t2": [(500, {})]}
    async with opened(service, url) as one:
        found = {o.cell: o for o in await outcomes(one, cell(0), cell(2), cell(4))}
        assert [found[cell(row)].value for row in (0, 2, 4)] == [0.0, None, 1.0]
        reasons = [
            o.failure and o.failure.reason for o in map(found.get, map(cell, (0, 2, 4))) if o
        ]
        assert reasons == ["bad_request", "server_error", None]
        assert [len(o.trace.calls) for o in found.values()] == [1, 1, 1]
    async with opened(service, url, "again") as again:
        assert [o.value for o in await outcomes(again, cell(2))] == [1.0]


async def test_a_unit_that_cannot_end_is_dropped(service: Service, url: str) -> None:
    async with opened(service, url, budget=Budget(calls=3), target=StepsTarget("answer")) as one:
        for row in range(3):
            assert one.submit(chain("a", row)) is None
        assert one.submit(chain("b", 3)) == "calls"
        events = await all_of(one)
        dropped = [event for event in events if isinstance(event, Dropped)]
        assert len(events) == 3
        assert dropped
        assert {event.limit for event in dropped} == {"calls"}
        assert len(service.seen) == one.caller.account.used.calls == 3


async def test_an_error_of_the_program_reaches_whoever_waits(service: Service, url: str) -> None:
    class Broken:
        async def run(self, *_: Any) -> str:
            raise ZeroDivisionError

    async with opened(service, url, target=Broken()) as one:
        one.submit(cell(0))
        with pytest.raises(ZeroDivisionError):
            await one.next()


async def recorded(service: Service, url: str) -> list[str]:
    """A run whose search was told rows in some order and ended at `minutes`, then row 3."""
    async with opened(service, url, slots=1) as one:
        service.held.add("say t1")
        service.says["say t2"] = [(500, {})]
        one.submit(cell(1))
        await service.until_seen(1)
        for row in (2, 0):
            one.submit(cell(row))
        service.open.set()
        told = [event.unit.key[1] for event in await all_of(one)]
        one.submit(cell(4))
        told += [event.unit.key[1] for event in await all_of(one)]
        await one.stop("minutes")
        await outcomes(one, cell(3))
        await one.stop("", decision=True)
    service.seen.clear()
    return told


@asynccontextmanager
async def replayed(service: Service, url: str) -> AsyncIterator[ReplayedEvaluator]:
    ledger = Ledger(url)
    course = ledger.recorded("run")
    ledger.close()
    async with opened(service, url, None) as one:
        yield ReplayedEvaluator(one, course)


async def test_a_replay_tells_in_the_recorded_order(service: Service, url: str) -> None:
    told = await recorded(service, url)
    async with replayed(service, url) as again:
        for row in (0, 1, 2):
            assert again.submit(cell(row)) is None
        assert again.submit(cell(4)) == WAITS  # it was begun after three events
        found = [await again.next() for _ in range(3)]
        assert again.submit(cell(4)) is None
        found.append(await again.next())
        assert [event.unit.key[1] for event in found if event] == told
        failed = next(e for e in found if e and e.unit.key == cell(2).key)
        assert isinstance(failed, Outcome)
        assert isinstance(failed.failure, Failure)
        assert failed.failure.reason == "server_error"
        assert again.submit(cell(3)) == "minutes"
        assert await again.next() is None
        await again.stop("minutes")
        assert again.submit(cell(3)) is None
        last = await again.next()
        assert last
        assert last.unit.key == cell(3).key
        assert isinstance(last, Outcome)
        assert isinstance(last.answer, Answer)
    assert service.seen == []


async def test_a_run_that_leaves_the_record_is_told_so(service: Service, url: str) -> None:
    told = await recorded(service, url)
    async with replayed(service, url) as again:
        again.submit(cell(int(told[1][1:])))
        with pytest.raises(LeftRecord):
            await all_of(again)

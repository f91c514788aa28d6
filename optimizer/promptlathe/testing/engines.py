"""The contract of `Engine` as tests: subclass `EngineContract`, and say how your engine is made.

    class TestMine(EngineContract):
        def engine(self, lanes: Lanes) -> Engine:
            return MyEngine(lanes)

The calls go to a real service on 127.0.0.1; nothing but pytest (or any runner that calls the
methods named `test_…`) is needed.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from itertools import count
from typing import TypeVar

from aiohttp import web
from aiohttp.test_utils import TestServer

from promptlathe.errors import InputError
from promptlathe.models import ModelSettings
from promptlathe.records import Answer, Call, Failure, Message, Request, Role
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.testing.batches import BatchApi

T = TypeVar("T")
SECONDS = 60.0
"""In which a test must end."""


class Service:
    """Says the user's message back, on 127.0.0.1 while `serving` is entered.

    `wait …` is held until `open` is set, `fail …` refused with 400, and `later …` with 429, which
    asks for three seconds.
    """

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.seen: list[tuple[str, str]] = []
        """(model, text) of each request, in order."""
        self.busy = Counter[str]()
        """Requests under way, by model."""
        self.most = 0
        """Requests under way at once, of all models."""
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.json()
        model, text = str(body["model"]), str(body["messages"][0]["content"])
        self.seen.append((model, text))
        self.busy[model] += 1
        self.most = max(self.most, self.busy.total())
        try:
            if text.startswith("wait"):
                await self.open.wait()
            await asyncio.sleep(0.01)
        finally:
            self.busy[model] -= 1
        if text.startswith("fail"):
            return web.json_response({"error": {"message": "no"}}, status=400)
        if text.startswith("later"):
            return web.json_response({}, status=429, headers={"Retry-After": "3"})
        usage = {"prompt_tokens": 2, "completion_tokens": 1}
        return web.json_response({"choices": [{"message": {"content": text}}], "usage": usage})

    def lane(
        self, model: str = "m", slots: int = 4, *, pool: str = "", timeout: float = 60
    ) -> Lane:
        """A lane to this service, without further attempts."""
        settings = ModelSettings(name=model, base_url=self.url, retries=0, timeout=timeout)
        return Lane(settings, slots, pool)

    async def until_busy(self, number: int) -> None:
        """Until so many requests are under way."""
        while self.busy.total() != number:
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving() -> AsyncGenerator[Service]:
    """A service, which lets go of what it holds at the end."""
    service = Service()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", service.handle)
    BatchApi().add_to(app)
    async with TestServer(app, handler_cancellation=True) as server:
        service.url = str(server.make_url("/v1"))
        try:
            yield service
        finally:
            service.open.set()


def call(lanes: Lanes, text: str, *, role: Role = "task", step: str = "") -> Call:
    """A call of one user message."""
    return lanes.call(Request((Message("user", text),)), role=role, step=step, repeat=0)


def texts(replies: Iterable[Answer | Failure]) -> list[str]:
    """Of those that are answers."""
    return [reply.text for reply in replies if isinstance(reply, Answer)]


class EngineContract:
    """What every engine does. `engine` makes one that is not started."""

    def engine(self, lanes: Lanes) -> Engine:
        raise NotImplementedError

    def test_each_call_comes_back_with_its_own_answer(self) -> None:
        async def test(service: Service) -> None:
            lanes = Lanes({"task": service.lane(slots=4)})
            wanted = [*map(str, range(30)), "7", "7"]
            async with self.engine(lanes) as engine:
                replies = await _all(engine.send(call(lanes, text)) for text in wanted)
            assert texts(replies) == wanted
            assert sorted(service.seen) == sorted(("m", text) for text in wanted)
            assert all(isinstance(r, Answer) and r.tokens == 3 for r in replies)

        _run(test)

    def test_a_call_goes_to_the_model_of_its_lane(self) -> None:
        async def test(service: Service) -> None:
            names: tuple[tuple[str, Role, str], ...] = (
                ("task", "task", ""),
                ("task/plan", "task", "plan"),
                ("judge", "judge", "any"),
                ("rewrite", "rewrite", ""),
            )
            lanes = Lanes({lane: service.lane(lane, 1) for lane, _, _ in names})
            async with self.engine(lanes) as engine:
                await _all(
                    engine.send(call(lanes, lane, role=role, step=step))
                    for lane, role, step in names
                )
            assert sorted(service.seen) == sorted((lane, lane) for lane, _, _ in names)

        _run(test)

    def test_slots_are_taken_in_the_order_of_sending(self) -> None:
        async def test(service: Service) -> None:
            lanes = Lanes({"task": service.lane("t", 1), "judge": service.lane("j", 1)})
            async with self.engine(lanes) as engine:
                sends = [engine.send(call(lanes, str(i))) for i in range(9)]
                sends.append(engine.send(call(lanes, "judged", role="judge")))
                await _all(sends)
            assert [text for model, text in service.seen if model == "t"] == [*map(str, range(9))]

        _run(test)

    def test_the_slots_are_used_and_never_exceeded(self) -> None:
        async def test(service: Service) -> None:
            lanes = Lanes({"task": service.lane(slots=5)})
            async with self.engine(lanes) as engine:
                sends = [_task(engine.send(call(lanes, f"wait {i}"))) for i in range(30)]
                await service.until_busy(5)
                service.open.set()
                assert len(texts(await _all(sends))) == 30
            assert service.most == 5

        _run(test)

    def test_a_slow_call_holds_up_no_other(self) -> None:
        async def test(service: Service) -> None:
            lanes = Lanes({"task": service.lane(slots=2)})
            async with self.engine(lanes) as engine:
                slow = _task(engine.send(call(lanes, "wait")))
                await _all(engine.send(call(lanes, str(i))) for i in range(9))
                assert not slow.done()
                service.open.set()
                assert texts([await slow]) == ["wait"]

        _run(test)

    def test_lanes_do_not_hold_each_other_up(self) -> None:
        async def test(service: Service) -> None:
            lanes = Lanes({"task": service.lane(slots=1), "rewrite": service.lane(slots=1)})
            async with self.engine(lanes) as engine:
                slow = [
                    _task(engine.send(call(lanes, f"wait {i}", role="rewrite"))) for i in range(5)
                ]
                await service.until_busy(1)
                quick = await _all(engine.send(call(lanes, str(i))) for i in range(5))
                assert len(texts(quick)) == 5
                assert not any(one.done() for one in slow)
                service.open.set()
                assert len(texts(await _all(slow))) == 5

        _run(test)

    def test_lanes_of_a_pool_share_its_slots(self) -> None:
        async def test(service: Service) -> None:
            lanes = Lanes(
                {
                    "task": service.lane("t", 3, pool="p"),
                    "task/plan": service.lane("p", 3, pool="p"),
                    "judge": service.lane("j", 3, pool="p"),
                }
            )
            async with self.engine(lanes) as engine:
                sends = [
                    _task(engine.send(call(lanes, f"wait {step}{i}", step=step)))
                    for i in range(4)
                    for step in ("", "plan")
                ]
                await service.until_busy(3)
                last = _task(engine.send(call(lanes, "judged", role="judge")))
                service.open.set()
                assert len(texts(await _all([*sends, last]))) == 9
            assert service.most == 3

        _run(test)

    def test_failures_are_data(self) -> None:
        async def test(service: Service) -> None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                nowhere = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
            gone = ModelSettings(name="m", base_url=nowhere, retries=0)
            lanes = Lanes(
                {
                    "task": service.lane(),
                    "judge": service.lane(timeout=0.2),
                    "rewrite": Lane(gone, 1),
                }
            )
            async with self.engine(lanes) as engine:
                replies = await _all(
                    [
                        engine.send(call(lanes, "fail")),
                        engine.send(call(lanes, "later")),
                        engine.send(call(lanes, "wait", role="judge")),
                        engine.send(call(lanes, "x", role="rewrite")),
                        engine.send(call(lanes, "fine")),
                    ]
                )
            assert texts(replies) == ["fine"]
            found = [(r.reason, r.billed, r.retry_after) for r in replies if isinstance(r, Failure)]
            assert found == [
                ("bad_request", 0, None),
                ("rate_limited", 0, 3.0),
                ("timeout", 1, None),
                ("connection", 0, None),
            ]
            # One attempt each: whether there is another is not the engine's part.
            assert Counter(text for _, text in service.seen) == Counter(
                ["fail", "later", "wait", "fine"]
            )

        _run(test)

    def test_a_cancelled_call_leaves_its_slot(self) -> None:
        async def test(service: Service) -> None:
            lanes = Lanes({"task": service.lane(slots=1)})
            async with self.engine(lanes) as engine:
                under_way = _task(engine.send(call(lanes, "wait")))
                await service.until_busy(1)
                queued = _task(engine.send(call(lanes, "never")))
                await asyncio.sleep(0.05)
                for one in (queued, under_way):
                    one.cancel()
                    assert isinstance((await _settled(one)), asyncio.CancelledError)
                assert texts([await engine.send(call(lanes, "next"))]) == ["next"]
            assert [text for _, text in service.seen] == ["wait", "next"]

        _run(test)

    def test_closing_ends_calls_under_way(self) -> None:
        async def test(service: Service) -> None:
            lanes = Lanes({"task": service.lane(slots=2)})
            engine = self.engine(lanes)
            await engine.start()
            sends = [_task(engine.send(call(lanes, f"wait {i}"))) for i in range(9)]
            await service.until_busy(2)
            await engine.close()
            assert {type(await _settled(one)) for one in sends} == {RuntimeError}
            await service.until_busy(0)
            assert len(service.seen) == 2
            await engine.close()
            await _refuses(engine, call(lanes, "x"))

        _run(test)

    def test_an_unstarted_engine_takes_no_calls(self) -> None:
        async def test(service: Service) -> None:
            lanes = Lanes({"task": service.lane()})
            engine = self.engine(lanes)
            await _refuses(engine, call(lanes, "x"))
            await engine.close()

        _run(test)

    def test_a_missing_key_of_any_lane_stops_the_start(self) -> None:
        async def test(service: Service) -> None:
            variable = next(f"KEY_{i}" for i in count() if f"KEY_{i}" not in os.environ)
            settings = service.lane().settings.model_copy(update={"api_key_env": variable})
            lanes = Lanes({"task": service.lane(), "judge": Lane(settings, 1)})
            engine = self.engine(lanes)
            error = await _settled(_task(engine.start()))
            assert isinstance(error, InputError)
            assert variable in str(error)
            await _refuses(engine, call(lanes, "x"))
            await engine.close()

        _run(test)

    def test_a_mistake_of_ours_surfaces_with_its_text(self) -> None:
        async def test(service: Service) -> None:
            lanes = Lanes({"task": service.lane()})
            broken = Call("m", ("no message",))  # pyright: ignore[reportArgumentType]
            async with self.engine(lanes) as engine:
                error = await _settled(_task(engine.send(broken)))
                assert isinstance(error, Exception)
                assert "'str' object has no attribute" in str(error)
                assert texts([await engine.send(call(lanes, "fine"))]) == ["fine"]

        _run(test)

    def test_the_embedded_model_answers(self) -> None:
        async def test(service: Service) -> None:
            pocket = Lanes({"task": Lane(ModelSettings(name="pocket"), 2), "judge": service.lane()})
            ask = "Is this about cards or loans? Answer with one word.\nInput: my {} is gone"
            async with self.engine(pocket) as engine:
                replies = await _all(
                    engine.send(call(pocket, ask.format(word))) for word in ("card", "loan")
                )
            assert len(texts(replies)) == 2
            assert not service.seen

        _run(test)


def _run(test: Callable[[Service], Awaitable[None]]) -> None:
    async def within() -> None:
        async with asyncio.timeout(SECONDS), serving() as service:
            await test(service)

    asyncio.run(within())


def _task(work: Awaitable[T]) -> asyncio.Future[T]:
    return asyncio.ensure_future(work)


async def _all(works: Iterable[Awaitable[T]]) -> list[T]:
    return await asyncio.gather(*works)


async def _settled(work: Awaitable[object]) -> object:
    """What it gave, or the exception that it raised."""
    [found] = await asyncio.gather(work, return_exceptions=True)
    return found


async def _refuses(engine: Engine, one: Call) -> None:
    error = await _settled(_task(engine.send(one)))
    assert isinstance(error, RuntimeError)
    assert "open" in str(error)

"""The contract of `Engine`, on every engine."""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from promptlathe.errors import InputError
from promptlathe.models import ModelSettings
from promptlathe.records import Answer, Call, Failure, Message
from promptlathe.runtime.engine import Engine, Reply
from promptlathe.runtime.local import LocalEngine
from promptlathe.runtime.ray_engine import RayEngine
from promptlathe.runtime.roles import RoleEngine

Make = Callable[[ModelSettings, int], Engine]


def with_roles(settings: ModelSettings, concurrency: int) -> Engine:
    return RoleEngine(LocalEngine(settings, concurrency), LocalEngine(settings, 1))


@pytest.fixture(params=["local", "roles", "ray"])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "local":
        return LocalEngine
    if request.param == "roles":
        return with_roles
    request.getfixturevalue("cluster")
    return lambda settings, concurrency: RayEngine(settings, concurrency, workers=2)


class Service:
    """Says the user's message back. `wait …` is held until `open` is set; `fail …` is refused."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.seen = Counter[str]()
        self.busy = self.most = 0
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        text: str = (await request.json())["messages"][0]["content"]
        self.seen[text] += 1
        self.busy += 1
        self.most = max(self.most, self.busy)
        try:
            if text.startswith("wait"):
                await self.open.wait()
            await asyncio.sleep(0.01)
        finally:
            self.busy -= 1
        if text.startswith("fail"):
            return web.json_response({"error": {"message": "no"}}, status=400)
        return web.json_response({"choices": [{"message": {"content": text}}]})

    def call(self, text: str) -> Call:
        return self.settings.call([Message("user", text)])

    @property
    def settings(self) -> ModelSettings:
        return ModelSettings(name="m", base_url=self.url, retries=0)


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", service.handle)
    async with TestServer(app, handler_cancellation=True) as server:
        service.url = str(server.make_url("/v1"))
        yield service
        service.open.set()


async def everything(engine: Engine) -> list[Reply]:
    found: list[Reply] = []
    while replies := await engine.next():
        found += replies
    return found


def texts(replies: list[Reply]) -> list[str]:
    return sorted(reply.text for _, reply in replies if isinstance(reply, Answer))


async def test_each_call_comes_back_once_with_its_answer(make: Make, service: Service) -> None:
    wanted = [str(i) for i in range(30)] + ["7", "7"]
    async with make(service.settings, 4) as engine:
        for text in wanted:
            engine.submit(service.call(text))
        replies = await everything(engine)
        assert await engine.next() == []
    assert texts(replies) == sorted(wanted)
    for call, reply in replies:
        assert isinstance(reply, Answer)
        assert reply.text == call.messages[0].content
    assert service.seen == Counter(wanted)


async def test_the_concurrency_is_used_and_never_exceeded(make: Make, service: Service) -> None:
    async with make(service.settings, 4) as engine:
        for i in range(30):
            engine.submit(service.call(f"wait {i}"))
        while service.busy < 4:
            await asyncio.sleep(0.01)
        service.open.set()
        assert len(await everything(engine)) == 30
    assert service.most == 4


async def test_a_slow_call_holds_up_no_other(make: Make, service: Service) -> None:
    async with make(service.settings, 2) as engine:
        engine.submit(service.call("wait"))
        for i in range(9):
            engine.submit(service.call(str(i)))
        early: list[Reply] = []
        while len(early) < 9:
            early += await engine.next()
        assert "wait" not in texts(early)
        # The answers that came are used for a call that nobody knew of before.
        engine.submit(service.call("late"))
        assert texts(await engine.next()) == ["late"]
        service.open.set()
        assert texts(await everything(engine)) == ["wait"]


async def test_a_failure_comes_back_like_an_answer(make: Make, service: Service) -> None:
    async with make(service.settings, 2) as engine:
        for text in ("fail 1", "2", "fail 3"):
            engine.submit(service.call(text))
        replies = await everything(engine)
    assert texts(replies) == ["2"]
    failures = [reply for _, reply in replies if isinstance(reply, Failure)]
    assert [failure.reason for failure in failures] == ["bad_request", "bad_request"]


async def test_close_ends_what_is_in_flight(make: Make, service: Service) -> None:
    engine = make(service.settings, 2)
    await engine.start()
    for i in range(9):
        engine.submit(service.call(f"wait {i}"))
    while service.busy < 2:
        await asyncio.sleep(0.01)
    waiting = asyncio.create_task(engine.next())
    await asyncio.sleep(0)
    await engine.close()
    assert await waiting == []
    assert await engine.next() == []
    while service.busy:
        await asyncio.sleep(0.01)
    assert sum(service.seen.values()) == 2
    await engine.close()
    with pytest.raises(RuntimeError, match="open"):
        engine.submit(service.call("x"))


async def test_an_unstarted_engine_takes_no_calls(make: Make, service: Service) -> None:
    engine = make(service.settings, 2)
    with pytest.raises(RuntimeError, match="open"):
        engine.submit(service.call("x"))
    await engine.close()


async def test_a_missing_key_stops_the_start(make: Make, service: Service) -> None:
    settings = service.settings.model_copy(update={"api_key_env": "NO_SUCH_KEY"})
    assert "NO_SUCH_KEY" not in os.environ
    with pytest.raises(InputError, match="NO_SUCH_KEY"):
        await make(settings, 2).start()


async def test_a_mistake_of_ours_is_raised(make: Make, service: Service) -> None:
    broken = Call("m", ("no message",))  # type: ignore[arg-type]
    broken.__dict__["key"] = "known"
    async with make(service.settings, 2) as engine:
        engine.submit(broken)
        with pytest.raises((AttributeError, RuntimeError), match="to_dict"):
            await everything(engine)


async def test_the_embedded_model(make: Make) -> None:
    settings = ModelSettings(name="pocket")
    ask = "Is this about cards or about loans? Answer with one word.\nInput: my {} is gone"
    calls = [settings.call([Message("user", ask.format(word))]) for word in ("card", "loan")]
    async with make(settings, 2) as engine:
        for call in calls:
            engine.submit(call)
        replies = await everything(engine)
    assert {call for call, _ in replies} == set(calls)
    assert len(texts(replies)) == 2


async def test_calls_to_the_rewriter_have_slots_of_their_own(service: Service) -> None:
    """One that takes long holds up none of the task's, and is not lost."""
    slow = service.settings.call([Message("user", "wait")], role="rewrite")
    async with with_roles(service.settings, 1) as engine:
        engine.submit(slow)
        for i in range(5):
            engine.submit(service.call(str(i)))
        quick: list[Reply] = []
        while len(quick) < 5:
            quick += await engine.next()
        assert slow not in {call for call, _ in quick}
        service.open.set()
        [(last, _)] = await engine.next()
        assert last == slow
        assert await engine.next() == []

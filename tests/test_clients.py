"""The contract of `Model`, on every client; and clients that break it, each of which is caught."""

import asyncio
import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from pydantic import SecretStr
from tests.suites import caught_by, names_of

from promptlathe.models import Model, ModelSettings, connect
from promptlathe.models.openai_compatible import OpenAICompatibleModel
from promptlathe.models.pocket.server import serve
from promptlathe.records import Answer, Call, Failure
from promptlathe.testing.clients import ClientSuite, asking
from promptlathe.testing.http_clients import HttpClientSuite


class TestOpenAICompatible(HttpClientSuite):
    def connect(self, url: str, key: str, timeout: float) -> Model:
        settings = ModelSettings(name="m", base_url=url, timeout=timeout)
        return OpenAICompatibleModel(settings, SecretStr(key))


LABELS = ("post", "money", "cards", "loans", "login")


class Pocket(ClientSuite):
    def calls(self) -> Sequence[Call]:
        ask = "Labels: {}. Answer with the label only.\n\nText: {}"
        texts = [ask.format(", ".join(LABELS), label) for label in LABELS]
        return [Call("pocket", asking(text).messages) for text in texts]


class TestPocket(Pocket):
    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Model]:
        client = connect(ModelSettings(name="pocket"))
        yield client
        await client.close()


class TestPocketOverHttp(Pocket):
    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Model]:
        async with serve() as server:
            client = connect(ModelSettings(name="pocket", base_url=server.base_url))
            yield client
            await client.close()


class Sound(OpenAICompatibleModel):
    """Ours. What follows breaks one promise each."""

    def __init__(self, url: str, key: str, timeout: float) -> None:
        self.key = key
        super().__init__(ModelSettings(name="m", base_url=url, timeout=timeout), SecretStr(key))


class Counting(Sound):
    """Unknown tokens are 0."""

    async def answer(self, call: Call) -> Answer | Failure:
        reply = await super().answer(call)
        if isinstance(reply, Failure):
            return reply
        return replace(reply, input_tokens=reply.input_tokens or 0)


class Negative(Sound):
    """Reasons with more tokens than it writes."""

    async def answer(self, call: Call) -> Answer | Failure:
        reply = await super().answer(call)
        return replace(reply, reasoning_tokens=999) if isinstance(reply, Answer) else reply


class Guessing(Sound):
    """Another answer to an equal call."""

    async def answer(self, call: Call) -> Answer | Failure:
        reply = await super().answer(call)
        if isinstance(reply, Failure):
            return reply
        return replace(reply, text=f"{reply.text} {random.random()}")


class Mixing(Sound):
    """Gives a call the answer of another one."""

    async def answer(self, call: Call) -> Answer | Failure:
        self.call = call
        await asyncio.sleep(0)
        return await super().answer(self.call)


class Scribbler(Sound):
    async def answer(self, call: Call) -> Answer | Failure:
        if extra := dict(call.parameters).get("extra_body"):
            extra["user"] = "me"
        return await super().answer(call)


class Uncancelled(Sound):
    """Being cancelled is a failure of the service."""

    async def answer(self, call: Call) -> Answer | Failure:
        try:
            return await super().answer(call)
        except asyncio.CancelledError:
            return Failure("connection", "cancelled")


class Detached(Sound):
    """A cancelled call goes on."""

    async def answer(self, call: Call) -> Answer | Failure:
        return await asyncio.shield(asyncio.create_task(super().answer(call)))


class ClosedOnce(Sound):
    closed = False

    async def close(self) -> None:
        assert not self.closed, "closed twice"
        self.closed = True
        await super().close()


class Brittle(Sound):
    async def answer(self, call: Call) -> Answer | Failure:
        call.messages[0].text.encode()
        return await super().answer(call)


class Stripping(Sound):
    async def answer(self, call: Call) -> Answer | Failure:
        reply = await super().answer(call)
        return replace(reply, finish_reason="stop") if isinstance(reply, Answer) else reply


class EmptyFails(Sound):
    async def answer(self, call: Call) -> Answer | Failure:
        reply = await super().answer(call)
        empty = isinstance(reply, Answer) and not reply.text
        return Failure("malformed", "empty", 1) if empty else reply


class Cold(Sound):
    """Drops what it does not know."""

    async def answer(self, call: Call) -> Answer | Failure:
        kept = tuple(one for one in call.parameters if one[0] in ("max_tokens", "temperature"))
        return await super().answer(replace(call, parameters=kept))


class Salted(Sound):
    async def answer(self, call: Call) -> Answer | Failure:
        salted = (*call.parameters, ("extra_body", {"user": str(random.random())}))
        return await super().answer(replace(call, parameters=salted))


class Raising(Sound):
    async def answer(self, call: Call) -> Answer | Failure:
        reply = await super().answer(call)
        if isinstance(reply, Failure) and reply.reason == "rate_limited":
            raise RuntimeError(reply.detail)
        return reply


class Retrying(Sound):
    async def answer(self, call: Call) -> Answer | Failure:
        reply = await super().answer(call)
        return await super().answer(call) if isinstance(reply, Failure) else reply


class Thrifty(Sound):
    """No failure costs anything."""

    async def answer(self, call: Call) -> Answer | Failure:
        reply = await super().answer(call)
        return replace(reply, billed=0) if isinstance(reply, Failure) else reply


class Wasteful(Sound):
    """Every failure costs something."""

    async def answer(self, call: Call) -> Answer | Failure:
        reply = await super().answer(call)
        return replace(reply, billed=1) if isinstance(reply, Failure) else reply


class Telling(Sound):
    async def answer(self, call: Call) -> Answer | Failure:
        reply = await super().answer(call)
        told = f"with {self.key}: "
        return replace(reply, detail=told + reply.detail) if isinstance(reply, Failure) else reply


class Keyless(Sound):
    def __init__(self, url: str, key: str, timeout: float) -> None:
        super().__init__(url, "no-key", timeout)


class Patient(Sound):
    """Knows no time limit."""

    def __init__(self, url: str, key: str, timeout: float) -> None:
        super().__init__(url, key, 60)


class Hoarding(Sound):
    """Keeps whatever comes."""

    async def answer(self, call: Call) -> Answer | Failure:
        self.hoard = b"x" * 50_000_000
        return await super().answer(call)


class OneByOne(Sound):
    def __init__(self, url: str, key: str, timeout: float) -> None:
        super().__init__(url, key, timeout)
        self.lock = asyncio.Semaphore(4)

    async def answer(self, call: Call) -> Answer | Failure:
        async with self.lock:
            return await super().answer(call)


BROKEN: list[tuple[type[Sound], str]] = [
    (Guessing, "test_each_call_has_its_own_answer"),
    (Negative, "test_what_is_counted_is_possible_or_unknown"),
    (Counting, "test_tokens_are_never_made_up"),
    (Mixing, "test_many_at_once_are_answered_as_one_by_one"),
    (Scribbler, "test_a_call_is_left_as_it_is"),
    (Uncancelled, "test_a_cancelled_call_leaves_the_client_usable"),
    (ClosedOnce, "test_closing_twice_is_closing"),
    (Brittle, "test_no_message_breaks_it"),
    (Stripping, "test_an_answer_is_what_the_service_said"),
    (EmptyFails, "test_an_answer_is_what_the_service_said"),
    (Cold, "test_messages_and_parameters_are_sent_as_they_are"),
    (Salted, "test_equal_calls_are_sent_equally"),
    (Raising, "test_faults_are_failures_of_their_kind"),
    (Retrying, "test_faults_are_failures_of_their_kind"),
    (Thrifty, "test_faults_are_failures_of_their_kind"),
    (Wasteful, "test_what_nobody_takes_is_not_billed"),
    (Telling, "test_the_key_is_sent_and_never_told"),
    (Keyless, "test_the_key_is_sent_and_never_told"),
    (Patient, "test_the_time_limit_holds_for_the_whole_answer"),
    (Hoarding, "test_an_answer_without_an_end_fills_no_memory"),
    (OneByOne, "test_a_slow_call_holds_up_no_other"),
    (Detached, "test_a_slow_call_holds_up_no_other"),
]


def suite_of(kind: type[Sound]) -> HttpClientSuite:
    class Suite(HttpClientSuite):
        def connect(self, url: str, key: str, timeout: float) -> Model:
            return kind(url, key, timeout)

    return Suite()


@pytest.mark.parametrize(("broken", "test"), BROKEN)
def test_what_breaks_the_contract_is_caught(broken: type[Sound], test: str) -> None:
    assert caught_by(suite_of(broken), test) == {test}


def test_each_test_of_the_suite_can_fail() -> None:
    """And none fails of ours: they are inherited above."""
    assert {test for _, test in BROKEN} == names_of(HttpClientSuite)

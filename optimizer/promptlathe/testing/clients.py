"""The contract of `Model` as tests, for whoever writes a client.

One that speaks OpenAI's chat completions over HTTP subclasses `HttpClientSuite`, and says how it is
opened; the suite brings the service, on 127.0.0.1.

    class TestMine(HttpClientSuite):
        def connect(self, url: str, key: str, timeout: float) -> Model:
            return MyClient(url, key, timeout)

Any other subclasses `ClientSuite`. Nothing but pytest (or any runner that calls the methods named
`test_…`) is needed.
"""

from __future__ import annotations

import asyncio
import json
import socket
import tracemalloc
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any, get_args

from promptlathe.models import Model
from promptlathe.records import (
    Answer,
    Call,
    Failure,
    FailureReason,
    Message,
    PromptFailure,
    ServiceFailure,
)
from promptlathe.testing.contexts import raised, run
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

KEY = "sk-suite/Very+Secret="
ODD = ("", " ", "cut \ud83d", "a\x00b", "שלום", "{{ text }}", "words " * 20_000)
REASONS: frozenset[str] = frozenset(get_args(ServiceFailure) + get_args(PromptFailure))
LIMIT = 0.3
"""Seconds that a call may take which gets no answer."""
WAITS = 100
"""Hundredths of a second in which a service hears of a call that was given up."""
MEMORY = 40_000_000
"""Bytes that an answer without an end may take."""


def asking(text: str, **parameters: Any) -> Call:
    """A call of one user message."""
    given = tuple(sorted({"max_tokens": 20, **parameters}.items()))
    return Call("m", (Message("user", text),), given)


class ClientSuite:
    """What every client does. `opened` opens one, in the event loop that runs; the suite closes it.

    The model behind it answers each of `calls` in its own way, and equal calls equally.
    """

    def opened(self) -> AbstractAsyncContextManager[Model]:
        raise NotImplementedError

    def calls(self) -> Sequence[Call]:
        """Calls whose answers differ."""
        return [asking(f"text {i}") for i in range(20)]

    def test_each_call_has_its_own_answer(self) -> None:
        async def test() -> None:
            async with self.opened() as client:
                answers = [_answer(await client.answer(call)) for call in self.calls()]
                assert len({one.text for one in answers}) == len(answers) > 1
                again = [_answer(await client.answer(call)) for call in self.calls()]
            assert [one.text for one in again] == [one.text for one in answers]

        run(test)

    def test_what_is_counted_is_possible_or_unknown(self) -> None:
        async def test() -> None:
            clock = asyncio.get_running_loop().time
            async with self.opened() as client:
                for call in self.calls():
                    begun = clock()
                    answer = _answer(await client.answer(call))
                    assert 0 <= answer.latency <= clock() - begun + 0.001
                    read, written = answer.input_tokens, answer.output_tokens
                    assert read is None or read > 0, "no prompt has no tokens"
                    assert written is None or written > 0 or not answer.text
                    for part, whole in (
                        (answer.cached_tokens, read),
                        (answer.cache_write_tokens, read),
                        (answer.reasoning_tokens, written),
                    ):
                        assert part is None or part >= 0
                        assert None in (part, whole) or part <= whole  # pyright: ignore[reportOperatorIssue]

        run(test)

    def test_many_at_once_are_answered_as_one_by_one(self) -> None:
        async def test() -> None:
            calls = [*self.calls()] * 3
            async with self.opened() as client:
                alone = [_answer(await client.answer(call)).text for call in calls]
                together = await asyncio.gather(*map(client.answer, calls))
            assert [_answer(reply).text for reply in together] == alone

        run(test)

    def test_a_call_is_left_as_it_is(self) -> None:
        """Its key is that of what was asked, also afterwards."""

        async def test() -> None:
            more = {"extra_body": {"a": [1]}, "stop": ["."]}
            call = replace(self.calls()[0], parameters=(("max_tokens", 9), *sorted(more.items())))
            before = deepcopy(call)
            async with self.opened() as client:
                await client.answer(call)
            assert replace(call).key == before.key

        run(test)

    def test_a_cancelled_call_leaves_the_client_usable(self) -> None:
        async def test() -> None:
            call = self.calls()[0]
            async with self.opened() as client:
                for _ in range(5):
                    task = asyncio.ensure_future(client.answer(call))
                    await asyncio.sleep(0)
                    task.cancel()
                    assert isinstance(await raised(task), asyncio.CancelledError)
                _answer(await client.answer(call))

        run(test)

    def test_closing_twice_is_closing(self) -> None:
        """Also when it was never used. Nothing goes on afterwards."""

        async def test() -> None:
            before = asyncio.all_tasks()
            async with self.opened() as unused:
                await unused.close()
                await unused.close()
            async with self.opened() as used:
                await used.answer(self.calls()[0])
                await used.close()
                await used.close()
            assert asyncio.all_tasks() <= before

        run(test)

    def test_no_message_breaks_it(self) -> None:
        """What cannot be sent or answered is a failure."""

        async def test() -> None:
            async with self.opened() as client:
                for text in ODD:
                    for messages in (
                        (Message("user", text),),
                        (Message("user", (text, "and more")),),
                        (Message("system", text), Message("assistant", text)),
                    ):
                        reply = await client.answer(replace(self.calls()[0], messages=messages))
                        assert isinstance(reply, Answer) or reply.reason in REASONS

        run(test)


class HttpClientSuite(ClientSuite):
    """What a client does beyond, over HTTP, whatever the service does."""

    def connect(self, url: str, key: str, timeout: float) -> Model:
        """Open a client. url: ends in `/v1`; timeout: seconds for one attempt."""
        raise NotImplementedError

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Model]:
        async with self.to(lambda arrived: Reply(f"said {arrived.prompt[:40]}")) as (client, _):
            yield client

    @asynccontextmanager
    async def to(
        self, answers: Reply | Callable[[Arrived], Reply], *, timeout: float = 20
    ) -> AsyncGenerator[tuple[Model, ScriptedServer]]:
        """A client, and the service that it is open to."""
        async with ScriptedServer(answers) as server:
            client = self.connect(server.base_url, KEY, timeout)
            try:
                yield client, server
            finally:
                await client.close()

    def test_an_answer_is_what_the_service_said(self) -> None:
        async def test() -> None:
            usage = {"prompt_tokens": 12, "completion_tokens": 3}
            for text, reason in (("a text", "stop"), ("cut o", "length"), ("", "stop")):
                reply = Reply(text, finish_reason=reason, usage=usage, cached_tokens=4)
                async with self.to(reply) as (client, _):
                    answer = _answer(await client.answer(asking("hi")))
                assert (answer.text, answer.finish_reason) == (text, reason)
                assert (answer.input_tokens, answer.output_tokens) == (12, 3)

        run(test)

    def test_tokens_are_never_made_up(self) -> None:
        async def test() -> None:
            for usage in ({}, {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": -1}):
                async with self.to(Reply("a text", usage=usage)) as (client, _):
                    answer = _answer(await client.answer(asking("hi")))
                assert (answer.input_tokens, answer.output_tokens) == (None, None)

        run(test)

    def test_messages_and_parameters_are_sent_as_they_are(self) -> None:
        async def test() -> None:
            wanted = {"temperature": 0.5, "stop": ["."], "seed": 7, "response_format": {"a": [1]}}
            messages = (Message("system", "s"), Message("user", ("a", "b")), Message("user", "c"))
            call = replace(asking("", **wanted), messages=messages)
            async with self.to(Reply("a text")) as (client, server):
                await client.answer(call)
                [arrived] = server.arrived
            assert arrived.body["model"] == call.model
            assert arrived.body["messages"] == [message.to_dict() for message in messages]
            assert {name: arrived.body.get(name) for name in wanted} == wanted
            assert 20 in (arrived.body.get("max_tokens"), arrived.body.get("max_completion_tokens"))

        run(test)

    def test_equal_calls_are_sent_equally(self) -> None:
        async def test() -> None:
            async with self.to(Reply("a text")) as (client, server):
                for text in ("a", "a", "b"):
                    await client.answer(asking(text, temperature=0.5))
                first, second, other = (arrived.body for arrived in server.arrived)
            assert first == second != other

        run(test)

    def test_faults_are_failures_of_their_kind(self) -> None:
        """One attempt each; and the client goes on."""

        async def test() -> None:
            for fault, reason, billed in FAULTS:
                async with self.to(lambda a, f=fault: f if a.number == 1 else Reply("ok")) as (
                    client,
                    server,
                ):
                    failure = _failure(await client.answer(asking("hi")))
                    assert (failure.reason, failure.billed) == (reason, billed), fault
                    assert failure.retry_after == fault.retry_after
                    assert len(server.arrived) == 1, "whether to try again is not its part"
                    assert _answer(await client.answer(asking("hi"))).text == "ok"

        run(test)

    def test_what_nobody_takes_is_not_billed(self) -> None:
        async def test() -> None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
                client = self.connect(url, KEY, 20)
                failure = _failure(await client.answer(asking("hi")))
                await client.close()
            assert (failure.reason, failure.billed) == ("connection", 0)

        run(test)

    def test_the_key_is_sent_and_never_told(self) -> None:
        """Whatever the service echoes, and with whatever status."""

        async def test() -> None:
            for said in ECHOES:
                for status in (200, 400, 401, 403, 404, 429, 500):
                    async with self.to(Reply(body=said, status=status)) as (client, server):
                        failure = _failure(await client.answer(asking("hi")))
                        assert KEY in str(server.arrived[0].headers)
                    assert not any(part in repr(failure) for part in (KEY, "Very", "Secret"))

        run(test)

    def test_the_time_limit_holds_for_the_whole_answer(self) -> None:
        async def test() -> None:
            for fault in (Reply(fault="hang"), Reply(fault="drip")):
                async with self.to(fault, timeout=LIMIT) as (client, _):
                    async with asyncio.timeout(10 * LIMIT):
                        failure = _failure(await client.answer(asking("hi")))
                assert (failure.reason, failure.billed) == ("timeout", 1)

        run(test)

    def test_an_answer_without_an_end_fills_no_memory(self) -> None:
        async def test() -> None:
            async with self.to(Reply(fault="endless"), timeout=2) as (client, _):
                tracemalloc.start()
                try:
                    failure = _failure(await client.answer(asking("hi")))
                    assert tracemalloc.get_traced_memory()[1] < MEMORY
                finally:
                    tracemalloc.stop()
            assert failure.billed == 1

        run(test)

    def test_a_slow_call_holds_up_no_other(self) -> None:
        async def test() -> None:
            def script(arrived: Arrived) -> Reply:
                return Reply(fault="hang") if arrived.prompt == "wait" else Reply("ok", delay=0.05)

            async with self.to(script) as (client, server):
                slow = asyncio.ensure_future(client.answer(asking("wait")))
                quick = await asyncio.gather(*(client.answer(asking(str(i))) for i in range(30)))
                assert {_answer(reply).text for reply in quick} == {"ok"}
                assert server.max_in_flight == 31
                assert not slow.done()
                slow.cancel()
                assert isinstance(await raised(slow), asyncio.CancelledError)
                for _ in range(WAITS):
                    if not server.in_flight:
                        break
                    await asyncio.sleep(0.01)
                assert not server.in_flight, "the service is not told that nobody waits"

        run(test)


def _page(key: str) -> str:
    return f"<html><body>Authorization: Bearer {key}</body></html>"


FAULTS: tuple[tuple[Reply, FailureReason, int], ...] = (
    (Reply("no", status=400), "bad_request", 0),
    (Reply("no", status=400, code="context_length_exceeded"), "context_length", 0),
    (Reply("no", status=400, code="content_filter"), "content_filter", 0),
    (Reply("no", status=401), "authentication", 0),
    (Reply("no", status=403), "forbidden", 0),
    (Reply("no", status=404), "not_found", 0),
    (Reply("no", status=429, retry_after=3.0), "rate_limited", 0),
    (Reply("no", status=500), "server_error", 0),
    (Reply("no", status=503, retry_after=0.5), "server_error", 0),
    (Reply("half", finish_reason="content_filter"), "content_filter", 1),
    (Reply(body=json.dumps({"error": {"code": 429, "message": "busy"}})), "rate_limited", 1),
    (Reply(body=json.dumps({"choices": []})), "malformed", 1),
    (Reply(body=_page("")), "malformed", 1),
    (Reply(body='{"choices": [{"mess'), "malformed", 1),
    (Reply(body=""), "malformed", 1),
    (Reply(fault="cut"), "connection", 1),
)
"""What a service does, what it is, and how many attempts it may charge for."""
ECHOES = (
    json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}),
    json.dumps({"error": {"message": f"{'x' * 280} {KEY}"}}),
    json.dumps({"headers": {"Authorization": f"Bearer {KEY}"}}),
    json.dumps({"choices": [{"message": {}, "finish_reason": f"{'x' * 250} {KEY}"}]}),
    _page(KEY),
    f"no access with {KEY}",
)


def _answer(reply: Answer | Failure) -> Answer:
    assert isinstance(reply, Answer), reply
    return reply


def _failure(reply: Answer | Failure) -> Failure:
    assert isinstance(reply, Failure), reply
    assert reply.reason in REASONS
    return reply

"""What a client does over HTTP, beyond `ClientSuite`, whatever the service does.

    class TestMine(HttpClientSuite):
        def connect(self, url: str, key: str, timeout: float) -> Model:
            return MyClient(url, key, timeout)

The suite brings the service, on 127.0.0.1, which speaks OpenAI's chat completions.
"""

from __future__ import annotations

import asyncio
import json
import socket
import tracemalloc
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from promptlathe.models import Model
from promptlathe.records import FailureReason, Message
from promptlathe.testing.clients import ClientSuite, answered, asking, failed
from promptlathe.testing.contexts import raised, run
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

KEY = "sk-suite/Very+Secret="
LIMIT = 0.3
"""Seconds that a call may take which gets no answer."""
WAITS = 100
"""Hundredths of a second in which a service hears of a call that was given up."""
MEMORY = 40_000_000
"""Bytes that an answer without an end may take."""


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
                    answer = answered(await client.answer(asking("hi")))
                assert (answer.text, answer.finish_reason) == (text, reason)
                assert (answer.input_tokens, answer.output_tokens) == (12, 3)

        run(test)

    def test_tokens_are_never_made_up(self) -> None:
        async def test() -> None:
            for usage in ({}, {"prompt_tokens": 0, "completion_tokens": 0}, {"prompt_tokens": -1}):
                async with self.to(Reply("a text", usage=usage)) as (client, _):
                    answer = answered(await client.answer(asking("hi")))
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
                    failure = failed(await client.answer(asking("hi")))
                    assert (failure.reason, failure.billed) == (reason, billed), fault
                    assert failure.retry_after == fault.retry_after
                    assert len(server.arrived) == 1, "whether to try again is not its part"
                    assert answered(await client.answer(asking("hi"))).text == "ok"

        run(test)

    def test_what_nobody_takes_is_not_billed(self) -> None:
        async def test() -> None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
                client = self.connect(url, KEY, 20)
                failure = failed(await client.answer(asking("hi")))
                await client.close()
            assert (failure.reason, failure.billed) == ("connection", 0)

        run(test)

    def test_the_key_is_sent_and_never_told(self) -> None:
        """Whatever the service echoes, and with whatever status."""

        async def test() -> None:
            for said in ECHOES:
                for status in (200, 400, 401, 403, 404, 429, 500):
                    async with self.to(Reply(body=said, status=status)) as (client, server):
                        failure = failed(await client.answer(asking("hi")))
                        assert KEY in str(server.arrived[0].headers)
                    assert not any(part in repr(failure) for part in (KEY, "Very", "Secret"))

        run(test)

    def test_the_time_limit_holds_for_the_whole_answer(self) -> None:
        async def test() -> None:
            for fault in (Reply(fault="hang"), Reply(fault="drip")):
                async with self.to(fault, timeout=LIMIT) as (client, _):
                    async with asyncio.timeout(10 * LIMIT):
                        failure = failed(await client.answer(asking("hi")))
                assert (failure.reason, failure.billed) == ("timeout", 1)

        run(test)

    def test_an_answer_without_an_end_fills_no_memory(self) -> None:
        async def test() -> None:
            async with self.to(Reply(fault="endless"), timeout=2) as (client, _):
                tracemalloc.start()
                try:
                    failure = failed(await client.answer(asking("hi")))
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
                assert {answered(reply).text for reply in quick} == {"ok"}
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

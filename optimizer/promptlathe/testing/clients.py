"""The contract of `Model` as tests: subclass `ClientSuite`, and say how your client is opened.

    class TestMine(ClientSuite):
        @asynccontextmanager
        async def opened(self) -> AsyncGenerator[Model]:
            client = MyClient()
            yield client
            await client.close()

One that speaks OpenAI's chat completions over HTTP has a suite of its own, in `http_clients`.
Nothing but pytest (or any runner that calls the methods named `test_…`) is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from copy import deepcopy
from dataclasses import replace
from typing import Any, get_args

from promptlathe.models import Model
from promptlathe.records import (
    Answer,
    Call,
    Failure,
    Message,
    PromptFailure,
    ServiceFailure,
)
from promptlathe.testing.contexts import raised, run

ODD = ("", " ", "cut \ud83d", "a\x00b", "שלום", "{{ text }}", "words " * 20_000)
REASONS: frozenset[str] = frozenset(get_args(ServiceFailure) + get_args(PromptFailure))


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
                answers = [answered(await client.answer(call)) for call in self.calls()]
                assert len({one.text for one in answers}) == len(answers) > 1
                again = [answered(await client.answer(call)) for call in self.calls()]
            assert [one.text for one in again] == [one.text for one in answers]

        run(test)

    def test_what_is_counted_is_possible_or_unknown(self) -> None:
        async def test() -> None:
            clock = asyncio.get_running_loop().time
            async with self.opened() as client:
                for call in self.calls():
                    begun = clock()
                    answer = answered(await client.answer(call))
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
                alone = [answered(await client.answer(call)).text for call in calls]
                together = await asyncio.gather(*map(client.answer, calls))
            assert [answered(reply).text for reply in together] == alone

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
                answered(await client.answer(call))

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


def answered(reply: Answer | Failure) -> Answer:
    assert isinstance(reply, Answer), reply
    return reply


def failed(reply: Answer | Failure) -> Failure:
    assert isinstance(reply, Failure), reply
    assert reply.reason in REASONS
    return reply

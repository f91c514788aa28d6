"""The scripted server: what a client sees of it, and what it counts."""

import asyncio
import json
from typing import Any

import openai
import pytest

from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer


def client(server: ScriptedServer, **settings: Any) -> openai.AsyncOpenAI:
    settings = {"api_key": "any", "max_retries": 0, "timeout": 20, **settings}
    return openai.AsyncOpenAI(base_url=server.base_url, **settings)


async def ask(server: ScriptedServer, text: str = "Who?", **more: Any) -> Any:
    settings = {name: more.pop(name) for name in ("timeout", "max_retries") if name in more}
    async with client(server, **settings) as api:
        return await api.chat.completions.create(
            model="any", messages=[{"role": "user", "content": text}], **more
        )


def text_of(answer: Any) -> str:
    return answer.choices[0].message.content


async def test_rules_in_order() -> None:
    rules = [
        ("invoice", "billing"),
        (lambda arrived: arrived.number > 2, Reply("late", finish_reason="length")),
        ("parcel", "delivery"),
    ]
    async with ScriptedServer(rules) as server:
        assert text_of(await ask(server, "my invoice and parcel")) == "billing"
        assert text_of(await ask(server, "my parcel")) == "delivery"
        late = await ask(server, "my parcel")
        assert (text_of(late), late.choices[0].finish_reason) == ("late", "length")
    async with ScriptedServer(rules) as server:
        with pytest.raises(openai.BadRequestError, match="no rule of the script"):
            await ask(server, "neither")


async def test_what_arrived_is_counted() -> None:
    async with ScriptedServer(Reply("two words", delay=0.1, cached_tokens=2)) as server:
        answers = await asyncio.gather(*(ask(server, t) for t in ("a b c", "a b c", "d")))
        assert server.max_in_flight == 3
        assert server.in_flight == 0
        assert server.prompts == {"a b c": 2, "d": 1}
        assert [one.number for one in server.arrived] == [1, 2, 3]
        assert (server.input_tokens, server.output_tokens) == (7, 6)
        assert answers[0].usage.prompt_tokens == 3
        assert answers[0].usage.prompt_tokens_details.cached_tokens == 2


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(status=429, retry_after=0.01), openai.RateLimitError),
        (Reply(status=503), openai.InternalServerError),
        (Reply("who are you", status=401), openai.AuthenticationError),
        (Reply(fault="cut"), openai.APIConnectionError),
        (Reply(fault="hang"), openai.APITimeoutError),
    ],
)
async def test_faults(reply: Reply, error: type[Exception]) -> None:
    async with ScriptedServer(reply) as server:
        with pytest.raises(error):
            await ask(server, timeout=0.3)


async def test_a_client_that_retries_gets_through() -> None:
    def once(arrived: Arrived) -> Reply:
        return Reply(status=429, retry_after=0.01) if arrived.number == 1 else Reply("at last")

    async with ScriptedServer(once) as server:
        assert text_of(await ask(server, max_retries=1)) == "at last"
        assert server.prompts == {"Who?": 2}


async def test_empty_answers_and_no_usage() -> None:
    async with ScriptedServer(Reply(usage={})) as server:
        answer = await ask(server)
        assert (text_of(answer), answer.usage) == ("", None)


async def test_a_schema_is_kept_to_on_request() -> None:
    schema = {"type": "object", "properties": {"why": {}, "team": {"enum": ["a", "b"]}}}
    asked = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    async with ScriptedServer(lambda arrived: arrived.as_asked([*arrived.choices, "x"][-2])) as own:
        assert json.loads(text_of(await ask(own, response_format=asked))) == {"team": "b"}
    async with ScriptedServer(lambda arrived: arrived.as_asked("plain")) as own:
        assert text_of(await ask(own)) == "plain"


def test_it_serves_from_a_thread() -> None:
    with (
        ScriptedServer("hello") as server,
        openai.OpenAI(base_url=server.base_url, api_key="any") as api,
    ):
        answer = api.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "hi"}]
        )
        assert text_of(answer) == "hello"
    assert server.prompts == {"hi": 1}
    with (
        pytest.raises(openai.APIConnectionError),
        openai.OpenAI(base_url=server.base_url, api_key="any", max_retries=0) as api,
    ):
        api.models.list()

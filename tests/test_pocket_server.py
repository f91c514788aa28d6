"""The pocket model over HTTP: the same answers, OpenAI's errors, and faults on request."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from promptlathe.errors import InputError
from promptlathe.models.pocket import learner
from promptlathe.models.pocket.faults import Every, Faults
from promptlathe.models.pocket.server import PocketServer, serve
from promptlathe.records import Message

PROMPTS = [
    [Message("system", "Labels: post, money. Label only."), Message("user", "Ticket: money lost")],
    [
        Message(
            "user", "Text: it came by post\nLabel: post\n\nText: dear\nLabel: money\n\nText: post"
        )
    ],
    [Message("system", "You are helpful."), Message("user", "Ça va ?")],
]


def client(server: PocketServer, **settings: Any) -> openai.AsyncOpenAI:
    settings = {"api_key": "any", "max_retries": 0, "timeout": 20, **settings}
    return openai.AsyncOpenAI(base_url=server.base_url, **settings)


async def ask(server: PocketServer, *, model: str = "pocket", **settings: Any) -> Any:
    async with client(server, **settings) as api:
        return await api.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Labels: a, b.\n\nText: b"}]
        )


async def post(server: PocketServer, body: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session:
        sent = {"data": body} if isinstance(body, str) else {"json": body}
        async with session.post(server.base_url + "/chat/completions", **sent) as response:
            return response.status, await response.json()


@pytest.mark.parametrize(
    "parameters", [{}, {"max_tokens": 1}, {"response_format": {"type": "json_object"}}]
)
async def test_answers_over_http_are_those_in_process(parameters: Any) -> None:
    async with serve() as server, client(server) as api:
        for messages in PROMPTS:
            expected = learner.answer(messages, parameters)
            got = await api.chat.completions.create(
                model="pocket", messages=[m.to_dict() for m in messages], **parameters
            )
            assert got.choices[0].message.content == expected.text
            assert got.choices[0].finish_reason == expected.finish_reason
            assert got.usage is not None
            assert got.usage.prompt_tokens == expected.input_tokens
            assert got.usage.completion_tokens == expected.output_tokens
        assert (server.requests, server.answered) == (3, 3)
        assert [m.id async for m in api.models.list()] == ["pocket"]


async def test_text_parts_and_the_developer_role() -> None:
    body = {
        "model": "pocket",
        "messages": [
            {"role": "developer", "content": "Labels: post, money. Label only."},
            {"role": "user", "content": [{"type": "text", "text": "Ticket: money lost"}]},
        ],
    }
    async with serve() as server:
        status, reply = await post(server, body)
    assert status == 200
    assert reply["choices"][0]["message"]["content"] == "money"


USER = [{"role": "user", "content": "x"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{not json", None),
        ([], None),
        ({"messages": USER}, "model"),
        ({"model": "pocket"}, "messages"),
        ({"model": "pocket", "messages": []}, "messages"),
        ({"model": "pocket", "messages": [{"content": "x"}]}, "messages"),
        ({"model": "pocket", "messages": [{"role": "user"}]}, "messages"),
        (
            {"model": "pocket", "messages": [{"role": "user", "content": [{"image_url": "x"}]}]},
            "messages",
        ),
        ({"model": "pocket", "messages": USER, "max_tokens": 0}, "max_tokens"),
        ({"model": "pocket", "messages": USER, "max_tokens": "9"}, "max_tokens"),
        ({"model": "pocket", "messages": USER, "stream": True}, "stream"),
        ({"model": "pocket", "messages": USER, "n": 2}, "n"),
    ],
)
async def test_bad_requests(body: Any, field: str | None) -> None:
    async with serve() as server:
        status, reply = await post(server, body)
    assert status == 400
    assert reply["error"]["param"] == field
    assert (server.requests, server.answered) == (1, 0)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/v1/nothing", 404), ("/v1/chat/completions", 405), ("/health", 200), ("/v1/models", 200)],
)
async def test_paths(path: str, status: int) -> None:
    async with serve() as server, aiohttp.ClientSession() as session:
        reply = await session.get(server.base_url.removesuffix("/v1") + path)
        assert reply.status == status


FAULTS = [
    ({"rate_limited": Every(1)}, openai.RateLimitError),
    ({"server_error": Every(1)}, openai.InternalServerError),
    ({"disconnect": Every(1)}, openai.APIConnectionError),
    ({"malformed": Every(1)}, ValueError),
    ({"hang": Every(1)}, openai.APITimeoutError),
    ({"require_key": "right"}, openai.AuthenticationError),
    ({"unknown_model": True}, openai.NotFoundError),
]


@pytest.mark.parametrize(("faults", "error"), FAULTS, ids=[next(iter(f)) for f, _ in FAULTS])
async def test_each_fault(faults: dict[str, Any], error: type[Exception]) -> None:
    async with serve(faults=Faults(**faults)) as server:
        with pytest.raises(error):
            await ask(server, timeout=0.5 if "hang" in faults else 20)
        assert (server.requests, server.answered) == (1, 0)


async def test_retry_after_is_sent() -> None:
    async with serve(faults=Faults(rate_limited=Every(1), retry_after=2.5)) as server:
        with pytest.raises(openai.RateLimitError) as raised:
            await ask(server)
    assert raised.value.response.headers["retry-after"] == "2.5"


async def test_an_answer_without_usage() -> None:
    async with serve(faults=Faults(no_usage=Every(1))) as server:
        got = await ask(server)
        assert got.usage is None
        assert got.choices[0].message.content
        assert server.answered == 1


async def test_the_right_key_is_let_in() -> None:
    async with serve(faults=Faults(require_key="right")) as server:
        assert (await ask(server, api_key="right")).choices


async def test_another_model_is_unknown() -> None:
    async with serve() as server:
        with pytest.raises(openai.NotFoundError, match="no-such"):
            await ask(server, model="no-such")


async def test_a_client_that_retries_gets_through() -> None:
    async with serve(faults=Faults(rate_limited=Every(2), retry_after=0.01)) as server:
        for _ in range(3):
            await ask(server, max_retries=2)
        assert (server.requests, server.answered) == (5, 3)


async def test_requests_in_flight_are_counted() -> None:
    async with serve(faults=Faults(latency=0.3)) as server:
        await asyncio.gather(*(ask(server) for _ in range(4)))
        assert server.max_in_flight == 4
        assert server.in_flight == 0


async def test_closing_lets_hanging_requests_go() -> None:
    async with serve(faults=Faults(hang=Every(1))) as server:
        waiting = asyncio.create_task(ask(server))
        while not server.requests:
            await asyncio.sleep(0.01)
    with pytest.raises(openai.APIConnectionError):
        await waiting


def test_shares_hold_in_the_long_run_and_follow_the_seed() -> None:
    faults = Faults(rate_limited=0.2, hang=0.1, seed=3)
    drawn = [faults.of_request(n) for n in range(1, 5001)]
    assert drawn.count("rate_limited") == pytest.approx(1000, abs=120)
    assert drawn.count("hang") == pytest.approx(500, abs=90)
    assert drawn == [faults.of_request(n) for n in range(1, 5001)]
    other = Faults(rate_limited=0.2, hang=0.1, seed=4)
    assert drawn != [other.of_request(n) for n in range(1, 5001)]


def test_every_nth_request() -> None:
    faults = Faults(rate_limited=Every(3), server_error=Every(2))
    assert [faults.of_request(n) for n in range(1, 7)] == [
        *(None, "server_error", "rate_limited"),
        *("server_error", None, "rate_limited"),
    ]


@pytest.mark.parametrize(
    "wrong", [{"hang": 1.5}, {"hang": -0.1}, {"hang": Every(0)}, {"hang": 0.6, "malformed": 0.6}]
)
def test_impossible_faults(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Faults(**wrong)


async def test_a_taken_port_is_named_with_the_fix() -> None:
    async with serve() as server:
        port = int(server.base_url.split(":")[-1].removesuffix("/v1"))
        with pytest.raises(InputError, match=rf"(?s){port}.*taken.*--port"):
            async with serve(port=port):
                pass


async def test_an_address_of_another_machine() -> None:
    with pytest.raises(InputError, match="cannot listen"):
        async with serve("192.0.2.1"):
            pass


def test_the_blocking_server_ends_on_a_signal() -> None:
    code = (
        "from promptlathe.models.pocket.server import run_server\n"
        "run_server(ready=lambda s: print(s.base_url, flush=True))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(Path(__file__).parents[1] / "optimizer")},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0

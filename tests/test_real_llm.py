"""benchmarks/real_llm.py as far as it goes without the other optimizers and without weights."""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import real_llm  # noqa: E402
from lab.peers.counting import counting_server, listening  # noqa: E402
from lab.peers.real import WRITTEN, RealServer, in_front_of  # noqa: E402
from lab.peers.task import PROPOSAL_KEY, TASK_KEY  # noqa: E402
from promptlathe.errors import InputError  # noqa: E402
from promptlathe.models import ModelSettings  # noqa: E402


async def test_answers_are_constrained_and_handed_on_as_labels() -> None:
    asked: list[dict[str, Any]] = []

    async def chat(request: web.Request) -> web.Response:
        asked.append(await request.json())
        content = '{"label": "how_to"}' if "response_format" in asked[-1] else "Say which."
        message = {"role": "assistant", "content": content}
        usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
        return web.json_response({"choices": [{"message": message}], "usage": usage})

    application = web.Application()
    application.router.add_post("/v1/chat/completions", chat)
    async with listening(application) as upstream, in_front_of(upstream, TASK_KEY) as server:
        server.labels = ["billing", "how_to"]
        server.answer_tokens = 7
        said: list[str] = []
        for key in (TASK_KEY, PROPOSAL_KEY):
            headers = {"Authorization": f"Bearer {key}"}
            body = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
            body["max_completion_tokens"] = 4096  # as litellm says it
            async with (
                ClientSession() as client,
                client.post(
                    f"{server.base_url}/chat/completions", json=body, headers=headers
                ) as reply,
            ):
                said.append((await reply.json())["choices"][0]["message"]["content"])
        assert said == ["how_to", "Say which."]
        schema = asked[0]["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["label"]["enum"] == ["billing", "how_to"]
        assert "response_format" not in asked[1]
        assert [one["max_tokens"] for one in asked] == [7, WRITTEN]
        assert not any("max_completion_tokens" in one for one in asked)
        assert (server.counts.calls, server.counts.tokens, server.counts.proposals) == (1, 12, 1)
        assert server.counts.written == 12


async def test_an_answer_is_remembered_for_whoever_asks() -> None:
    asked: list[dict[str, Any]] = []

    async def chat(request: web.Request) -> web.Response:
        asked.append(await request.json())
        message = {"role": "assistant", "content": "billing"}
        details = {"cached_tokens": 5}
        usage = {"total_tokens": 12, "prompt_tokens_details": details}
        return web.json_response({"choices": [{"message": message}], "usage": usage})

    application = web.Application()
    application.router.add_post("/v1/chat/completions", chat)
    async with (
        listening(application) as upstream,
        in_front_of(upstream, TASK_KEY) as server,
        ClientSession() as client,
    ):
        for more in ({}, {"logprobs": True, "top_logprobs": 20}, {}, {"messages": []}):
            body = {"messages": [{"role": "user", "content": "?"}], **more}
            async with client.post(f"{server.base_url}/chat/completions", json=body) as reply:
                assert (await reply.json())["choices"][0]["message"]["content"] == "billing"
        assert ["logprobs" in one for one in asked] == [False, True, False]
        assert (server.counts.calls, server.counts.remembered) == (4, 1)
        assert (server.counts.tokens, server.counts.computed) == (48, 28)


@pytest.mark.slow
def test_the_same_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the pocket model behind it, over real HTTP."""

    @asynccontextmanager
    async def pocket(_: ModelSettings) -> AsyncGenerator[RealServer, None]:
        async with counting_server() as upstream, in_front_of(upstream.base_url, "any") as server:
            yield server

    monkeypatch.setattr(real_llm, "real_server", pocket)
    out = tmp_path / "out.json"
    options = ["--out", str(out), "--tasks", "support_triage", "--answers", "free"]
    options += ["--calls", "400", "--seeds", "1"]
    real_llm.bench([*options, "--peers", "lathe"])
    [first] = json.loads(out.read_text())
    assert abs(first["run"]["counts"]["calls"] - 400) <= 20
    real_llm.bench([*options, "--peers", "lathe,random"])
    again = json.loads(out.read_text())
    assert again[0] == first, "what was run is not run again"
    assert [row["peer"] for row in again] == ["lathe", "random"]
    real_llm.bench([*options, "--peers", "lathe-demos", "--minutes", "0.000001"])
    assert json.loads(out.read_text()) == again, "out of time before the first run"


def test_the_table_has_paired_differences() -> None:
    def row(peer: str, seed: int, score: float) -> dict[str, Any]:
        counts = {"calls": 400, "tokens": 1000, "proposals": 0, "computed": 300, "written": 0}
        run = {"seed_score": 0.2, "best_score": score, "counts": counts, "seconds": 9.0}
        common = {"model": "m", "answers": "schema", "calls": 400, "task": "t"}
        return {**common, "peer": peer, "seed": seed, "run": run}

    rows = [row("lathe", seed, 0.5 + seed / 10) for seed in range(3)]
    rows += [row("random", seed, 0.4 + seed / 10) for seed in range(3)]
    rows.append({**row("gepa", 0, 0), "failed": "gepa failed:\nno module"})
    del rows[-1]["run"]
    shown = real_llm.table(rows)
    assert "random           3     0.500  0.400   +0.100 [+0.100, +0.100]" in shown
    assert "gepa         failed, seed 0" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "missing/out.json"], "no such folder"),
        (["--out", "out.json", "--peers", "gepa"], "--python: missing"),
        (["--out", "out.json", "--peers", "lathe", "--calls", "90"], "90 is too few"),
        (["--out", "out.json", "--tasks", "banking77"], "unknown name 'banking77'"),
    ],
)
def test_bad_options(
    options: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        real_llm.bench(options)
    assert message in str(caught.value)


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    out.write_text('[{"other": 1}]')
    with pytest.raises(InputError, match="cannot be read"):
        real_llm.bench(["--out", str(out), "--show"])
    assert out.read_text() == '[{"other": 1}]'


def test_rows_of_an_earlier_version_are_one_message(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    common = {"model": "m", "answers": "free", "calls": 400, "task": "t", "peer": "p", "seed": 0}
    run = {"seed_score": 0.1, "best_score": 0.2, "counts": {"calls": 400}, "seconds": 1.0}
    out.write_text(json.dumps([{**common, "run": run}]))
    with pytest.raises(InputError, match="cannot be read: 'tokens'"):
        real_llm.bench(["--out", str(out), "--show"])

"""Whole jobs whose texts are rewritten, with rewriters good, slow, silent and mad."""

import asyncio
import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import OBJECTIVE, ROWS, WORDS, Jitter, answers_file, canaries, essence

import promptlathe as pl
from promptlathe.cli.printing import operator_lines
from promptlathe.errors import InputError
from promptlathe.job import Job, Result
from promptlathe.job import run as run_job
from promptlathe.job.runfile import ParallelOptions, SearchOptions, TrackOptions
from promptlathe.models.pocket.server import serve
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget
from promptlathe.search.operators import WITHOUT_REWRITER
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer
from promptlathe.track import default_uri

SPACE = pl.SearchSpace(
    messages={"system": "{{ task }}\n{{ form }}", "user": "{{ demos }}\n\n{{ text }}"},
    components={
        "task": pl.Text("Read the message and say which team it is for.", rewrite=True),
        "form": pl.Choice({"chatty": "Say which.", "polite": "Kindly say which."}),
        "demos": pl.Demos(count=(0, 3), template="Text: {{ text }}\nTeam: {{ label }}", draws=3),
    },
)
CALLS = 250
UNASKING = ("labels", "contract", "definitions", "demos")
ASKING = ("rewrite", "contrast", "rules", "format", "demos", "shorten", "merge")
"""The operators that ask the rewriter, and demos: what a text gains is the rewriter's own."""


def job(workspace: Path, **changes: Any) -> Job:
    made = Job(
        space=SPACE,
        objective=OBJECTIVE,
        model=ModelSettings(name="pocket"),
        budget=Budget(calls=CALLS),
        search=SearchOptions(operators=ASKING),
        parallel=ParallelOptions(concurrency=1),
        track=False,
        workspace=workspace,
    )
    return replace(made, **changes)


def writer(arrived: Arrived) -> str:
    """Knows the task: a text of its own for each request, the same for equal ones."""
    digest = int(hashlib.sha256(arrived.prompt.encode()).hexdigest(), 16)
    listed = [f"- {team}: {', '.join(words[digest % 3 :])}" for team, words in WORDS.items()]
    words = f"Name the team, {digest % 997}.\nTeams:\n" + "\n".join(listed)
    return f"Well:\n<new>\n{words}\nAnswer with the label only.\n</new>"


def slow_writer(delay: float) -> ScriptedServer:
    return ScriptedServer(lambda arrived: Reply(writer(arrived), delay=delay))


def settings(server: ScriptedServer) -> ModelSettings:
    return ModelSettings(name="writer", base_url=server.base_url, retries=0, timeout=20)


async def run(one: Job, **options: Any) -> Result:
    return await asyncio.to_thread(run_job, one, **options)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """With one call in flight, on the embedded model."""
    with ScriptedServer(writer) as server:
        return run_job(job(tmp_path_factory.mktemp("alone"), rewriter=settings(server)))


def test_a_poor_draft_is_repaired(alone: Result, tmp_path: Path) -> None:
    without = run_job(job(tmp_path, search=SearchOptions(operators=())))
    assert without.lineage == without.operators == ()
    assert alone.test.best > without.test.best + 0.2
    assert alone.verdict == "better"
    assert alone.recommended == "best"
    assert alone.spent.calls == CALLS
    assert any(one.kept for one in alone.lineage)


def test_the_record_says_where_levels_come_from(alone: Result) -> None:
    content = json.loads(json.dumps(alone.to_dict()))
    train = {example.id for example in OBJECTIVE.examples("train")}
    made = {(line["component"], line["level"]) for line in content["lineage"]}
    assert len(made) == len(content["lineage"])
    for line in content["lineage"]:
        assert set(line["failures"]) <= train
        assert line["at"] <= CALLS
        assert line["text"]
    for line, operator in zip(content["lineage"], alone.lineage, strict=True):
        assert line["operator"] == operator.origin.operator
    assert sum(o["levels"] for o in content["operators"]) == len(made)
    assert sum(o["calls"] for o in content["operators"]) == content["calls"]["rewrite"] > 0
    assert sum(o["tokens"] for o in content["operators"]) == content["tokens"]["rewrite"] > 0
    calls = content["calls"]
    assert calls["task"] + calls["rewrite"] == calls["total"] == CALLS
    kept = {(n, v) for n, v in content["best"]["levels"].items()} & made
    assert kept == {(o["component"], o["level"]) for o in content["lineage"] if o["kept"]}
    gains = [line["gain"] for line in content["lineage"] if line["kept"]]
    assert any(gain and gain > 0 for gain in gains)


def test_the_share_of_the_calls_is_kept(alone: Result, tmp_path: Path) -> None:
    search = SearchOptions(operators=ASKING, rewrite_share=0.08)
    with ScriptedServer(writer) as server:
        small = run_job(job(tmp_path, search=search, rewriter=settings(server)))
    train = {example.id for example in OBJECTIVE.examples("train")}
    assert train
    for result, share in ((alone, 0.2), (small, 0.08)):
        assert result.spent.of("rewrite").calls <= share * CALLS
    assert small.spent.of("rewrite").calls < alone.spent.of("rewrite").calls


def test_the_same_seed_gives_the_same_levels(tmp_path: Path) -> None:
    """With operators that ask nobody: when a rewriter answers is not ours to say."""
    search = SearchOptions(operators=UNASKING)
    first, again = (run_job(job(tmp_path / name, search=search)) for name in "ab")
    assert first.lineage
    assert essence(again) == essence(first)
    assert again.lineage == first.lineage


@pytest.mark.parametrize("policy", ["lathe", "tpe", "halving"])
async def test_a_replay_gives_the_identical_result(tmp_path: Path, policy: Any) -> None:
    async with serve(faults=Jitter(server_error=0.03)) as server, ScriptedServer(writer) as own:
        model = {"name": "pocket", "base_url": server.base_url, "retries": 0}
        one = job(
            tmp_path,
            model=ModelSettings.model_validate(model),
            parallel=ParallelOptions(concurrency=4),
            search=SearchOptions(policy=policy, operators=ASKING),
            rewriter=settings(own),
        )
        first = await run(one)
        requests, asked = server.requests, len(own.arrived)
        again = await run(one, replay=first.run)
        assert (server.requests, len(own.arrived)) == (requests, asked)
    assert first.lineage
    assert again.lineage == first.lineage
    assert essence(again) == essence(first)


def test_a_second_run_pays_for_nothing(tmp_path: Path) -> None:
    """With operators that ask nobody: with a rewriter, whose answer comes when it comes, only a
    replay takes the same course."""
    cold = SearchOptions(warm_start=False, operators=UNASKING)
    first, second = (run_job(job(tmp_path, search=cold)) for _ in range(2))
    assert first.lineage
    assert second.spent.calls == 0
    assert second.lineage == first.lineage


async def test_the_budget_is_exact_by_the_servers_own_counts(tmp_path: Path) -> None:
    async with serve(faults=Jitter()) as server, slow_writer(0.2) as rewriter:
        model = {"name": "pocket", "base_url": server.base_url, "retries": 0}
        result = await run(
            job(
                tmp_path,
                model=ModelSettings.model_validate(model),
                rewriter=settings(rewriter),
                parallel=ParallelOptions(concurrency=8),
            )
        )
        assert len(rewriter.arrived) == result.spent.of("rewrite").calls > 0
        assert server.requests == result.spent.calls - result.spent.of("rewrite").calls
        assert result.spent.calls <= CALLS


async def test_no_row_of_select_or_test_is_shown_to_the_rewriter(tmp_path: Path) -> None:
    async with ScriptedServer(writer) as rewriter:
        result = await run(job(tmp_path, rewriter=settings(rewriter)))
        said = "\n".join(arrived.prompt for arrived in rewriter.arrived)
    prompts = "\n".join(m.text for s in result.standings for m in s.candidate.prompt.messages)
    texts = "\n".join(one.origin.text for one in result.lineage)
    for text in (said, prompts, texts):
        words = set(text.replace("<", " ").split())
        assert not words & canaries("select")
        assert not words & canaries("test")
    assert len(set(said.split()) & canaries("train")) > 10


MAD: dict[str, tuple[str, str]] = {
    "the same for ever": ("<new>Name the team.</new>", "known already"),
    "a refusal": ("I'm sorry, but I can't help with that.", "refused"),
    "nothing": ("", "empty"),
    "a flood": ("<new>" + "blah " * 20_000 + "</new>", "too long"),
    "no tags": ("Name the team, please.", "unparsable"),
    "an invented placeholder": (
        "<new>Name the team of {{ customer }}.</new>",
        "placeholders changed",
    ),
    "a row": ("<new>" + str(ROWS[0]["text"]) + "</new>", "copies a row"),
}


@pytest.mark.parametrize("name", MAD)
async def test_a_mad_rewriter_costs_its_calls_only(tmp_path: Path, name: str) -> None:
    said, why = MAD[name]
    async with ScriptedServer(said) as rewriter:
        result = await run(job(tmp_path, rewriter=settings(rewriter), budget=Budget(calls=150)))
        assert len(rewriter.arrived) == result.spent.of("rewrite").calls > 0
    refused = [reason for o in result.operators for reason in o.refused]
    assert why in refused
    written = [one for one in result.lineage if one.origin.tokens]
    assert len(written) == (name == "the same for ever")
    assert result.test.examples
    assert all(len(m.text) < 5000 for m in result.best.messages)


async def test_a_text_that_gave_nothing_is_left_alone(tmp_path: Path) -> None:
    """What does not depend on the rows is asked once about each text."""
    names = ("paraphrase", "shorten", "translate")
    async with ScriptedServer("<new>Name the team.</new>") as rewriter:
        search = SearchOptions(operators=names)
        await run(job(tmp_path, rewriter=settings(rewriter), search=search))
    asked = [arrived.prompt for arrived in rewriter.arrived]
    present = [text.split("<current>")[1].split("</current>")[0] for text in asked]
    tasks = [text.split("# Your task")[1] for text in asked]
    about = list(zip(present, tasks, strict=True))
    assert len(about) >= 3
    assert len(about) <= len(set(about)) + 1  # again only where the first answer was new


async def test_an_unreachable_rewriter_is_said_once(tmp_path: Path) -> None:
    nobody = ModelSettings(name="writer", base_url="http://127.0.0.1:9/v1", retries=0, timeout=2)
    result = await run(job(tmp_path, rewriter=nobody))
    assert sum("the rewriter could not be used (connection" in note for note in result.notes) == 1
    assert result.spent.of("rewrite").calls <= 6
    assert result.test.examples == len(OBJECTIVE.examples("test"))


async def test_a_slow_rewriter_never_blocks_the_search(tmp_path: Path) -> None:
    """While it thinks, the model goes on; when the budget ends, nothing waits for it."""
    async with slow_writer(30) as rewriter:
        start = time.monotonic()
        result = await run(job(tmp_path, rewriter=settings(rewriter)))
        assert time.monotonic() - start < 25
        assert rewriter.arrived
    assert result.spent.calls == CALLS
    assert result.finish_reason == "budget: calls"
    assert result.test.missing == 0


def test_operators_that_cannot_work_are_refused_before_any_call(tmp_path: Path) -> None:
    frozen = SPACE.with_components({"task": pl.Text("Read."), "demos": pl.Choice([None, "A"])})
    for changes, message in (
        ({"search": SearchOptions(operators=("rewrit",))}, "no operator 'rewrit'"),
        ({"search": SearchOptions(operators=("no.py:f",))}, "no.py"),
        ({"space": frozen, "search": SearchOptions(operators=("rewrite",))}, "no component is"),
    ):
        with pytest.raises(InputError, match=message):
            run_job(job(tmp_path, **changes))
    assert not answers_file(tmp_path).exists()


def test_a_space_of_one_candidate_needs_operators(tmp_path: Path) -> None:
    one = pl.SearchSpace(
        messages={"system": "{{ task }}", "user": "{{ text }}"},
        components={"task": pl.Text("Name the team.", rewrite=True)},
    )
    with pytest.raises(InputError, match="one candidate only"):
        run_job(job(tmp_path, space=one, search=SearchOptions(operators=())))
    result = run_job(job(tmp_path, space=one, search=SearchOptions()))
    assert result.test.best > result.test.seed + 0.2


def test_custom_operators_take_part(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def teams(brief):\n"
        "    return ['Teams: ' + ', '.join(brief.answers) + '. Answer with the label only.']\n"
        "def broken(brief):\n"
        "    return 1 / 0\n"
    )
    options = SearchOptions(operators=("mine.py:teams", "mine.py:broken"))
    result = run_job(job(tmp_path, search=options))
    assert [o.operator for o in result.operators] == ["teams", "broken"]
    [teams] = [one for one in result.lineage if one.origin.operator == "teams"][:1]
    assert teams.calls > 8
    assert sum("broken" in note for note in result.notes) == 1
    assert result.spent.of("rewrite").calls == 0


def test_a_draft_is_repaired_without_a_rewriter(tmp_path: Path) -> None:
    """By default the embedded model is asked for no text: what data say is enough."""
    one = job(tmp_path, search=SearchOptions())
    assert one.operators == WITHOUT_REWRITER
    result = run_job(one)
    assert result.test.best > result.test.seed + 0.2
    assert result.spent.of("rewrite").calls == 0
    prompt = "\n".join(message.text for message in result.best.messages)
    for team in WORDS:
        assert prompt.count(f"- {team}") <= 1  # one list of labels at most


@pytest.mark.slow
def test_the_record_in_mlflow(tracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Artifacts with a line for each level and operator, and tags that sum them up."""
    from mlflow import MlflowClient

    with ScriptedServer(writer) as server:
        result = run_job(job(tracked, track=TrackOptions(), rewriter=settings(server)))
    state = tracked / ".promptlathe"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", default_uri(state))  # `load_table` reads it
    client = MlflowClient(default_uri(state), default_uri(state))
    kept_run = client.get_run(str(result.run_id))
    lineage = client.load_table(kept_run.info.experiment_id, "lineage.json", [kept_run.info.run_id])
    assert list(lineage["level"]) == [one.origin.level for one in result.lineage]
    operators = client.load_table(
        kept_run.info.experiment_id, "operators.json", [kept_run.info.run_id]
    )
    assert list(operators["levels"]) == [one.levels for one in result.operators]
    kept = next(one.origin for one in result.lineage if one.kept)
    assert f"{kept.component}: {kept.level} ← " in kept_run.data.tags["promptlathe.lineage"]
    assert f"{kept.operator}: " in kept_run.data.tags["promptlathe.operators"]
    assert kept_run.data.metrics["rewrite_calls"] == result.spent.of("rewrite").calls


def test_the_report_shows_what_operators_did(alone: Result) -> None:
    head, columns, *lines = operator_lines(alone.operators)
    assert "operators" in head
    assert columns.split()[:2] == ["operator", "levels"]
    assert [line.split()[0] for line in lines] == [one.operator for one in alone.operators]
    assert operator_lines(()) == []


@pytest.mark.ray
def test_on_ray(cluster: None, tmp_path: Path) -> None:
    """All calls go to the cluster, the rewriter's too."""
    ray = ParallelOptions(engine="ray", concurrency=4, workers=1)
    with ScriptedServer(writer) as server:
        result = run_job(job(tmp_path, parallel=ray, rewriter=settings(server)))
    assert result.verdict == "better"
    assert any(one.origin.tokens and one.kept for one in result.lineage)


def test_the_rewriter_has_room_to_write(tmp_path: Path) -> None:
    """By default it is the model, whose answers may be limited to a label."""
    short = ModelSettings(name="pocket", max_tokens=8, stop="x")
    assert job(tmp_path, model=short).writer == ModelSettings(name="pocket", max_tokens=4096)
    named = ModelSettings(name="writer", max_tokens=100)
    assert job(tmp_path, rewriter=named).writer == named
    assert job(tmp_path, rewriter=ModelSettings(name="writer")).writer.max_tokens == 4096

"""What became of the answers: counted, with a sample and a fix; a hopeless start ends early."""

import asyncio
import re
from pathlib import Path

import pytest
from tests.jobs import ROWS
from tests.scripted_jobs import LABEL, SPACE, job, result_of, row_of, settings

import promptlathe as pl
from promptlathe.cli.display import Lines
from promptlathe.cli.ending import show_result
from promptlathe.errors import InputError
from promptlathe.job import Job
from promptlathe.job.run import run
from promptlathe.job.runfile import SearchOptions, TrackOptions
from promptlathe.records import Budget
from promptlathe.space import Order
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

LATHE = SearchOptions(policy="lathe", operators=())
LABELS = pl.Objective(
    ROWS,
    scorer=pl.exact_match("label", parse="label"),
    splits={"train": 0.2, "select": 0.5, "test": 0.3, "stratify": "label"},
)


def labelled(server: ScriptedServer, workspace: Path, **changes: object) -> Job:
    return job(server, workspace, objective=LABELS, search=LATHE, concurrency=16, **changes)


THINKS = {"content": "", "reasoning_content": "Let me see. It is about a parcel, so"}


@pytest.mark.parametrize(
    ("reply", "state", "fix", "most"),
    [
        (Reply("I think that this message", finish_reason="length"), "cut off", "max_tokens", 20),
        (Reply("", finish_reason="stop"), "empty", "max_tokens", 20),
        (Reply("<think>It is about a"), "cut off", "max_tokens", 20),
        (Reply("I cannot help with that."), "refused", "ask for", 50),
        (Reply("Lovely weather today."), "unread", "parse", 50),
    ],
)
async def test_a_run_whose_first_answers_are_of_no_use_stops(
    tmp_path: Path, reply: Reply, state: str, fix: str, most: int
) -> None:
    async with ScriptedServer(reply) as server:
        with pytest.raises(InputError) as caught:
            await result_of(labelled(server, tmp_path))
        assert len(server.arrived) <= most
    assert f" {state}" in caught.value.what
    assert fix in str(caught.value.fix)
    assert caught.value.exit_code == 2


async def test_demos_and_orders_do_not_keep_a_hopeless_run_going(tmp_path: Path) -> None:
    space = pl.SearchSpace(
        messages={"system": "{{ body }}\n{{ demos }}", "user": "{{ text }}"},
        components={
            **{name: SPACE.components[name] for name in ("form", "tone")},
            "body": Order(("form", "tone")),
            "demos": pl.Demos(count=(0, 6), draws=2, template="{{ text }}: {{ label }}"),
        },
    )
    async with ScriptedServer(Reply("Lovely weather today.")) as server:
        with pytest.raises(InputError, match=r"none of the first .* answers can be used"):
            await result_of(labelled(server, tmp_path, space=space))
        assert len(server.arrived) <= 50


async def test_a_level_that_mends_it_is_waited_for(tmp_path: Path) -> None:
    """One of two forms is read: also when the first prompts have the other one."""

    def answer(arrived: Arrived) -> Reply:
        read = "label only" in arrived.prompt
        return Reply(LABEL[row_of(arrived)] if read else "Lovely weather today.")

    async with ScriptedServer(answer) as server:
        for seed in range(3):
            search = SearchOptions(policy="lathe", operators=(), seed=seed)
            one = job(
                server,
                tmp_path / str(seed),
                objective=LABELS,
                search=search,
                budget=Budget(calls=110),
            )
            result = await result_of(one)
            assert result.best.levels["form"] == "bare"


async def test_operators_may_mend_it(tmp_path: Path) -> None:
    """The draft cannot be read; what is written from its failures can."""

    def answer(arrived: Arrived) -> Reply:
        if arrived.body["model"] == "writer":
            return Reply("<new>Name one of: billing, delivery, login. The label only.</new>")
        read = "The label only" in arrived.prompt
        return Reply(LABEL[row_of(arrived)] if read else "Lovely weather today.")

    space = pl.SearchSpace(
        messages=SPACE.messages,
        components={**SPACE.components, "form": pl.Choice(["Say which.", "Say it."])},
    )
    async with ScriptedServer(answer) as server:
        search = SearchOptions(policy="lathe", operators=("rewrite",))
        one = job(server, tmp_path, objective=LABELS, search=search, space=space, asking=True)
        result = await result_of(one)
    assert result.verdict == "better"


def mixed(arrived: Arrived) -> Reply:
    number = arrived.number % 10
    if number < 2:
        return Reply("I think that", finish_reason="length")
    if number == 2:
        return Reply("Lovely \x1b[31mweather today.")
    if number == 3:
        return Reply("no", status=400, code="content_filter")
    return Reply(LABEL[row_of(arrived)])


async def test_each_answer_is_counted_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with ScriptedServer(mixed) as server:
        one = labelled(server, tmp_path, model=settings(server, max_tokens=20))
        lines: list[str] = []
        progress = Lines(lines.append)
        result = await asyncio.to_thread(run, one, progress=progress)
        progress.end()
        sent = len(server.arrived)
    # While it goes on, what is lost is told; and which score is a mean, and which an estimate.
    assert re.search(r"answers [\d,]+: \d+ cut off, \d+ unread", lines[-1])
    assert re.search(r"failed \d+ \(content_filter \d+\); the last: ", lines[-1])
    estimate = r"(seed|best) ≈ \d\.\d+ \(estimate for all rows, \d+ rows? answered\)"
    assert re.search(estimate, lines[-1])
    assert re.search(r"seed (no answer yet|\d\.\d+ \(mean of \d+ rows?\))", lines[0])
    said = result.to_dict()["answers"]
    assert sum(said[one] for one in ("answered", "cut_off", "unread")) + sum(
        said["failed"].values()
    ) == sum(1 for _ in range(sent))
    assert said["cut_off"] == pytest.approx(sent / 5, abs=2)
    assert said["failed"] == {"content_filter": pytest.approx(sent / 10, abs=1)}
    assert said["samples"]["cut off"] == "'I think that'"
    for side in ("seed", "best"):
        counts = result.to_dict()[side]["answers"]
        assert counts["answered"] + counts["cut_off"] > 0
    per_candidate = [counts.total for counts in result.by_candidate]
    assert sum(per_candidate) == sent
    (note,) = [note for note in result.notes if "cut off" in note]
    assert "raise model.max_tokens (now 20)" in note
    show_result(result, one.workspace)
    shown = capsys.readouterr().out
    assert "cut off" in shown
    assert "content_filter" in shown
    assert "\x1b[31m" not in shown


@pytest.mark.slow
async def test_the_counts_are_in_mlflow(tracked: Path) -> None:
    import mlflow

    async with ScriptedServer(mixed) as server:
        result = await result_of(labelled(server, tracked, track=TrackOptions()))
    client = mlflow.MlflowClient(f"sqlite:///{tracked}/.promptlathe/mlflow.db")
    assert result.run_id
    run = client.get_run(result.run_id)
    assert run.data.metrics["answers_cut_off"] == result.answers.by_state["cut off"]
    assert run.data.metrics["answers_failed"] == sum(result.answers.failed.values())
    assert "answers.json" in {one.path for one in client.list_artifacts(result.run_id)}

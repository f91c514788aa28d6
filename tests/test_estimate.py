"""What `check` says that a job costs, and what it then costs."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.jobs import ROWS
from tests.scripted_jobs import LABEL, job, result_of, row_of, settings

import promptlathe as pl
from promptlathe.job import check
from promptlathe.models.pricing import Price, Prices
from promptlathe.records import Budget
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer


def wordy(arrived: Arrived) -> Reply:
    """A tokenizer at its worst, and answers as long as they may be."""
    read = len(arrived.prompt.encode()) + 40
    written = int(arrived.body.get("max_tokens") or arrived.body["max_completion_tokens"])
    usage = {"prompt_tokens": read, "completion_tokens": written}
    text = "<new>Read it.</new>" if arrived.body["model"] == "writer" else LABEL[row_of(arrived)]
    return Reply(text, usage=usage)


@pytest.mark.parametrize("asking", [False, True], ids=["alone", "operators"])
@pytest.mark.parametrize("most", [20, 1024])
async def test_a_job_costs_no_more_than_was_said(tmp_path: Path, asking: bool, most: int) -> None:
    async with ScriptedServer(wordy) as server:
        model = settings(server, max_tokens=most)
        one = job(server, tmp_path, asking=asking, model=model, budget=Budget(calls=150))
        plan = check(one)
        result = await result_of(one)
    said = plan.estimate.most_usd
    assert said is not None
    assert plan.estimate.usd is not None
    assert plan.estimate.usd < said
    assert plan.budget.usd == 150 * said
    assert result.spent.usd is not None
    assert result.spent.usd <= plan.budget.usd
    assert result.spent.calls >= 0.85 * 150
    assert result.test.missing == 0


async def test_the_longest_row_counts(tmp_path: Path) -> None:
    rows = [dict(row) for row in ROWS]
    rows[0]["text"] += " please" * 2000
    async with ScriptedServer("billing") as server:
        short = job(server, tmp_path)
        long = replace(short, objective=pl.Objective(rows, scorer=pl.exact_match("label")))
        assert check(long).estimate.most_tokens > check(short).estimate.most_tokens + 13_900
        assert check(long).estimate.tokens < 2 * check(short).estimate.tokens


async def test_the_dearest_model_counts(tmp_path: Path) -> None:
    async with ScriptedServer("billing") as server:
        one = job(server, tmp_path)
        most = check(one).estimate.most_usd
        dear = Prices({"model": Price(input=250, output=800)})
        assert check(replace(one, prices=dear)).estimate.most_usd == pytest.approx(10 * (most or 0))
        assert check(replace(one, prices=Prices({}))).estimate.most_usd is None

"""What a chain and a judge leave in a real MLflow store."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests import test_judging
from tests.orders import chain, shop

from promptlathe.job import Job, run
from promptlathe.job.runfile import TrackOptions
from promptlathe.testing.scripted import ScriptedServer
from promptlathe.track import default_uri
from promptlathe.track.backend import ENVIRONMENT
from promptlathe.track.registry import read

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    yield
    os.environ.clear()
    os.environ.update(before)


def client(job: Job) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=default_uri(job.state))


def test_both_prompts_of_a_chain_become_champions_together(tracked: Path) -> None:
    options = TrackOptions(prompt="order-chain", promote="if_better")
    with ScriptedServer(shop) as server:
        job = chain(tracked, server, calls=300, track=options)
        first = run(job)
        second = run(job)
    assert (first.verdict, first.compared_with) == ("better", "seed")
    store = client(job)
    for step, prompt in first.best.prompts.items():
        version = store.get_prompt_version_by_alias(f"order-chain-{step}", "champion")
        assert read(version) == prompt
    kept = {artifact.path for artifact in store.list_artifacts(str(first.run_id))}
    assert {"steps.json", "changed_rows.json"} <= kept
    assert store.get_run(str(first.run_id)).data.metrics["step_plan_calls"] > 0
    assert second.compared_with == "champion"
    assert second.champion is not None
    assert list(second.champion.prompts) == ["plan", "answer"]
    assert second.test_champion is not None
    assert second.verdict == "no significant gain"


def test_the_calls_of_a_judge_are_metrics(tracked: Path) -> None:
    with ScriptedServer(test_judging.both) as server:
        job = replace(test_judging.job(tracked, server, calls=200), track=TrackOptions())
        result = run(job)
    metrics = client(job).get_run(result.run_id).data.metrics
    assert metrics["judge_calls"] == result.spent.of("judge").calls > 0
    assert metrics["judge_tokens"] == result.spent.of("judge").tokens

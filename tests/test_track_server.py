"""A real MLflow server over HTTP, and what a run does while it is away."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.stores import Door, door
from tests.test_job import job
from tests.track_samples import BEST, EXAMPLES, SEED, about, answered, conclusion, standing

from promptlathe.job import Result, run
from promptlathe.job.runfile import TrackOptions
from promptlathe.track import Champion, MlflowTracker
from promptlathe.track.records import Candidacy
from promptlathe.track.running import lock_of
from promptlathe.track.sync import sync

pytestmark = pytest.mark.server


@pytest.fixture
def client(mlflow_server: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(mlflow_server, mlflow_server)


@pytest.fixture
def store(mlflow_server: str) -> Iterator[Door]:
    with door(mlflow_server, mood="through") as opened:
        yield opened


async def test_a_server_that_is_away_in_the_middle_gets_everything(
    tmp_path: Path, store: Door, client: Any
):
    name = f"middle-{uuid4().hex}"  # each attempt, also one that is made again, has its own
    given = about(experiment=name, prompt=name)
    with lock_of(tmp_path, "run"), MlflowTracker(tmp_path, "run", store.url) as tracker:
        tracker.start(given)
        while not tracker.started.done():
            await asyncio.sleep(0.02)
        started = tracker.started.result()
        assert started
        for mood in ("500", "hangs up"):
            store.mood = mood
            one = standing(SEED if mood == "500" else BEST, number=len(mood))
            tracker.candidate(Candidacy(one))
            before = store.requests
            while store.requests < before + 2:
                await asyncio.sleep(0.02)
        store.mood = "through"
        for example in EXAMPLES:
            tracker.test_outcome("seed", answered(SEED, example, "refund"))
            tracker.test_outcome("best", answered(BEST, example, "billing"))
        assert await tracker.champion() == Champion()
        tracker.conclude(conclusion())
        concluded = await tracker.settle()
    assert concluded.problems == ()
    assert concluded.registered["prompt"].uri == f"prompts:/{name}/1"
    runs = client.search_runs([started.experiment_id])
    assert len(runs) == 5
    assert {one.info.status for one in runs} == {"FINISHED"}
    traces = client.search_traces(locations=[started.experiment_id])
    assert {len(trace.data.spans) for trace in traces} == {2}
    assert len(traces) == 6


def test_what_a_whole_run_could_not_tell_is_sent_later(
    tmp_path: Path, store: Door, client: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("promptlathe.track.process.PATIENCE", 1.0)
    store.mood = "500"
    name = f"later-{uuid4().hex}"
    track = TrackOptions(uri=store.url, prompt=name, experiment=name)
    told: list[Result] = []
    result = run(job(tmp_path, track=track), tell=told.append)
    assert (result.verdict, result.promoted, result.run_id) == ("better", None, None)
    assert told[0].notes == result.notes[:-1]
    assert "too many 500 error responses" in told[0].notes[-1]
    assert "wait for MLflow (too many 500 error responses): promptlathe sync" in result.notes[-1]
    assert client.get_experiment_by_name(name) is None

    store.mood = "through"
    said: list[str] = []
    assert sync(tmp_path / ".promptlathe", said.append)
    assert said[1:] == [f"run {result.run}: prompts:/{name}/2 is the champion"]
    experiment = client.get_experiment_by_name(name)
    (parent,) = client.search_runs(
        [experiment.experiment_id], "tags.`promptlathe.kind` = 'optimization'"
    )
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["promptlathe.run"] == result.run
    assert parent.data.metrics["test_gain"] == pytest.approx(result.test.gain)

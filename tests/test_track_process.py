"""The tracker's own process: what it does while the other side works, fails or dies."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from promptlathe.errors import InputError
from promptlathe.records import Answer, Candidate, Cell, Example, Message, Prompt, Standing
from promptlathe.testing.records import outcome
from promptlathe.track import (
    About,
    Conclusion,
    Dataset,
    MlflowTracker,
    NoTracker,
    Tracker,
    default_artifacts,
    default_uri,
)

CANDIDATE = Candidate.single((("role", "agent"),), Prompt((Message("user", "Label: {{ text }}"),)))
EXAMPLE = Example("e1", {"text": "My invoice", "label": "billing"}, "test")
ABOUT = About(
    "triage",
    "support-triage",
    "pocket, seed 0",
    "model: pocket\n",
    "pocket",
    "label",
    datasets=(Dataset.of("tickets", "test", "tickets.jsonl", [EXAMPLE]),),
)
CONCLUSION = Conclusion(
    None, "done", CANDIDATE.prompts, CANDIDATE.prompts, None, promote=True, description="# Done"
)
OUTCOME = outcome(Cell(CANDIDATE, EXAMPLE), Answer("billing"), {"exact_match": 1.0}, 1.0, "billing")
DYING = """
import os, pathlib, signal, sys
from promptlathe.track import About, MlflowTracker, default_artifacts, default_uri
state = pathlib.Path(sys.argv[1])
tracker = MlflowTracker(default_uri(state), default_artifacts(state))
tracker.start(About("triage", "support-triage", "a run", "", "pocket"))
print(tracker.ready.result().run_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that these tests share: only the first makes it."""
    return tmp_path_factory.mktemp("workspace") / "state"


def tracker_at(state: Path) -> MlflowTracker:
    return MlflowTracker(default_uri(state), default_artifacts(state), log=state / "mlflow.log")


def rows(state: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(state / "mlflow.db")) as db:
        return db.execute(query, values).fetchall()


def drive(tracker: Tracker) -> None:
    tracker.progress(1, 1.0, None)
    tracker.candidate(Standing(CANDIDATE, None, "complete", 1, None, None, 0, 0, 0, 0))
    tracker.test_outcome("best", OUTCOME)


async def test_a_run_from_start_to_end(state: Path):
    with tracker_at(state) as tracker:
        tracker.start(ABOUT)
        drive(tracker)  # nothing of this waits for MLflow
        assert not tracker.ready.done()
        started = await asyncio.wrap_future(tracker.ready)
        concluded = tracker.conclude(CONCLUSION)
    assert started
    assert concluded.problems == ()
    assert concluded.run_id == started.run_id
    assert concluded.registered["prompt"].uri == "prompts:/support-triage/1"
    names = rows(state, "SELECT name, status FROM runs ORDER BY name")
    assert names == [
        ("candidate 0", "FINISHED"),
        ("pocket, seed 0", "FINISHED"),
        ("test: best prompt", "FINISHED"),
    ]
    assert rows(state, "SELECT response_preview FROM trace_info") == [("billing",)]
    assert rows(state, "PRAGMA journal_mode") == [("wal",)]


def test_two_runs_that_make_the_store_at_the_same_time(tmp_path: Path):
    with tracker_at(tmp_path) as first, tracker_at(tmp_path) as second:
        for tracker in (first, second):
            tracker.start(ABOUT)
        one, other = first.ready.result(), second.ready.result()
        assert one
        assert other
        assert one.experiment_id == other.experiment_id
        for tracker in (first, second):
            tracker.abort("KILLED", "enough")
    assert rows(tmp_path, "SELECT status FROM runs") == [("KILLED",), ("KILLED",)]


def test_a_run_whose_process_is_killed_ends_as_killed(state: Path):
    done = subprocess.run(
        [sys.executable, "-c", DYING, str(state)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    query = "SELECT status FROM runs WHERE run_uuid = ?"
    deadline = time.monotonic() + 30
    while rows(state, query, done.stdout.strip()) != [("KILLED",)]:
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.05)


def test_the_result_survives_a_writer_that_dies(state: Path):
    with tracker_at(state) as tracker:
        tracker.start(ABOUT)
        started = tracker.ready.result()
        assert started
        assert tracker._process
        os.kill(tracker._process.pid, signal.SIGKILL)
        drive(tracker)
        concluded = tracker.conclude(CONCLUSION)
    assert concluded.run_id == started.run_id
    assert concluded.registered == {}
    assert "MLflow's writer failed" in concluded.problems[0]


def test_a_store_that_cannot_be_opened_is_bad_input(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with MlflowTracker(f"sqlite:///{tmp_path}/file/mlflow.db") as tracker:
        tracker.start(ABOUT)
        drive(tracker)
        with pytest.raises(InputError, match="the MLflow store cannot be used"):
            tracker.ready.result()
        with pytest.raises(InputError):
            tracker.conclude(CONCLUSION)
        tracker.abort("FAILED", "no store")


def test_without_tracking_nothing_happens():
    with NoTracker() as tracker:
        tracker.start(ABOUT)
        drive(tracker)
        assert tracker.ready.result() is None
        concluded = tracker.conclude(CONCLUSION)
        tracker.abort("FAILED", "why not")
    assert (concluded.run_id, concluded.registered) == (None, {})

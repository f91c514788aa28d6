"""The tracker's own process: what it does while the other side works, fails or dies."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from promptlathe.errors import InputError
from promptlathe.records import Answer, Candidate, Cell, Example, Message, Prompt, Standing
from promptlathe.testing.records import outcome
from promptlathe.track import (
    About,
    Champion,
    Conclusion,
    Dataset,
    MlflowTracker,
    NoTracker,
    Tracker,
    default_artifacts,
    default_uri,
)
from promptlathe.track.records import Candidacy
from promptlathe.track.running import lock_of
from promptlathe.track.sync import sync

CANDIDATE = Candidate.single((("role", "agent"),), Prompt((Message("user", "Label: {{ text }}"),)))
EXAMPLE = Example("e1", {"text": "My invoice", "label": "billing"}, "test")
ABOUT = About(
    "triage",
    "support-triage",
    "pocket",
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
tracker = MlflowTracker(state, "dying", default_uri(state), default_artifacts(state))
tracker.start(About("triage", "support-triage", "a run", "", "pocket"))
print(tracker.started.result().run_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that these tests share: only the first makes it."""
    state = tmp_path_factory.mktemp("workspace") / "state"
    state.mkdir()
    return state


def tracker_at(state: Path, run: str = "run") -> MlflowTracker:
    return MlflowTracker(state, run, default_uri(state), default_artifacts(state))


def rows(state: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(state / "mlflow.db")) as db:
        return db.execute(query, values).fetchall()


def drive(tracker: Tracker) -> None:
    tracker.progress([(1, {"progress/score_best": 1.0})])
    standing = Standing(CANDIDATE, None, "complete", 1, None, None, 0, 0, 0, 0)
    tracker.candidate(Candidacy(standing))
    tracker.test_outcome("best", OUTCOME)


@pytest.mark.slow
async def test_a_run_from_start_to_end(state: Path):
    with tracker_at(state) as tracker:
        tracker.start(ABOUT)
        drive(tracker)  # nothing of this waits for MLflow
        assert not tracker.started.done()
        assert await tracker.champion() == Champion()
        tracker.conclude(CONCLUSION)
        concluded = await tracker.settle()
        started = tracker.started.result()
    assert started
    assert concluded.problems == ()
    assert concluded.run_id == started.run_id
    assert concluded.registered["prompt"].uri == "prompts:/support-triage/1"
    names = rows(state, "SELECT name, status FROM runs ORDER BY name")
    assert names == [
        (f"best · {ABOUT.label}", "FINISHED"),
        ("candidate 0", "FINISHED"),
        (f"not compared · {ABOUT.run_name}", "FINISHED"),
    ]
    assert rows(state, "SELECT response_preview FROM trace_info") == [("billing",)]
    assert rows(state, "PRAGMA journal_mode") == [("wal",)]
    assert list((state / "spool").iterdir()) == []
    assert list(state.glob("mlflow.db.new*")) == []


@pytest.mark.slow
async def test_three_runs_that_make_the_store_at_the_same_time(tmp_path: Path):
    names = ["one", "two", "three"]
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(lock_of(tmp_path, name))
        trackers = [stack.enter_context(tracker_at(tmp_path, name)) for name in names]
        for tracker in trackers:
            tracker.start(ABOUT)
        ended = await asyncio.gather(*(one.abort("FAILED", "enough") for one in trackers))
        started = [tracker.started.result() for tracker in trackers]
    assert [concluded.problems for concluded in ended] == [()] * 3
    assert len({one.experiment_id for one in started if one}) == 1
    assert rows(tmp_path, "SELECT status FROM runs") == [("FAILED",)] * 3


@pytest.mark.slow
def test_a_run_whose_process_is_killed_ends_as_killed(state: Path):
    done = subprocess.run(
        [sys.executable, "-c", DYING, str(state)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    query = "SELECT status FROM runs WHERE run_uuid = ?"
    wait_until(lambda: rows(state, query, done.stdout.strip()) == [("KILLED",)])
    wait_until(lambda: list((state / "spool").iterdir()) == [])


@pytest.mark.slow
async def test_what_a_writer_that_dies_has_not_sent_waits(state: Path):
    with tracker_at(state, "orphan") as tracker:
        tracker.start(ABOUT)
        while not tracker.started.done():
            await asyncio.sleep(0.02)
        started = tracker.started.result()
        assert started
        assert tracker.writer
        os.kill(tracker.writer, signal.SIGKILL)
        drive(tracker)
        tracker.conclude(CONCLUSION)
        concluded = await tracker.settle()
    assert concluded.run_id == started.run_id
    assert concluded.registered == {}
    (note,) = concluded.problems
    assert "4 records wait for MLflow (its writer ended" in note
    said: list[str] = []
    assert sync(state, said.append)
    assert said[0] == "run orphan: 4 records sent"
    query = "SELECT status FROM runs WHERE run_uuid = ?"
    assert rows(state, query, started.run_id) == [("FINISHED",)]
    assert not sync(state, said.append)


def test_a_store_that_cannot_be_opened_is_bad_input(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with MlflowTracker(tmp_path, "run", f"sqlite:///{tmp_path}/file/mlflow.db") as tracker:
        tracker.start(ABOUT)
        drive(tracker)
        with pytest.raises(InputError, match="the MLflow store cannot be used"):
            tracker.started.result()
        with pytest.raises(InputError):
            asyncio.run(tracker.champion())
        asyncio.run(tracker.abort("FAILED", "no store"))
    assert list((tmp_path / "spool").iterdir()) == []


async def test_without_tracking_nothing_happens():
    with NoTracker() as tracker:
        tracker.start(ABOUT)
        drive(tracker)
        assert tracker.started.result() is None
        assert await tracker.champion() == Champion()
        tracker.conclude(CONCLUSION)
        concluded = await tracker.settle()
        await tracker.abort("FAILED", "why not")
    assert (concluded.run_id, concluded.registered) == (None, {})


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)

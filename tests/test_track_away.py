"""A store that hangs holds up neither the result, nor Ctrl-C, nor the end of a process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.stores import Door, door
from tests.test_exit_codes import RUN, answers, folder, server  # noqa: F401 - fixtures
from tests.test_track_process import ABOUT, CONCLUSION, drive

from promptlathe.models.pocket.server import Faults, PocketServer
from promptlathe.track import MlflowTracker
from promptlathe.track.spool import Spooled, waiting


@pytest.fixture
def store() -> Iterator[Door]:
    with door(mood="hangs") as opened:
        yield opened


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


async def test_what_a_store_that_hangs_is_told_waits(
    tmp_path: Path, store: Door, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("promptlathe.track.process.PATIENCE", 0.5)
    with MlflowTracker(tmp_path, "run", store.url) as tracker:
        tracker.start(ABOUT)
        drive(tracker)
        assert await tracker.champion() is None
        assert tracker.away == "it does not answer"
        tracker.conclude(CONCLUSION)
        concluded = await tracker.settle()
        writer = tracker.writer
        assert writer
    assert concluded.run_id is None
    assert concluded.problems == (
        "5 records wait for MLflow (it does not answer): promptlathe sync",
    )
    assert not Path(f"/proc/{writer}").exists()
    (path,) = (tmp_path / "spool").glob("*.jsonl")
    assert len(Spooled(path).read()) == waiting(tmp_path).total() == 5


DYING = """
import os, pathlib, signal, sys, time
from promptlathe.track import About, MlflowTracker
tracker = MlflowTracker(pathlib.Path(sys.argv[1]), "dying", sys.argv[2])
tracker.start(About("triage", "support-triage", "a run", "", "pocket"))
print(tracker.writer, flush=True)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_the_writer_ends_with_its_parent_also_when_both_are_stuck(tmp_path: Path, store: Door):
    command = [sys.executable, "-c", DYING, str(tmp_path), store.url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        writer = int(process.stdout.readline())
        wait_until(lambda: store.requests)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.wait(30) == -signal.SIGKILL
        wait_until(lambda: not alive(writer))
    assert waiting(tmp_path)


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def told(result: Path) -> dict[str, Any]:
    """What the file of `--json` says so far."""
    return json.loads(result.read_text()) if result.exists() else {}


def started(store: Door) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "promptlathe", "run", "run.yaml", "--json", "result.json"]
    command += ["--set", f"track={{uri: '{store.url}'}}"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_the_result_comes_first_and_ctrl_c_ends_the_wait(
    folder: Path,  # noqa: F811
    server: PocketServer,  # noqa: F811
    store: Door,
):
    (folder / "run.yaml").write_text(RUN.replace("BASE_URL", server.base_url))
    process = started(store)
    wait_until(lambda: told(folder / "result.json").get("status") == "finished")
    first = told(folder / "result.json")
    assert process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "held-out rows" in out
    assert "wait for MLflow (" in out
    assert "Traceback" not in out + err
    last = json.loads((folder / "result.json").read_text())
    assert last.pop("notes")[: len(first["notes"])] == first.pop("notes")
    assert last == first


@pytest.mark.slow
def test_ctrl_c_ends_a_search_whose_store_hangs(
    folder: Path,  # noqa: F811
    server: PocketServer,  # noqa: F811
    store: Door,
):
    (folder / "run.yaml").write_text(RUN.replace("BASE_URL", server.base_url))
    server.faults = Faults(latency=0.5)
    process = started(store)
    wait_until(lambda: store.requests)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "the same command goes on from there" in err
    assert "wait for MLflow" in err
    assert answers(folder) > 0

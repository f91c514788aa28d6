"""How a run ends when it cannot finish: exit codes 4, 5 and 130, and going on from the ledger."""

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from promptlathe.cli import main
from promptlathe.models.pocket.server import Faults, PocketServer, serve

SPACE = """\
messages:
  system: "{{ role }} Teams: cats, dogs. {{ style }}"
  user: "Text: {{ text }}"
components:
  role: {choice: [null, "You label texts.", "You are careful."]}
  style: {choice: {bare: "Answer with the label only.", long: "Say which team it is."}}
"""
OBJECTIVE = """\
dataset: rows.jsonl
splits: {train: 0.2, select: 0.4, test: 0.4}
scorers:
  - exact_match: {target: label, parse: label}
"""
RUN = """\
space: space.yaml
objective: objective.yaml
model: {name: pocket, base_url: "BASE_URL", retries: 1}
budget: {calls: 150}
search: {policy: random}
parallel: {concurrency: 4}
"""
WAIT = 60.0


@pytest.fixture
def server() -> Iterator[PocketServer]:
    """The pocket model over HTTP, whose faults a test may change at any time."""
    started: list[PocketServer] = []
    listening = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        async with serve() as server:
            started.append(server)
            listening.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert listening.wait(WAIT)
    yield started[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small workspace on a service where nothing listens, and the working directory."""
    rows = [
        {"text": f"the {kind[:-1]} number {i} sleeps", "label": kind}
        for i in range(30)
        for kind in ("cats", "dogs")
    ]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    for name, text in {
        "space.yaml": SPACE,
        "objective.yaml": OBJECTIVE,
        "run.yaml": RUN.replace("BASE_URL", nowhere),
        "rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PROMPTLATHE_WORKSPACE", raising=False)
    return tmp_path


def run(*more: str) -> Result:
    return CliRunner().invoke(main, ["run", "run.yaml", *more])


def use(folder: Path, server: PocketServer) -> None:
    (folder / "run.yaml").write_text(RUN.replace("BASE_URL", server.base_url))


def ended(result: Result, code: int) -> str:
    """Its message, the only one, with advice and without a traceback."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.stderr
    assert [line[:6] for line in result.stderr.splitlines()].count("error:") == 1
    assert "\n  → " in result.stderr
    return result.stderr


def mlflow_runs(folder: Path) -> list[tuple[str, str, str | None]]:
    """(id, status, parent's id) of the runs in the workspace's store, the oldest first."""
    path = folder / ".promptlathe" / "mlflow.db"
    if not path.exists():
        return []
    query = (
        "SELECT runs.run_uuid, status, value FROM runs LEFT JOIN tags "
        "ON tags.run_uuid = runs.run_uuid AND tags.key = 'mlflow.parentRunId' ORDER BY start_time"
    )
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        try:
            return db.execute(query).fetchall()
        except sqlite3.OperationalError:  # MLflow is still making the tables
            return []


def answers(folder: Path) -> int:
    path = folder / ".promptlathe" / "ledger.db"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        return db.execute("SELECT count(*) FROM answers").fetchone()[0]


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.mark.parametrize("setting", ["budget.calls=49", "budget={tokens: 3000}"])
def test_a_budget_that_compares_nothing_is_refused_before_a_call(
    folder: Path, server: PocketServer, setting: str
):
    use(folder, server)
    limit = "calls" if "calls" in setting else "tokens"
    assert f"set budget.{limit} to at least" in ended(run("--set", setting), 4)
    assert server.requests == 0
    assert not (folder / ".promptlathe").exists()


def test_a_model_that_is_not_there(folder: Path):
    said = ended(run(), 5)
    assert "model pocket: connection:" in said
    assert "check `model.base_url` and the network" in said
    assert mlflow_runs(folder) == []


def test_a_key_that_is_refused_stops_the_run_at_once(
    folder: Path, server: PocketServer, monkeypatch: pytest.MonkeyPatch
):
    use(folder, server)
    server.faults = Faults(require_key="right")
    monkeypatch.setenv("TEST_KEY", "wrong-key-1234")
    said = ended(run("--set", "model.api_key_env=TEST_KEY"), 5)
    assert "model pocket: authentication:" in said
    assert "check the key in the variable that `model.api_key_env` names" in said
    assert "wrong-key-1234" not in said
    assert server.requests <= 8
    assert mlflow_runs(folder) == []


def test_a_model_that_nobody_knows_stops_the_run_at_once(folder: Path, server: PocketServer):
    use(folder, server)
    said = ended(run("--set", "model.name=nonesuch"), 5)
    assert "model nonesuch: not_found:" in said
    assert "check `model.name`" in said
    assert server.requests <= 8
    assert mlflow_runs(folder) == []


@pytest.mark.slow
def test_a_service_that_breaks_down_leaves_a_failed_run(
    folder: Path, server: PocketServer, tracked: Path
):
    use(folder, server)
    server.faults = Faults(latency=0.02)
    stopped = threading.Thread(target=lambda: break_down(folder, server))
    stopped.start()
    said = ended(run("--set", "model.retries=0", "--set", "budget.calls=5000"), 5)
    stopped.join()
    assert "server_error" in said
    ((_, status, parent),) = [one for one in mlflow_runs(folder) if one[2] is None]
    assert (status, parent) == ("FAILED", None)


def break_down(folder: Path, server: PocketServer) -> None:
    wait_until(lambda: server.answered >= 20)
    server.faults = Faults(server_error=1.0)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_where_it_stopped(
    folder: Path, server: PocketServer, tracked: Path
):
    use(folder, server)
    server.faults = Faults(latency=0.5)
    command = [sys.executable, "-m", "promptlathe", "run", "run.yaml", "--json", "result.json"]
    first = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_until(lambda: mlflow_runs(folder) or first.poll() is not None)
    for _ in range(2):  # impatience changes nothing
        os.kill(first.pid, signal.SIGINT)
        time.sleep(0.02)
    out, err = first.communicate(timeout=WAIT)

    assert first.returncode == 130, err
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert "Unclosed" not in err
    assert out == ""
    assert json.loads((folder / "result.json").read_text())["status"] == "interrupted"
    kept = answers(folder)
    assert 0 < kept < 150
    assert {status for _, status, parent in mlflow_runs(folder) if parent is None} == {"KILLED"}
    assert "RUNNING" not in {status for _, status, _ in mlflow_runs(folder)}

    server.faults = Faults()
    again = CliRunner().invoke(main, command[3:])
    assert again.exit_code == 0, again.output
    result = json.loads((folder / "result.json").read_text())
    assert result["cached"]["calls"] >= kept
    assert result["calls"]["total"] == answers(folder) - kept
    assert result["calls"]["total"] + result["cached"]["calls"] <= 150
    assert "answers were known already and cost nothing" in again.stdout

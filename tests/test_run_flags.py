"""`run --json, --log, --metrics, --quiet, --fail-on`: what a job in a pipeline reads."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

from promptlathe import clock
from promptlathe.cli import main
from promptlathe.cli.display import PACES, Lines, pace
from promptlathe.cli.log import Log
from promptlathe.models.pocket.server import Faults, PocketServer, serve

ROOT = Path(__file__).parent.parent
SCHEMA = json.loads((ROOT / "docs/reference/result.schema.json").read_text("utf-8"))
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d ")
YESTERDAY = json.dumps({"status": "finished", "verdict": "better"})
WAIT = 60.0


ROWS = [
    {"text": f"the {kind[:-1]} number {i} sleeps", "label": kind}
    for i in range(30)
    for kind in ("cats", "dogs")
]
RUN = {
    "space": {
        "messages": {"system": "{{ style }}", "user": "{{ text }}"},
        "components": {"style": {"choice": {"odd": "Sing.", "bare": "Label: cats or dogs."}}},
    },
    "objective": {"dataset": "rows.jsonl", "scorers": [{"exact_match": "label"}]},
    "budget": {"calls": 150},
    "search": {"policy": "random"},
    "track": False,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose ledger knows all answers after the first run."""
    folder = tmp_path_factory.mktemp("flags")
    write(folder, "pocket")
    return folder


def write(folder: Path, model: Any) -> None:
    (folder / "run.yaml").write_text(json.dumps({**RUN, "model": model}))
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("PROMPTLATHE_WORKSPACE", raising=False)
    (folder / "out.json").write_text(YESTERDAY)
    return folder


def run(*options: str) -> Result:
    return CliRunner().invoke(main, ["run", "run.yaml", *options])


def told(folder: Path) -> dict[str, Any]:
    """What the file of `--json` says; it fits the schema."""
    jsonschema = pytest.importorskip("jsonschema")
    found = json.loads((folder / "out.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(found)
    return found


def test_a_result_has_a_status(here: Path) -> None:
    assert run("--json", "out.json").exit_code == 0
    found = told(here)
    assert (found["status"], found["exit_code"]) == ("finished", 0)
    assert found["verdict"] in ("better", "no significant gain", "worse")


@pytest.mark.parametrize(
    ("options", "code", "status", "says"),
    [
        (["--set", "serach.policy=random"], 2, "bad input", {"what": "serach"}),
        (["--set", "budget.calls"], 2, "bad input", {"where": "--set", "fix": "dotted.key=value"}),
        (["--nonsense"], 2, "bad input", {"what": "--nonsense", "fix": "run --help"}),
        (["--fail-on", "rain"], 2, "bad input", {"what": "rain"}),
        (["--log", "no/such/folder/x.log"], 2, "bad input", {"what": "x.log"}),
        (["--set", "budget.calls=10"], 4, "budget too small", {"fix": "budget.calls"}),
        (["--set", "model={name: m, base_url: 'http://127.0.0.1:9/v1', retries: 0}"],
         5, "model unavailable", {"what": "connection", "where": "model m"}),
    ],
)  # fmt: skip
def test_a_failure_takes_the_place_of_yesterday_s_success(
    here: Path, options: list[str], code: int, status: str, says: Mapping[str, str]
) -> None:
    result = run("--json", "out.json", *options)
    assert result.exit_code == code, result.output
    found = told(here)
    assert (found["status"], found["exit_code"]) == (status, code)
    for key, part in says.items():
        assert part in found["error"][key]


def test_a_run_file_that_is_not_there(here: Path) -> None:
    result = CliRunner().invoke(main, ["run", "nowhere.yaml", "--json=out.json"])
    assert result.exit_code == 2
    assert told(here)["error"]["where"] == "nowhere.yaml"


def test_a_mistake_of_ours_is_a_failure_too(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlathe.job.run", lambda *_, **__: 1 // 0)
    result = run("--json", "out.json", "--log", "ours.log")
    assert isinstance(result.exception, ZeroDivisionError)
    found = told(here)
    assert (found["status"], found["exit_code"]) == ("failed", 1)
    assert found["error"]["what"].startswith("ZeroDivisionError")
    assert "ZeroDivisionError" in (here / "ours.log").read_text()


def test_stdout_holds_one_document_on_a_failure_too(here: Path) -> None:
    result = run("--json", "-", "--set", "serach.policy=random")
    assert json.loads(result.stdout)["status"] == "bad input"
    assert json.loads(run("--json", "-").stdout)["status"] == "finished"


@pytest.mark.parametrize("content", ["space: x.yaml\n", '{"name": "a package"}', "[1, 2]", "1"])
def test_a_file_that_is_no_result_is_left_alone(here: Path, content: str) -> None:
    (here / "mine").write_text(content)
    result = run("--json", "mine")
    assert result.exit_code == 2
    assert "is there already, and is no result" in result.stderr
    assert (here / "mine").read_text() == content


def test_the_verdict_may_fail_the_command(here: Path) -> None:
    verdict = json.loads(run("--json", "-").stdout)["verdict"]
    for word, failing in (("no-gain", ("no significant gain", "worse")), ("worse", ("worse",))):
        result = run("--fail-on", word, "--json", "out.json")
        assert result.exit_code == (3 if verdict in failing else 0)
        assert (told(here)["status"], told(here)["exit_code"]) == ("finished", result.exit_code)
    # The same space without a good choice: nothing can be gained.
    choice = "space.components.style.choice={odd: Sing., even: Dance.}"
    only = run("--fail-on", "no-gain", "--set", choice)
    assert only.exit_code == 3, only.output
    assert "No significant gain" in only.stdout
    assert run("--fail-on", "worse", "--set", choice).exit_code == 0


def test_quiet_says_the_verdict_and_errors(here: Path) -> None:
    result = run("--quiet")
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.count("on held-out rows") == 1
    assert len(result.stdout.splitlines()) <= 4
    assert run("--quiet", "--set", "budget.calls=10").stderr.startswith("error: ")


def test_a_log_has_each_line_of_stderr_with_the_time(here: Path) -> None:
    (here / "run.log").write_text("before\n")
    result = run("--log", "run.log")
    first, *lines = (here / "run.log").read_text().splitlines()
    assert first == "before"
    assert all(STAMP.match(line) for line in lines)
    bare = [STAMP.sub("", line) for line in lines]
    assert set(result.stderr.splitlines()) <= set(bare)
    assert bare[0].startswith("began: ")
    assert bare[-1] == "ended: exit code 0"
    failed = run("--log", "run.log", "--set", "budget.calls=10")
    bare = [STAMP.sub("", one) for one in (here / "run.log").read_text().splitlines()]
    assert bare[-1] == "ended: exit code 4"
    assert next(one for one in failed.stderr.splitlines() if one.startswith("error:")) in bare


def test_a_log_writes_whole_lines(tmp_path: Path) -> None:
    log = Log(tmp_path / "a.log")
    log.open()
    with log.listening():
        print("one", end=" ", file=sys.stderr)
        assert (tmp_path / "a.log").read_text() == ""
        print("line\nand \x1b[31mtwo", file=sys.stderr)
    log.close()
    said = [STAMP.sub("", one) for one in (tmp_path / "a.log").read_text().splitlines()]
    assert said == ["one line", "and \\x1b[31mtwo"]


def test_the_pace_of_lines_settles() -> None:
    elapsed, lines = 0.0, 0
    while elapsed < 10 * 3600:
        elapsed += pace(elapsed)
        lines += 1
    assert [pace(since) for since, _ in PACES] == [5, 30, 60, 300]
    assert 100 < lines < 250


def test_the_first_line_comes_at_once_and_the_last_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr("promptlathe.cli.display.facts", lambda view: [(str(view), "")])
    lines = Lines(said.append)
    for view in (View(1), View(2), View(3)):
        lines.update(view)  # type: ignore[arg-type]
    assert said == ["1"]
    lines.update(View(4, "decision"))  # type: ignore[arg-type]
    lines.update(View(5, "decision"))  # type: ignore[arg-type]
    lines.end()
    lines.end()
    assert said == ["1", "4", "5"]


class View:
    """A view, as far as its stage."""

    def __init__(self, number: int, stage: str = "search") -> None:
        self._number, self.stage = number, stage

    def __str__(self) -> str:
        return str(self._number)


# Processes that are ended


def wait_until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_in_a_terminal_the_first_line_comes_before_anything_is_loaded(tmp_path: Path) -> None:
    write(tmp_path, "pocket")
    (tmp_path / "run.yaml").write_text("space: nowhere.yaml")
    command = [sys.executable, "-m", "promptlathe", "run", "run.yaml"]
    parent, child = os.openpty()
    process = subprocess.Popen(command, cwd=tmp_path, stderr=child)
    os.close(child)
    said = b""
    with suppress(OSError):  # Linux: the other end was closed
        while chunk := os.read(parent, 4096):
            said += chunk
    os.close(parent)
    assert process.wait(WAIT) == 2
    first, second, *_ = said.decode().splitlines()
    assert first == "reading run.yaml"
    assert second.startswith("error: ")


@pytest.fixture
def slow() -> Iterator[PocketServer]:
    """The pocket model over HTTP, each answer of which takes a second."""
    started: list[PocketServer] = []
    listening, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def running() -> None:
        async with serve() as server:
            server.faults = Faults(latency=1.0)
            started.append(server)
            listening.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(running()))
    thread.start()
    assert listening.wait(WAIT)
    yield started[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_command_that_is_ended(tmp_path: Path, slow: PocketServer, how: int) -> None:
    write(tmp_path, {"name": "pocket", "base_url": slow.base_url})
    (tmp_path / "out.json").write_text(YESTERDAY)
    command = [sys.executable, "-m", "promptlathe", "run", "run.yaml", "--json", "out.json"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        out = tmp_path / "out.json"
        wait_until(lambda: json.loads(out.read_text())["status"] == "running")
        assert told(tmp_path)["pid"] == process.pid
        if how == signal.SIGINT:  # in the middle of its calls; the others while it loads
            wait_until(lambda: slow.requests)
        os.kill(process.pid, how)
        process.communicate(timeout=WAIT)
    finally:
        process.kill()
    found = told(tmp_path)
    if how == signal.SIGKILL:
        assert found["status"] == "running"
    else:
        assert process.returncode == 130
        assert (found["status"], found["exit_code"]) == ("interrupted", 130)


def test_a_log_of_json_lines(here: Path) -> None:
    assert run("--log", "all.jsonl").exit_code == 0
    lines = [json.loads(line) for line in (here / "all.jsonl").read_text().splitlines()]
    assert {(type(one["at"]), type(one["text"])) for one in lines} == {(str, str)}
    assert lines[0]["pid"] > 0
    assert lines[-1]["exit_code"] == 0
    (told,) = [one for one in lines if "verdict" in one]
    assert told["interval"][0] <= told["gain"] <= told["interval"][1]
    run("--log", "all.jsonl", "--set", "budget.calls=10")
    lines = [json.loads(line) for line in (here / "all.jsonl").read_text().splitlines()]
    assert lines[-1]["exit_code"] == 4
    assert [one["text"][:6] for one in lines if one["level"] == "error"] == ["error:"]


def series(path: Path) -> dict[tuple[str, ...], float]:
    """By name and values of labels, as Prometheus' own parser reads them."""
    found: dict[tuple[str, ...], float] = {}
    for family in text_string_to_metric_families(path.read_text("utf-8")):
        for sample in family.samples:
            assert sample.labels.pop("run_file") == "run"
            key = (sample.name.removeprefix("promptlathe_run_"), *sample.labels.values())
            assert key not in found
            found[key] = sample.value
    return found


def test_metrics_of_the_last_run(here: Path) -> None:
    path = here / "run.prom"
    with clock.told_by(lambda: datetime(2027, 1, 4, tzinfo=UTC)):
        assert run("--metrics", "run.prom", "--json", "r.json").exit_code == 0
    good, result = series(path), json.loads((here / "r.json").read_text())
    assert good["success",] == 1
    assert good["score", "best"] == result["test"]["best"]
    assert [good["gain", bound, "seed"] for bound in ("low", "high")] == result["test"]["interval"]
    verdicts = {key[1] for key, value in good.items() if key[0] == "verdict" and value}
    assert verdicts == {result["verdict"]}
    assert good["calls", "task"] == result["calls"]["task"]
    with clock.told_by(lambda: datetime(2027, 1, 5, tzinfo=UTC)):
        assert run("--metrics", "run.prom", "--set", "budget.calls=10").exit_code == 4
    failed = series(path)
    assert (failed["success",], failed["exit_code",]) == (0, 4)
    assert failed["ended_timestamp_seconds",] == good["ended_timestamp_seconds",] + 86400
    when = "succeeded_timestamp_seconds"
    assert failed[when,] == good[when,]
    assert ("score", "best") not in failed
    assert run("--metrics", "no/folder/a.prom").exit_code == 2
    (here / "broken.yaml").write_text("space: [")
    broken = CliRunner().invoke(main, ["run", "broken.yaml", "--metrics", "broken.prom"])
    assert broken.exit_code == 2
    assert 'promptlathe_run_success{run_file="broken"} 0.0' in (here / "broken.prom").read_text()

"""Secrets of a whole job: neither in what it prints, nor in a byte of what it leaves behind."""

import json
import sqlite3
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner, Result

from promptlathe.cli import main
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

KEY, LOGIN, QUERY = "sk-c4n4ry/key=", "c4n4ry:login", "c4n4ry+query"
LEDGER, STORE = "c4n4ry-ledger", "c4n4ry-store"
CANARIES = (KEY, LOGIN, QUERY, LEDGER, STORE)
LABELS = ("cats", "dogs")
ROWS = [{"text": f"Text {i:02}: my {LABELS[i % 2]}", "label": LABELS[i % 2]} for i in range(60)]
SPACE = """\
messages:
  system: "{{ role }} {{ style }}"
  user: "{{ text }}"
components:
  role: {choice: [null, "You label texts.", "You are careful."]}
  style: {choice: {bare: "Answer with the label only.", long: "Say which one it is."}}
"""
OBJECTIVE = """\
dataset: rows.jsonl
splits: {train: 0.1, select: 0.4, test: 0.5}
scorers:
  - exact_match: {target: label, parse: label}
"""
RUN = """\
space: space.yaml
objective: objective.yaml
model: {name: m, base_url: "BASE_URL", api_key_env: CANARY_KEY, retries: 0, timeout: 0.2}
budget: {calls: 120}
search: {policy: random, warm_start: false}
parallel: {concurrency: 16}
track: {uri: "sqlite:///STATE/mlflow.db?password=c4n4ry-store"}
ledger: "sqlite:///STATE/ledger.db?password=c4n4ry-ledger"
"""


def faults(key: str) -> tuple[Reply, ...]:
    """What a service may make of a request, each with the key that it was sent."""
    said = f"Incorrect API key provided: {key}"
    page = f"<html><body>Authorization: Bearer {key}</body></html>"
    return (
        Reply(body=json.dumps({"error": {"message": said}})),
        Reply(body=json.dumps({"headers": {"Authorization": f"Bearer {key}"}})),
        Reply(body=page),
        Reply(body=f'{{"choices": [{{"message": "{key}'),
        Reply(fault="hang"),
        Reply(fault="cut"),
        Reply(said, status=400),
        Reply(said, status=403),
        Reply(said, status=404),
        Reply(said, status=429),
        Reply(said, status=500),
        Reply(status=502, body=page),
        Reply(status=307, location=f"http://127.0.0.1:9/v1?key={quote(key)}"),
    )


def service(arrived: Arrived) -> Reply:
    """Answers two rows of three; each of the others fails in its own way, whatever the prompt."""
    number = int(arrived.prompt.rpartition("Text ")[2][:2])
    key = arrived.headers["authorization"].removeprefix("Bearer ")
    assert key == KEY
    if number % 3 == 0:
        kinds = faults(key)
        return kinds[number // 3 % len(kinds)]
    return Reply(LABELS[number % 2 if "label only" in arrived.prompt else 0])


def run(workspace: Path, *settings: str) -> Result:
    """The command line; its JSON result is kept in the state folder, with all else."""
    options = [part for one in settings for part in ("--set", one)]
    file = str(workspace / "run.yaml")
    result = str(workspace / ".promptlathe" / "result.json")
    return CliRunner().invoke(main, ["run", file, "--json", result, *options])


def left_behind(state: Path) -> str:
    """Every byte of every file, and what the databases hold, whole."""
    parts: list[str] = []
    for path in sorted(state.rglob("*")):
        if path.is_file():
            parts.append(path.read_bytes().decode("utf-8", "replace"))
        if path.suffix == ".db":
            with closing(sqlite3.connect(path)) as db:
                parts += db.iterdump()
    return "\n".join(parts)


def assert_hidden(text: str) -> None:
    for canary in CANARIES:
        for form in (canary, quote(canary, ""), b64encode(f"me:{canary}".encode()).decode()):
            assert form not in text
    assert "c4n4ry" not in text


@pytest.mark.slow
def test_no_secret_is_left_behind(tracked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY_KEY", KEY)
    monkeypatch.setattr("promptlathe.runtime.health.FIRST_KNOCKS", (0.0,))
    monkeypatch.setattr("promptlathe.track.process.PATIENCE", 0.5)
    tmp_path, state = tracked, tracked / ".promptlathe"
    (tmp_path / "space.yaml").write_text(SPACE)
    (tmp_path / "objective.yaml").write_text(OBJECTIVE)
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    said: list[str] = []

    def ends(code: int, word: str, *settings: str) -> None:
        done = run(tmp_path, *settings)
        assert done.exit_code == code, done.output
        assert word in done.output
        said.append(done.output)

    with ScriptedServer(service) as server:
        base = server.base_url
        (tmp_path / "run.yaml").write_text(
            RUN.replace("BASE_URL", base).replace("STATE", str(state))
        )
        ends(0, "MLflow")
        away = f"track.uri=http://me:{STORE}@127.0.0.1:9"
        fresh = f"ledger=sqlite:///{state}/other.db?password={LEDGER}"
        ends(0, "wait for MLflow", away, fresh)
        host = base.removeprefix("http://")
        for url in (f"http://me:{LOGIN}@{host}", f"{base}?api_key={QUERY}"):
            ends(2, "a key does not belong in the address", f"model.base_url={url}")
            monkeypatch.setenv("OPENAI_BASE_URL", url)
            ends(2, "OPENAI_BASE_URL", "model.base_url=null")
    ends(5, "connection")
    for fault in (Reply(f"Incorrect API key provided: {KEY}", status=401), *faults(KEY)[::4]):
        with ScriptedServer(fault) as server:
            ends(5, "model m:", f"model.base_url={server.base_url}")
    ends(2, "the ledger cannot", f"ledger=nonesuch://me:{LEDGER}@127.0.0.1:9/db")
    kept = left_behind(state)
    print(f"{len(kept.encode()) + sum(map(len, said)):,} bytes looked through")
    assert_hidden("\n".join(said))
    assert_hidden(kept)
    for sign in (
        "Incorrect API key provided: ***",
        "mlflow.db?password=***",
        "http://me:***@127.0.0.1:9",
        '"verdict"',
    ):
        assert sign in kept  # it was there to be hidden

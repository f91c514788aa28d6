"""Workspaces whose paths mean something to a library: nothing is written outside of them."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from promptlathe.cli import main
from promptlathe.errors import InputError
from promptlathe.ledger import Ledger, sqlite_url
from promptlathe.track import default_artifacts, default_uri
from promptlathe.track.backend import Backend

ODD = (
    "a?b=c",
    "a%20b",
    "a#b",
    "q'\"x",
    "a b; c",
    "é 日本",
    "a\nb",
    "a@b:c",
    "a&b",
    "%",
    "\x1b[31m",
    "~",
)
MISREAD = "a?b=c", "a%20b", "a%2Fb", os.fsdecode(b"a\xffb")
"""By MLflow."""


def workspace(folder: Path, name: str, *, track: bool) -> Path:
    made = folder / name
    made.mkdir()
    rows = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(60)]
    (made / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = made / f"{name}.yaml"
    run.write_text(
        "space: {messages: '{{ role }} {{ text }}', components: {role: {choice: [null, b]}}}\n"
        "objective: {dataset: rows.jsonl, scorers: [exact_match: label]}\n"
        "model: pocket\nbudget: {calls: 60}\nsearch: {policy: random}\n"
    )
    if not track:
        run.write_text(run.read_text() + "track: false\n")
    return run


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", [*ODD, os.fsdecode(b"a\xffb")])
def test_a_ledger_in_it(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "ledger.db"
    Ledger(sqlite_url(file)).close()
    assert file.is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a?b=c", "a%20b", "q'\"x; #", "a\nb\x1b[31m"])
def test_a_run_writes_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    run = workspace(tmp_path, name, track=False)
    invoke("check", run)
    assert not (run.parent / ".promptlathe").exists()
    invoke("run", f"{name}/{run.name}")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    kept = {path.name for path in (run.parent / ".promptlathe").iterdir()}
    assert {"ledger.db", "optuna"} <= kept


@pytest.mark.parametrize("name", MISREAD)
def test_where_mlflow_would_write_elsewhere_it_is_refused(tmp_path: Path, name: str) -> None:
    run = workspace(tmp_path, name, track=True)
    for arguments in (["check", run], ["run", run]):
        result = CliRunner().invoke(main, [str(one) for one in arguments])
        assert result.exit_code == 2
        assert "MLflow cannot keep its store in a path with" in result.stderr
        assert "--workspace DIR" in result.stderr
    assert not (run.parent / ".promptlathe").exists()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    invoke("check", run, "--workspace", tmp_path)
    with pytest.raises(InputError):
        default_uri(run.parent)


def test_mlflow_in_an_odd_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that it can: `#`, quotes, spaces, a line end, a `%` that is none."""
    monkeypatch.chdir(tmp_path)
    state = tmp_path / "a#b'\" é;\n[c]&d@e:f % g" / ".promptlathe"
    backend = Backend(default_uri(state), default_artifacts(state))
    run = backend.client.create_run(backend.experiment("e"))
    backend.client.log_text(run.info.run_id, "hello", "a.txt")
    (kept,) = (state / "artifacts").rglob("a.txt")
    assert kept.read_text() == "hello"
    assert [path.name for path in tmp_path.iterdir()] == [state.parent.name]

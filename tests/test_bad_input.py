"""Bad input, through the real command line: one message, exit code 2, nothing left behind."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import promptlathe as pl
from promptlathe.cli import main
from promptlathe.errors import InputError

SPACE = """\
messages:
  system: "{{ role }} {{ style }}"
  user: "Text: {{ text }}"
components:
  role: {choice: [null, "You label texts.", "You are careful."]}
  style: {choice: {bare: "Answer animal or plant.", long: "Say which it is."}}
"""
OBJECTIVE = """\
dataset: rows.jsonl
splits: {train: 0.3, select: 0.4, test: 0.3}
scorers:
  - exact_match: {target: label, parse: label}
"""
RUN = """\
space: space.yaml
objective: objective.yaml
model: pocket
budget: {calls: 100}
search: {policy: random}
"""
ROWS = [{"id": f"r{i}", "text": f"text {i}", "label": "animal"} for i in range(1, 61)]
FORBID = "constraints:\n  - forbid: {style: [bare, long]}\n"
METRIC = "  - exact_match: {target: label, parse: label}"


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace in which everything is right, and the working directory."""
    for name, text in {
        "space.yaml": SPACE,
        "objective.yaml": OBJECTIVE,
        "run.yaml": RUN,
        "rows.jsonl": lines(ROWS),
        "metric.py": "def brevity(row, answer):\n    return 1\n",
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("PROMPTLATHE_WORKSPACE", raising=False)
    return tmp_path


def complaint(*arguments: str) -> str:
    """What a command says about bad input: one message with a fix, and nothing else."""
    result = CliRunner().invoke(main, arguments)
    assert isinstance(result.exception, SystemExit), result.exception
    return checked(result.exit_code, result.stdout, result.stderr)


def real_complaint(*arguments: str) -> str:
    """The same, of a real process."""
    command = [sys.executable, "-m", "promptlathe", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return checked(done.returncode, done.stdout, done.stderr)


def checked(code: int, stdout: str, stderr: str) -> str:
    assert (code, stdout) == (2, ""), stderr
    if stderr.startswith("runs code from: "):  # said before it runs
        _, _, stderr = stderr.partition("\n")
    assert stderr.startswith("error: ")
    assert stderr.count("error:") == 1
    assert "\n  → " in stderr
    assert "Traceback" not in stderr
    return stderr


@pytest.fixture(params=["check", "run"])
def command(request: pytest.FixtureRequest) -> str:
    return request.param


def test_the_workspace_is_right_to_begin_with(folder: Path):
    result = CliRunner().invoke(main, ["check", "run.yaml"])
    assert result.exit_code == 0, result.output
    assert not (folder / ".promptlathe").exists()


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        pytest.param(
            "objective.yaml",
            METRIC,
            "  - language: zz",
            "objective.yaml:4: scorers.0.language: 'zz' is the code of no language",
            id="a language that there is not",
        ),
        pytest.param(
            "run.yaml",
            "model: pocket",
            "model: {gguf: .}",
            "cannot be read: it is a folder",
            id="a folder as GGUF",
        ),
        pytest.param(
            "run.yaml",
            "model: pocket",
            "model: {gguf: 5}",
            "run.yaml:3: model.gguf: expected a text, found the number 5",
            id="a number as GGUF",
        ),
        pytest.param(
            "run.yaml",
            "model: pocket",
            "model: {name: m, base_url: http://h/v1, api: images, size: big}",
            "run.yaml:3: model.size: 'big' is no size of a picture",
            id="size of a picture",
        ),
        pytest.param(
            "run.yaml", "{calls: 100}", "{calls: 100", "run.yaml:5: not YAML", id="YAML syntax: run"
        ),
        pytest.param(
            "space.yaml", '"Text: {{', "Text: {{", "space.yaml:3: not YAML", id="YAML syntax: space"
        ),
        pytest.param(
            "objective.yaml", "splits", "\tsplits", "objective.yaml:2: not YAML: a tab",
            id="YAML syntax: objective",
        ),
        pytest.param(
            "run.yaml", "calls:", "cals:",
            "run.yaml:4: unknown key 'cals' in budget; did you mean 'calls'?",
            id="unknown key: run",
        ),
        pytest.param(
            "space.yaml", "{choice: [", "{choise: [",
            "space.yaml:5: unknown key 'choise' in components.role; did you mean 'choice'?",
            id="unknown key: space",
        ),
        pytest.param(
            "objective.yaml", "target:", "targt:",
            "unknown key 'targt' in scorers.0.exact_match; did you mean 'target'?\n  → valid",
            id="unknown key: objective",
        ),
        pytest.param(
            "run.yaml", "calls: 100", "calls: many",
            "run.yaml:4: budget.calls: expected a whole number, found the text 'many'\n"
            "  → write a whole number",
            id="wrong type: run",
        ),
        pytest.param(
            "space.yaml", '[null, "You label texts.", "You are careful."]', "5",
            "space.yaml:5: components.role.choice: is not a list of levels",
            id="wrong type: space",
        ),
        pytest.param(
            "objective.yaml", "target: label", "target: 5",
            "objective.yaml:4: scorers.0.exact_match.target: expected a text, found the number 5",
            id="wrong type: objective",
        ),
        pytest.param(
            "rows.jsonl", None, "", "rows.jsonl: the dataset is empty", id="empty dataset"
        ),
        pytest.param(
            "rows.jsonl", ', "label": "animal"}\n{"id": "r8"', '}\n{"id": "r8"',
            "rows.jsonl:7: the row has no 'label'", id="a row without the target",
        ),
        pytest.param(
            "rows.jsonl", '"r9"', '"r4"',
            "rows.jsonl:9: the id 'r4' is also that of rows.jsonl:4", id="duplicate ids",
        ),
        pytest.param(
            "rows.jsonl", None, b'{"text": "a", "label": "b"}\n{"text": "caf\xe9"}\n',
            "rows.jsonl:2: is not UTF-8: byte 0xe9", id="not UTF-8: dataset",
        ),
        pytest.param(
            "run.yaml", None, RUN.encode() + b"# caf\xe9\n", "run.yaml:6: is not UTF-8",
            id="not UTF-8: run",
        ),
        pytest.param(
            "space.yaml", None,
            'messages: {user: "{{ role }} {{ text }}"}\ncomponents: {role: {choice: [a]}}\n',
            "space.yaml:2: the space has one candidate only",
            id="a space of one candidate",
        ),
        pytest.param(
            "space.yaml", None, SPACE + FORBID,
            "space.yaml:7: constraints: the constraints forbid every candidate",
            id="an impossible constraint",
        ),
        pytest.param(
            "space.yaml", "{{ text }}", "{{ txet }}",
            "space.yaml:3: the placeholder {{ txet }} is neither a component nor a field of every "
            "row\n  → did you mean {{ text }}?",
            id="placeholder unknown",
        ),
        pytest.param(
            "space.yaml", "{{ role }} ", "",
            "space.yaml:5: components.role: the template never uses {{ role }}",
            id="placeholder unused",
        ),
        pytest.param(
            "run.yaml", "calls: 100", "calls: 0", "run.yaml:4: budget.calls: must be more than 0",
            id="budget of 0",
        ),
        pytest.param(
            "run.yaml", "calls: 100", "usd: -0.5", "run.yaml:4: budget.usd: must be more than 0",
            id="budget negative",
        ),
        pytest.param(
            "run.yaml", "model: pocket", "model: gpt-6-luna",
            "run.yaml:3: the model 'gpt-6-luna' needs an API key, and the variable OPENAI_API_KEY",
            id="missing key variable",
        ),
        pytest.param(
            "run.yaml", "model: pocket", "model: {name: m, api_key_env: NO_SUCH_KEY}",
            "the variable NO_SUCH_KEY is not set\n  → set it (export NO_SUCH_KEY=…)",
            id="missing key variable, named",
        ),
        pytest.param(
            "objective.yaml", METRIC, "  - metric.py:brevty",
            "metric.py: has no function 'brevty'; did you mean 'brevity'?",
            id="a metric file without the function",
        ),
    ],
)  # fmt: skip
def test_files(
    folder: Path, command: str, file: str, old: str | None, new: str | bytes, words: str
):
    path = folder / file
    if old is not None:
        text = path.read_text()
        assert old in text
        new = text.replace(old, str(new), 1)
    path.write_bytes(new if isinstance(new, bytes) else new.encode())
    assert words in complaint(command, "run.yaml")
    assert not (folder / ".promptlathe").exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("budget.cals=5", "--set budget.cals: unknown key 'cals' in budget; did you mean 'calls'?"),
        ("bugdet.calls=5", "--set bugdet.calls: unknown key 'bugdet'; did you mean 'budget'?"),
        ("budget=5", "--set budget: expected keys with values, found the number 5"),
        ("track.promote=maybe", "--set track.promote: expected 'if_better', 'propose' or 'never'"),
        ("budget.calls=", "--set: 'budget.calls=' has no value"),
        ("budget.calls=[1", "--set budget.calls: the value '[1' is not YAML"),
        ("search.seed=99999999999", "--set search.seed: must be less than 4294967296"),
        ("model={}", "--set model: the key 'name' is missing in model"),
        ("track.uri=foo://bar", "MLflow knows no store of the kind 'foo'"),
        ("ledger=nonsense", "nonsense: the ledger cannot be used"),
    ],
)
def test_settings(folder: Path, command: str, setting: str, words: str):
    assert words in complaint(command, "run.yaml", "--set", setting)
    assert not (folder / ".promptlathe").exists()


def test_a_state_folder_that_is_a_file(folder: Path, command: str):
    (folder / ".promptlathe").write_text("mine")
    said = complaint(command, "run.yaml")
    assert f"{folder}/.promptlathe: the workspace is not writable: a file stands" in said
    assert (folder / ".promptlathe").read_text() == "mine"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a place where root cannot write")
def test_a_workspace_where_nobody_can_write(folder: Path, command: str):
    said = complaint(command, "run.yaml", "--workspace", "/proc/nowhere")
    assert "/proc: the workspace is not writable" in said
    assert "--workspace DIR" in said


@pytest.mark.parametrize("place", ["nowhere/result.json", "run.yaml/result.json"])
def test_a_result_file_that_cannot_be_written_is_found_before_the_run(folder: Path, place: str):
    assert f"--json: {place} cannot be written" in complaint("run", "run.yaml", "--json", place)
    assert not (folder / ".promptlathe").exists()


def test_the_place_of_the_result_says_what_is_wrong(folder: Path):
    (folder / "old.json").write_text('{"verdict": "better"}')
    for place in ("old.json", "new.json"):
        message = complaint("run", "run.yaml", "--set", "ledger=nonsense", "--json", place)
        told = json.loads((folder / place).read_text())
        assert told["status"] == "bad input"
        assert told["error"]["what"] in message


def newer_store(folder: Path) -> Path:
    path = folder / ".promptlathe" / "mlflow.db"
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE experiments (name TEXT)")
        db.execute("CREATE TABLE alembic_version (version_num TEXT)")
        db.execute("INSERT INTO alembic_version VALUES ('0123456789ab')")
    db.close()
    return path


@pytest.mark.parametrize("arguments", [["check", "run.yaml"], ["run", "run.yaml"], ["ui"]])
def test_an_mlflow_store_of_a_newer_schema(folder: Path, arguments: list[str]):
    path = newer_store(folder)
    before = path.read_bytes()
    said = complaint(*arguments)
    assert f"{path}: the database has a newer schema (0123456789ab)" in said
    assert "pip install -U mlflow" in said
    assert [file.name for file in path.parent.iterdir()] == ["mlflow.db"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("server", ["ui", "pocket"])
def test_a_port_that_is_taken(folder: Path, server: str):
    if server == "ui":
        (folder / ".promptlathe").mkdir()
        (folder / ".promptlathe" / "mlflow.db").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = real_complaint(server, "--port", str(port))
    assert f"127.0.0.1:{port}: port {port} is already taken" in said
    assert "--port" in said


def test_the_ui_of_a_workspace_without_runs(folder: Path):
    assert "no run was recorded here yet" in complaint("ui", "--workspace", str(folder))
    assert not (folder / ".promptlathe").exists()


@pytest.mark.parametrize("name", ["nope.yaml", "."])
def test_a_run_file_that_is_none(folder: Path, command: str, name: str):
    assert f"error: {name}: " in complaint(command, name)


def test_in_a_real_process(folder: Path):
    (folder / "space.yaml").write_text(SPACE.replace("{{ text }}", "{{ txet }}"))
    said = real_complaint("run", "run.yaml")
    assert "space.yaml:3: the placeholder {{ txet }}" in said
    assert not (folder / ".promptlathe").exists()


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("def brevity(row):\n    return 1\n", "cannot be called with a row and an output"),
        ("def brevity(:\n", "metric.py:1: is not Python"),
        ("import sys\nsys.exit(3)\n", "metric.py:2: does not load: SystemExit: 3"),
    ],
)
def test_metrics_that_cannot_be_called(folder: Path, command: str, metric: str, words: str):
    (folder / "metric.py").write_text(metric)
    (folder / "objective.yaml").write_text(OBJECTIVE.replace(METRIC, "  - metric.py:brevity"))
    assert words in complaint(command, "run.yaml")
    assert not (folder / ".promptlathe").exists()


def test_a_scorer_without_its_field(folder: Path, command: str):
    (folder / "objective.yaml").write_text(OBJECTIVE.replace(METRIC, "  - exact_match"))
    assert "write `exact_match: FIELD`" in complaint(command, "run.yaml")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("model: {temperature: {float: [0, 5]}}\n", "space.yaml:7: the model parameter"),
        ("model: {max_tokens: {choice: ['5', '6']}}\n", "space.yaml:7: the model parameter"),
        ("constraints:\n  - forbid: {styl: bare}\n", "constraints.0.forbid: unknown component"),
        ("constraints:\n  - forbid: {style: bare}\n", "the seed prompt is forbidden"),
    ],
)
def test_spaces_that_make_no_sense(folder: Path, command: str, more: str, words: str):
    (folder / "space.yaml").write_text(SPACE + more)
    assert words in complaint(command, "run.yaml")


def test_huge_ranges_are_refused_in_no_time(folder: Path, command: str):
    wide = SPACE.replace("{{ style }}", "{{ style }} {{ n }}")
    for n, words in {
        "{int: [0, 99999999999999999999]}": "the range goes to 1e+20",
        "{demos: {count: [0, 99999999999], template: '{{ text }}'}}": "shows up to 99999999999 row",
    }.items():
        (folder / "space.yaml").write_text(f"{wide}  n: {n}\n")
        assert words in complaint(command, "run.yaml")


def test_too_few_rows_are_not_a_matter_of_the_budget(folder: Path, command: str):
    (folder / "rows.jsonl").write_text(lines(ROWS[:20]))
    said = complaint(command, "run.yaml")
    assert "objective.yaml:2: the test split has 6 rows" in said


@pytest.mark.parametrize("target", ["file", "/proc/nowhere"])
def test_init_where_it_cannot_write(folder: Path, target: str):
    (folder / "file").mkdir()
    (folder / "file" / "runs").write_text("in the way")
    assert "cannot be written" in complaint("init", target)


SPACE_MADE = {"messages": "{{ role }} {{ text }}", "components": {"role": pl.Choice(["a", "b"])}}


def optimize(**more: Any) -> None:
    given: dict[str, Any] = {
        "space": pl.SearchSpace(**SPACE_MADE),
        "objective": pl.Objective(ROWS, scorer=pl.exact_match("label")),
    }
    pl.optimize(**(given | more))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"space": "space.yaml"}, "space: expected SearchSpace, found the text 'space.yaml'"),
        ({"objective": None}, "objective: expected Objective, found nothing"),
        ({"budget": 500}, "budget: expected keys with values, found the number 500"),
        ({"budget": pl.Budget(calls=0)}, "budget.calls is 0"),
        ({"budget": pl.Budget(minutes=float("nan"))}, "budget.minutes is nan"),
        ({"budget": pl.Budget(usd="5")}, "budget.usd is '5'"),  # type: ignore[arg-type]
        ({"budget": pl.Budget()}, "the budget has no limit"),
        ({"policy": "lathes"}, "search.policy: expected "),
        ({"seed": "x"}, "search.seed: expected a whole number, found the text 'x'"),
        ({"model": {}}, "model.name: the key 'name' is missing"),
        ({"model": None}, "model: is empty"),
        ({"parallel": 8}, "parallel: expected keys with values, found the number 8"),
        ({"parallel": {"concurency": 8}}, "parallel.concurency: unknown key"),
        ({"track": True}, "track: expected keys with values, found true"),
        ({"prices": {"m": 5}}, "prices.m: expected keys with values"),
        ({"name": "a/../b"}, "name: 'a/../b' cannot name a job"),
        ({"workspace": 5}, "workspace: expected a path, found the number 5"),
    ],
)
def test_python(folder: Path, more: dict[str, Any], words: str):
    with pytest.raises(InputError) as caught:
        optimize(**more)
    assert words in str(caught.value)
    assert caught.value.fix
    assert not (folder / ".promptlathe").exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pl.Choice(["a", "a"]), "the level 'a' is listed twice"),
        (lambda: pl.Choice("abc"), "is not a list of levels"),
        (lambda: pl.Float("a", 1), "expected a number, found the text 'a'"),  # type: ignore[arg-type]
        (lambda: pl.Demos(count=(0, 1, 2), template="x"), "a count cannot be (0, 1, 2)"),
        (lambda: pl.Demos(count=3, template="x", selct="random"), "did you mean 'select'?"),
        (lambda: pl.Objective("rows.jsonl"), "scorers: must not be empty"),
        (lambda: pl.Objective("rows.jsonl", scorer="exact_match"), 'exact_match("FIELD")'),
        (lambda: pl.Objective(5, scorer=pl.exact_match("label")), "dataset: expected a text"),  # type: ignore[arg-type]
    ],
)
def test_python_declarations(make: Callable[[], Any], words: str):
    with pytest.raises(InputError) as caught:
        make()
    assert words in str(caught.value)
    assert caught.value.fix

"""Rows that MLflow keeps, from a real store: of datasets and of traces."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from promptlathe.data.examples import first_target
from promptlathe.data.mlflow_rows import Traces, answered, mlflow_rows
from promptlathe.errors import InputError
from promptlathe.job import Job, make_plan
from promptlathe.scoring import Objective, exact_match
from promptlathe.track.rows import answer

ROWS = [{"text": f"ticket {n}", "label": "billing" if n % 2 else "delivery"} for n in range(40)]


def fill(uri: str) -> None:
    """A dataset, one with odd inputs, and traces of which a third has no expectation."""
    import mlflow
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    records = [
        {"inputs": {"text": row["text"]}, "expectations": {"label": row["label"]}} for row in ROWS
    ]
    client.create_dataset("tickets", ["0"]).merge_records(records)
    clash = {"inputs": {"text": "a"}, "expectations": {"text": "b"}}
    client.create_dataset("clash", ["0"]).merge_records([clash])
    mlflow.set_experiment("production")
    traces: list[str] = []
    for row in ROWS[:33]:
        with mlflow.start_span("row") as span:
            span.set_inputs({"text": row["text"]})
        traces.append(span.trace_id)
        time.sleep(0.002)  # the latest come first, and MLflow keeps milliseconds
    mlflow.flush_trace_async_logging()  # takes a second
    for number, (trace, row) in enumerate(zip(traces, ROWS, strict=False)):
        if number % 3:
            mlflow.log_expectation(trace_id=trace, name="label", value=row["label"])
    mlflow.set_experiment("texts")
    with mlflow.start_span("row") as span:
        span.set_inputs("no fields")
    mlflow.flush_trace_async_logging()


@pytest.fixture(scope="module")
def store(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("rows")
    (folder / "mlflow.db").write_bytes((migrated / "mlflow.db").read_bytes())
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    fill_apart(uri, folder)
    return uri


def fill_apart(uri: str, folder: Path) -> None:
    """In a process of its own: MLflow's active experiment would stay that of this store."""
    filling = f"from tests.test_mlflow_rows import fill; fill({uri!r})"
    environment = {**os.environ, "MLFLOW_TRACKING_URI": uri, "PYTHONPATH": path_of_tests()}
    subprocess.run([sys.executable, "-c", filling], cwd=folder, env=environment, check=True)


def path_of_tests() -> str:
    """Where another process finds this module, and what it imports."""
    return os.pathsep.join([str(Path(__file__).parent.parent), *filter(None, sys.path)])


@pytest.mark.slow
def test_a_dataset_of_mlflow_by_a_process_of_its_own(store: str, tmp_path: Path):
    file = tmp_path / "objective.yaml"
    file.write_text("dataset: mlflow:tickets\nscorers: [exact_match: {target: label}]\n", "utf-8")
    objective = Objective.load(file).reading(store)
    given = Objective(ROWS, scorer=exact_match("label"))
    for split in ("train", "select", "test"):
        assert objective.examples(split) == given.examples(split)
    assert Objective("mlflow:tickets", scorer=exact_match("label")).name == "tickets"


@pytest.mark.slow
def test_a_job_reads_from_the_store_that_it_records_to(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "run.yaml"
    file.write_text(
        """
space:
  messages: [{user: "{{ how }} {{ text }}"}]
  components: {how: {choice: {short: "Be short.", kind: "Be kind."}}}
objective:
  dataset: {traces: production}
  scorers: [exact_match: {target: label}]
  splits: {train: 0, select: 0.5, test: 0.5}
model: pocket
""",
        "utf-8",
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    job = Job.load(file)
    plan = make_plan(job)
    assert len(plan.select) + len(plan.test) == 22
    left = "11 of 33 traces of production were left out: they lack an expectation (label)"
    assert left in plan.notes
    assert first_target(job.objective.scorers) == "label"


def asked(uri: str, **question: Any) -> Any:
    """What the process answers, without starting one."""
    import mlflow

    try:
        return answer({"uri": uri, **question})
    finally:
        mlflow.set_tracking_uri(None)  # pyright: ignore[reportArgumentType] - as it was


@pytest.mark.slow
def test_traces_are_the_latest_and_filtered(store: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    found = asked(store, traces="production", filter=None, most=5)["rows"]
    assert [one["inputs"]["text"] for one in found] == [f"ticket {n}" for n in range(32, 27, -1)]
    assert [one["expectations"].get("label") for one in found][:3] == ["delivery", "billing", None]
    others = asked(store, traces="production", filter="trace.name = 'other'", most=9)
    assert others == {"rows": []}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "what", "fix"),
    [
        ({"dataset": "tikets"}, "no dataset 'tikets'; did you mean 'tickets'?", "there are: "),
        ({"traces": "prodution", "filter": None, "most": 9}, "mean 'production'?", "texts"),
        (
            {"traces": "production", "filter": "tags.x =", "most": 9},
            "MLflow does not take the filter: Invalid clause",
            "tags.reviewed = 'yes'",
        ),
    ],
)
def test_what_mlflow_does_not_have(
    store: str, question: Any, what: str, fix: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    told = asked(store, **question)
    assert what in told["what"]
    assert fix in told["fix"]


def test_a_store_that_is_not_there(tmp_path: Path):
    path = tmp_path / "none.db"
    assert "no MLflow store yet" in asked(f"sqlite:///{path}", dataset="x")["what"]
    assert not path.exists()
    told = asked("http://someone:geheim@127.0.0.1:9/", dataset="x")
    assert "MLflow does not give the rows: no MLflow server answers" in told["what"]
    assert "geheim" not in json.dumps(told)


def python_that_says(said: Any, folder: Path) -> str:
    """Stands for the process, and answers."""
    path = folder / "python"
    answer = json.dumps(said)
    path.write_text(
        f"#!{sys.executable}\nimport sys\nsys.stdin.read()\nprint({answer!r})\n", "utf-8"
    )
    path.chmod(0o700)
    return str(path)


@pytest.mark.parametrize(
    ("inputs", "expectations", "what"),
    [
        ("a text", {}, "the inputs are str, not fields"),
        (["a"], {}, "the inputs are list, not fields"),
        (None, {}, "the inputs are missing, not fields"),
        ({"a": 1}, {"a": 2}, "'a' is both an input and an expectation, and they differ"),
    ],
)
def test_what_is_no_row(
    inputs: Any,
    expectations: Any,
    what: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    said = {"rows": [{"id": "tr-7", "inputs": inputs, "expectations": expectations}]}
    monkeypatch.setattr(sys, "executable", python_that_says(said, tmp_path))
    with pytest.raises(InputError) as caught:
        list(mlflow_rows(Traces(traces="x"), "sqlite:///x.db", None))
    assert caught.value.what == what
    assert caught.value.where == "mlflow:traces of x: tr-7"


def test_no_trace_has_the_expectation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said = {"rows": [{"id": "tr-7", "inputs": {"a": 1}, "expectations": {"b": 2}}]}
    monkeypatch.setattr(sys, "executable", python_that_says(said, tmp_path))
    rows = list(mlflow_rows(Traces(traces="x"), "sqlite:///x.db", None))
    assert answered(rows, ["b"], Traces(traces="x")) == rows
    with pytest.raises(InputError, match="none of the 1 traces has the expectation 'c'") as caught:
        answered(rows, ["c"], Traces(traces="x"))
    assert "there are: a, b" in str(caught.value)


def test_nothing_says_which_store(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(InputError, match="nothing says in which store"):
        Objective("mlflow:tickets", scorer=exact_match("label")).check()


@pytest.mark.server
def test_rows_of_a_server(mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server)
    fill_apart(mlflow_server, tmp_path)
    rows = list(mlflow_rows("tickets", mlflow_server, None))
    assert sorted(row.values["text"] for row in rows) == sorted(row["text"] for row in ROWS)
    traces = list(mlflow_rows(Traces(traces="production", most=7), mlflow_server, None))
    assert len(traces) == 7

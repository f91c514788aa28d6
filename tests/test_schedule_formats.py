"""The files for other schedulers, each read as its scheduler would."""

import ast
import inspect
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from promptlathe.cli import main
from promptlathe.cron import Cron
from promptlathe.documents.reading import read_yaml
from promptlathe.errors import InputError
from promptlathe.schedule.entries import Entry
from promptlathe.schedule.formats import FORMATS, Format, written

TWO = """\
space: {messages: {system: "{{ t }}", user: "{{ text }}"}, components: {t: {choice: {a: x, b: y}}}}
objective: {dataset: rows.csv, scorers: [exact_match: label]}
model: pocket
schedule: "0 3 * * 1"
watch: {schedule: "0 6 * * *"}
"""


def entry(expression: str = "0 3 * * 1", zone: str | None = "Europe/Paris") -> Entry:
    workspace = Path("/srv/my prompts 100%")
    file = workspace / "runs" / "support_triage.yaml"
    return Entry(file, Cron(expression, zone), "support-triage", workspace)


def only(form: Format, **given: Any) -> str:
    (text,) = written(entry(**given), form).values()
    return text


def test_a_crontab():
    lines = only("cron").splitlines()
    assert "CRON_TZ=Europe/Paris" in lines
    assert lines[-1].startswith(r"0 3 * * 1 cd '/srv/my prompts 100\%' && ")
    assert "promptlathe run runs/support_triage.yaml --quiet" in lines[-1]
    assert "CRON_TZ" not in only("cron", zone=None)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("0 3 * * 1", ["2027-01-04 02:00"]),
        ("30 2 1,15 * *", ["2027-01-15 01:30"]),
        ("*/20 8-17 * 3 1-5", ["2027-03-01 07:00"]),
        ("0 6 1 * 5", ["2027-02-01 05:00", "2027-01-08 05:00"]),
    ],
)
def test_systemds_units(expression: str, first: list[str], tmp_path: Path):
    files = written(entry(expression), "systemd")
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    checked = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / name) for name in files)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert checked.returncode == 0, checked.stderr
    timer = files["promptlathe-support_triage.timer".replace("_", "-")]
    calendars = [line.partition("=")[2] for line in timer.splitlines() if "OnCalendar" in line]
    found: list[str] = []
    for one in calendars:
        said = subprocess.run(
            ["systemd-analyze", "calendar", "--base-time=2027-01-02 12:00:00 UTC", one],
            capture_output=True,
            text=True,
            timeout=60,
            env={"TZ": "UTC", "LC_ALL": "C"},
        )
        assert said.returncode == 0, said.stderr
        (line,) = [one for one in said.stdout.splitlines() if "Next elapse" in one]
        found.append(" ".join(line.split()[3:5])[:16])
    assert found == first
    own = next(Cron(expression, "Europe/Paris").after(datetime(2027, 1, 2, 12, tzinfo=UTC)))
    assert f"{own.astimezone(UTC):%Y-%m-%d %H:%M}" == min(found)


def test_kubernetes():
    data, _ = read_yaml(only("kubernetes"), "job.yaml")
    assert (data["apiVersion"], data["kind"]) == ("batch/v1", "CronJob")
    spec = data["spec"]
    assert (spec["schedule"], spec["timeZone"]) == ("0 3 * * 1", "Europe/Paris")
    assert spec["concurrencyPolicy"] == "Forbid"
    pod = spec["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["args"] == ["run", "runs/support_triage.yaml", "--quiet"]
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in pod["volumes"]
    }


def test_kubernetes_own_schema_takes_it():
    data = yaml.safe_load(only("kubernetes"))
    kubernetes_validate.validate(data, "1.37", strict=True)
    data["spec"]["jobTemplates"] = data["spec"].pop("jobTemplate")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(data, "1.37", strict=True)


@pytest.mark.parametrize("zone", ["Europe/Paris", "UTC"])
def test_githubs_own_schema_takes_it(zone: str, tmp_path: Path):
    (tmp_path / "job.yml").write_text(only("github", zone=zone))
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.github-workflows", str(tmp_path / "job.yml")]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stdout
    (tmp_path / "job.yml").write_text(only("github", zone=zone).replace("runs-on", "runs_on"))
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 1


def test_what_kubectl_reads_from_a_pipe_is_a_document_for_each_job(tmp_path: Path):
    (tmp_path / "two.yaml").write_text(TWO)
    said = CliRunner().invoke(
        main, ["schedule", "show", str(tmp_path / "two.yaml"), "--as", "kubernetes"]
    )
    found = list(yaml.safe_load_all(said.output))
    assert [one["metadata"]["name"] for one in found] == [
        "promptlathe-two",
        "promptlathe-two-watch",
    ]


@pytest.mark.parametrize(
    ("expression", "zone", "crons"),
    [
        ("0 3 * * 1", "Europe/Paris", ["0 2 * * 1", "0 1 * * 1"]),
        ("30 0 * * 1", "Europe/Paris", ["30 23 * * 0", "30 22 * * 0"]),
        ("0 20 * * 6", "America/New_York", ["0 1 * * 0", "0 0 * * 0"]),
        ("*/15 * * * *", "Europe/Paris", ["*/15 * * * *"]),
        ("0 3 * * 1", "UTC", ["0 3 * * 1"]),
        ("0 9 1 * *", "Asia/Tokyo", ["0 0 1 * *"]),
        ("30 5 * * *", "Asia/Kolkata", ["0 0 * * *"]),
    ],
)
def test_github_reads_utc(expression: str, zone: str, crons: list[str]):
    data, _ = read_yaml(only("github", expression=expression, zone=zone), "job.yml")
    found = [one["cron"] for one in data["on"]["schedule"]]
    assert sorted(found) == sorted(crons)
    steps = data["jobs"]["promptlathe"]["steps"]
    assert ("id" in steps[0]) == (len(crons) > 1)
    assert any("promptlathe run runs/support_triage.yaml" in one.get("run", "") for one in steps)


@pytest.mark.parametrize("moment", ["2027-01-04T02:00", "2027-07-05T01:00"])
def test_of_githubs_two_times_the_season_decides(moment: str, tmp_path: Path):
    """The step's shell code is run, with the time zone's date of a season."""
    data, _ = read_yaml(only("github"), "job.yml")
    (first, *_) = data["jobs"]["promptlathe"]["steps"]
    (tmp_path / "date").write_text(f'#!/bin/sh\nexec /bin/date -d "{moment}Z" "$@"\n')
    (tmp_path / "date").chmod(0o755)
    runs: list[str] = []
    for one in data["on"]["schedule"]:
        out = tmp_path / "out"
        out.write_text("")
        env = {"CRON": one["cron"], "GITHUB_OUTPUT": str(out), "PATH": f"{tmp_path}:/usr/bin:/bin"}
        subprocess.run(["bash", "-e", "-c", first["run"]], env=env, check=True, timeout=20)
        if "skip" not in out.read_text():
            runs.append(one["cron"])
    assert runs == [f"0 {int(moment[11:13])} * * 1"]


@pytest.mark.parametrize("expression", ["0 0 1 * *", "0 0,12 * * 1", "30 0 * 3 *"])
def test_github_refuses_what_is_another_day_there(expression: str):
    with pytest.raises(InputError, match="is another day"):
        only("github", expression=expression)


@pytest.mark.parametrize("form", ["airflow", "prefect", "ray"])
def test_python_for_other_schedulers(form: Format):
    ((name, text),) = written(entry(), form).items()
    assert name.endswith(".py")
    tree = ast.parse(text)
    said = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    if form == "ray":
        assert any("schedule run '/srv/my prompts 100%/runs" in str(one) for one in said)
    else:
        assert {"0 3 * * 1", "Europe/Paris"} <= {one for one in said if isinstance(one, str)}


def test_airflow_imports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Where Airflow is installed: it pins what we pin otherwise."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "home"))
    bags = pytest.importorskip("airflow.dag_processing.dagbag")
    (tmp_path / "dag.py").write_text(only("airflow"))
    bag = bags.DagBag(str(tmp_path))
    assert bag.import_errors == {}
    (dag,) = bag.dags.values()
    assert (dag.dag_id, dag.catchup, dag.max_active_runs) == (
        "promptlathe-support-triage",
        False,
        1,
    )


def test_prefect_imports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    prefect = pytest.importorskip("prefect")
    made: dict[str, Any] = {"__name__": "flows"}
    exec(compile(only("prefect"), "flow.py", "exec"), made)
    assert isinstance(made["job"], prefect.flows.Flow)
    assert {"name", "schedule", "limit"} <= set(inspect.signature(made["job"].serve).parameters)


def test_rays_job_library_has_what_the_file_uses():
    ray = pytest.importorskip("ray.job_submission")
    assert callable(ray.JobSubmissionClient.submit_job)


@pytest.mark.parametrize("form", [one for one in FORMATS if one != "ray"])
@pytest.mark.parametrize("expression", ["0 3 L * *", "0 3 * * 5#2", "0 3 LW * *", "0 3 * * 5L"])
def test_days_that_only_we_know(form: Format, expression: str):
    with pytest.raises(InputError, match="it knows no L, LW or #"):
        written(entry(expression), form)


def test_the_command(tmp_path: Path):
    file = tmp_path / "run.yaml"
    file.write_text("space: s\nobjective: o\nmodel: m\nschedule: 0 3 * * 1\n")
    shown = CliRunner().invoke(main, ["schedule", "show", str(file), "--as", "systemd"])
    assert shown.exit_code == 0
    assert shown.output.count("[Unit]") == 2
    command = ["schedule", "show", str(file), "--as", "cron", "--out", str(tmp_path / "out")]
    assert (
        CliRunner().invoke(main, command).output
        == f"wrote {tmp_path}/out/promptlathe-run.crontab\n"
    )
    (tmp_path / "out" / "promptlathe-run.crontab").write_text("mine")
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 2
    assert "is there already" in refused.output

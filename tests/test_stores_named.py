"""Which MLflow store and experiment it is: the run file's, the environment's, the workspace's."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.test_job import job

from promptlathe.cli.commands.ui import ui
from promptlathe.errors import InputError
from promptlathe.job.described import experiment_of
from promptlathe.job.runfile import TrackOptions
from promptlathe.job.stores import check_stores, tracking_uri
from promptlathe.track import default_uri


def test_the_order_of_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plain = replace(job(tmp_path), track=TrackOptions())
    named = replace(plain, track=TrackOptions(uri="http://there:1", experiment="mine"))
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert tracking_uri(plain) == default_uri(plain.state)
    assert experiment_of(plain) == plain.name
    monkeypatch.setenv("MLFLOW_TRACKING_URI", " http://server:5000 ")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    assert tracking_uri(plain) == "http://server:5000"
    assert experiment_of(plain) == "ours"
    assert (tracking_uri(named), experiment_of(named)) == ("http://there:1", "mine")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert tracking_uri(plain) == default_uri(plain.state)


def test_a_file_beside_is_the_same_from_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plain = replace(job(tmp_path), track=TrackOptions())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///.promptlathe/mlflow.db")
    assert tracking_uri(plain) == default_uri(tmp_path / ".promptlathe")


def test_what_is_wrong_with_the_variable_is_said_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(tmp_path / "mlruns"))
    with pytest.raises(InputError, match=r"^MLFLOW_TRACKING_URI: .* is a folder"):
        check_stores(replace(job(tmp_path), track=TrackOptions()))


def test_the_ui_of_a_server_is_named_without_its_password(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:geheim@mlflow.example/base")
    done = CliRunner().invoke(ui, [])
    assert done.exit_code == 0, done.output
    assert "https://me:***@mlflow.example/base" in done.output
    assert "geheim" not in done.output
    assert "Ctrl-C" not in done.output

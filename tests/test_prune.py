"""Old runs are forgotten, and never what a champion rests on."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient
from tests.test_job import job

from promptlathe.cli import main
from promptlathe.job import run
from promptlathe.job.runfile import SearchOptions, TrackOptions
from promptlathe.ledger import Ledger, ScoringTerms, sqlite_url
from promptlathe.results.kept import keep, result_of, summaries
from promptlathe.track import default_uri


def told(workspace: Path, *given: str) -> str:
    said = CliRunner().invoke(main, ["prune", "--workspace", str(workspace), *given])
    assert said.exit_code == 0, said.output
    return said.output


def counts(workspace: Path) -> dict[str, int]:
    with closing(sqlite3.connect(workspace / ".promptlathe" / "ledger.db")) as ledger:
        tables = ("answers", "told", "runs", "results", "candidates", "openings")
        return {one: ledger.execute(f"SELECT count(*) FROM {one}").fetchone()[0] for one in tables}


@pytest.mark.slow
def test_the_latest_runs_and_what_was_promoted_stay(tmp_path: Path):
    search = SearchOptions(policy="random", warm_start=False)
    results = [run(job(tmp_path, calls=90, search=search.model_copy(update={"seed": seed})))
               for seed in range(4)]  # fmt: skip
    with closing(Ledger(sqlite_url(tmp_path / ".promptlathe" / "ledger.db"))) as ledger:
        # The first one made the champion.
        keep(ledger, replace(result_of(ledger, results[0].run), registered={"promptlathe": 2}))
        ledger.begin("interrupted", ScoringTerms("0" * 16, "m", "e", "0" * 16), warm=False)
    before = counts(tmp_path)
    assert told(tmp_path, "--keep", "2", "--dry-run").startswith("1 runs would go, 3 stay; ")
    assert counts(tmp_path) == before
    assert told(tmp_path, "--keep", "2").startswith("1 runs gone, 3 stay; ")
    after = counts(tmp_path)
    assert after["runs"] == before["runs"] - 1
    assert after["results"] == 3
    assert after["told"] < before["told"]
    assert after["candidates"] < before["candidates"]
    assert (after["answers"], after["openings"]) == (before["answers"], before["openings"])
    with closing(Ledger(sqlite_url(tmp_path / ".promptlathe" / "ledger.db"))) as ledger:
        left = {one.run for one in summaries(ledger)}
    assert left == {results[0].run, results[2].run, results[3].run}
    reports = {file.stem for file in (tmp_path / ".promptlathe" / "reports").iterdir()}
    assert results[1].run not in reports
    assert results[2].run in reports
    journals = [file.name for file in (tmp_path / ".promptlathe" / "optuna").iterdir()]
    assert not any(results[1].run in name for name in journals)
    again = run(job(tmp_path, calls=90, search=search.model_copy(update={"seed": 1})))
    assert again.spent.calls == 0, "its answers are known"
    assert told(tmp_path, "--keep", "9").startswith("0 runs gone, 4 stay; 0 files")


def test_where_nothing_was_run(tmp_path: Path):
    said = CliRunner().invoke(main, ["prune", "--workspace", str(tmp_path), "--keep", "1"])
    assert said.exit_code == 2
    assert "no run was recorded here yet" in said.output
    assert CliRunner().invoke(main, ["prune", "--keep", "0"]).exit_code == 2


@pytest.mark.slow
def test_what_mlflow_keeps_below_old_runs_goes(tmp_path: Path, tracked: Path):
    del tracked
    search = SearchOptions(policy="random", warm_start=False)
    track = TrackOptions(prompt="teams", promote="never", candidates="all")
    results = [
        run(job(tmp_path, calls=90, track=track, search=search.model_copy(update={"seed": seed})))
        for seed in range(3)
    ]
    uri = default_uri(tmp_path / ".promptlathe")
    file = tmp_path / ".promptlathe" / "mlflow.db"
    client = MlflowClient(uri, uri)
    (experiment,) = [e.experiment_id for e in client.search_experiments() if e.name != "Default"]

    def below(run_id: str | None) -> int:
        query = f"tags.`mlflow.parentRunId` = '{run_id}'"
        return len(client.search_runs([experiment], query))

    def traces() -> int:
        return len(client.search_traces(locations=[experiment], max_results=500))

    def spans() -> tuple[int, int]:
        with closing(sqlite3.connect(file)) as store:
            (count,) = store.execute("SELECT count(*) FROM spans").fetchone()
            (free,) = store.execute("PRAGMA freelist_count").fetchone()
            return count, free

    before, rows = [below(one.run_id) for one in results], traces()
    assert spans() == (2 * rows, 0)
    assert min(before) > 0
    assert rows > 60
    would = told(tmp_path, "--keep", "1", "--dry-run")
    assert "what is below 2 of MLflow's lines would go" in would
    assert [below(one.run_id) for one in results] == before
    gone = told(tmp_path, "--keep", "1")
    assert f"; {sum(before[:2])} runs and " in gone
    assert [below(one.run_id) for one in results] == [0, 0, before[2]]
    assert f"{rows - traces()} traces in MLflow gone" in gone
    assert 0 < traces() < rows / 2
    assert spans() == (2 * traces(), 0), "what they took is given back to the disk"
    for one in results:
        assert client.get_run(str(one.run_id)).data.metrics["test_gain"] == one.test.gain


@pytest.mark.slow
def test_mlflow_may_be_left_alone(tmp_path: Path, tracked: Path):
    del tracked
    search = SearchOptions(policy="random", warm_start=False)
    for seed in range(2):
        track = TrackOptions(
            prompt="teams", promote="never", uri="sqlite:///" + str(tmp_path / "m.db")
        )
        run(job(tmp_path, calls=90, track=track, search=search.model_copy(update={"seed": seed})))
    (tmp_path / "m.db").unlink()
    said = told(tmp_path, "--keep", "1", "--no-mlflow")
    assert said.startswith("1 runs gone, 1 stay; ")
    assert "MLflow" not in said

"""Old runs are forgotten, and never what a champion rests on."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.test_job import job

from promptlathe.cli import main
from promptlathe.job import run
from promptlathe.job.runfile import SearchOptions
from promptlathe.ledger import Ledger, ScoringTerms, sqlite_url
from promptlathe.results.kept import keep, result_of, summaries


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

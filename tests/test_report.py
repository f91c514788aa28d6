"""The report of a run: what it says, on real runs."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.jobs import OBJECTIVE

import promptlathe as pl
from promptlathe.cli.main import main
from promptlathe.job.reports import report_path
from promptlathe.report.page import report_page
from promptlathe.results import Result

SPACE = pl.SearchSpace(
    messages={"system": "{{ task }} {{ form }}", "user": "{{ text }}"},
    components={
        "task": pl.Choice(["Read this.", "Teams: billing, delivery, login."]),
        "form": pl.Choice(["Say which.", "Answer with the label only."]),
    },
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("reported")
    budget = pl.Budget(calls=150)
    return pl.optimize(SPACE, OBJECTIVE, budget=budget, track=False, workspace=folder), folder


def test_a_run_leaves_its_report_and_the_command_writes_it_again(finished: tuple[Result, Path]):
    result, folder = finished
    kept = report_path(folder / ".promptlathe", result.run)
    assert kept.read_text("utf-8") == report_page(result)
    out = folder / "again.html"
    named = ["report", "latest", "--workspace", str(folder), "--out", str(out)]
    done = CliRunner().invoke(main, named)
    assert done.exit_code == 0, done.output
    assert out.read_bytes() == kept.read_bytes()
    kept.unlink()
    assert CliRunner().invoke(main, named[:-2]).exit_code == 0
    assert kept.read_bytes() == out.read_bytes()


def test_no_report_is_made_where_none_is_wanted(tmp_path: Path):
    budget = pl.Budget(calls=110)
    result = pl.optimize(
        SPACE, OBJECTIVE, budget=budget, track=False, report=False, workspace=tmp_path
    )
    assert not report_path(tmp_path / ".promptlathe", result.run).parent.exists()


def test_a_report_that_cannot_be_kept_is_a_note(tmp_path: Path):
    state = tmp_path / ".promptlathe"
    state.mkdir()
    (state / "reports").write_text("in the way")
    budget = pl.Budget(calls=110)
    result = pl.optimize(SPACE, OBJECTIVE, budget=budget, track=False, workspace=tmp_path)
    assert any("report could not be written" in note for note in result.notes)


def test_the_page_says_what_was_found(finished: tuple[Result, Path]):
    result, _ = finished
    page = report_page(result)
    for figure in (f"{result.test.seed:.3f}", f"{result.test.best:.3f}"):
        assert figure in page
    assert page.count('<details class="row ') == len(result.rows)
    assert page.count('class="row fixed"') == sum(row.change == "fixed" for row in result.rows)
    assert len(re.findall('<svg class="chart"[^>]*role="img"', page)) >= 3
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    named = set(re.findall(r'(?:url\(#|href="#|aria-labelledby="|for=")([^")\s]+)', page))
    assert named <= set(ids)


def test_the_page_loads_nothing_and_runs_one_script(finished: tuple[Result, Path]):
    page = report_page(finished[0])
    assert page.count("<script") == 1
    assert re.findall(r'(?:src|href)="[^#]', page) == []
    assert "default-src &#39;none&#39;" in page


def test_a_page_is_the_same_each_time(finished: tuple[Result, Path]):
    assert report_page(finished[0]) == report_page(finished[0])


def test_a_chain_of_nothing_but_failures_has_a_report(finished: tuple[Result, Path]):
    result, _ = finished
    none = replace(
        result,
        rows=(),
        curve=(),
        found_effects=(),
        found_in_best=(),
        standings=(),
        facts=replace(result.facts, labels=()),
    )
    assert "No held-out row was asked." in report_page(none)

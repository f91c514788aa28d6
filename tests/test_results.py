"""A run's result is kept in the ledger and read back whole."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.jobs import OBJECTIVE, answers_file

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.job import Result
from promptlathe.ledger import Ledger, sqlite_url
from promptlathe.records import PROMPT
from promptlathe.results.kept import keep, result_of, summaries
from promptlathe.results.rows import MOST_SHOWN, DecidedRow, RowAnswer


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("kept")
    space = pl.SearchSpace(
        messages={"system": "{{ task }} {{ form }}", "user": "{{ text }}"},
        components={
            "task": pl.Choice(["Read this.", "Teams: billing, delivery, login."]),
            "form": pl.Choice(["Say which.", "Answer with the label only."]),
        },
    )
    budget = pl.Budget(calls=150)
    return pl.optimize(space, OBJECTIVE, budget=budget, track=False, workspace=folder), folder


@pytest.fixture
def ledger(finished: tuple[Result, Path]):
    opened = Ledger(sqlite_url(answers_file(finished[1])))
    yield opened
    opened.close()


def test_a_result_comes_back_as_it_was(finished: tuple[Result, Path], ledger: Ledger):
    result, _ = finished
    again = result_of(ledger, result.run)
    assert again.to_dict() == result.to_dict()
    assert again.rows == result.rows
    assert again.facts == result.facts
    assert again.standings == result.standings
    assert again.chosen.prompts == result.chosen.prompts


def test_a_run_is_found_by_its_names(finished: tuple[Result, Path], ledger: Ledger):
    result, _ = finished
    known = replace(result, run="0123456789ab", run_id="f" * 32)
    known = replace(known, facts=replace(known.facts, experiment="other", began=result.facts.ended))
    keep(ledger, known)
    keep(ledger, replace(known, promoted=3, registered={"p": 3}))
    for name in ("0123456789ab", "0123", "f" * 32, "ffff"):
        assert result_of(ledger, name).promoted == 3
    assert [one.run for one in summaries(ledger, "other")] == ["0123456789ab"]
    assert {one.run for one in summaries(ledger)} == {result.run, "0123456789ab"}
    keep(ledger, replace(known, run="0123ffffffff", run_id=None))
    with pytest.raises(InputError, match="several runs begin with '0123'"):
        result_of(ledger, "0123")
    with pytest.raises(InputError, match="no run 'f0' with a result"):
        result_of(ledger, "f0")


def test_without_a_result_there_is_nothing_to_show(tmp_path: Path):
    ledger = Ledger(sqlite_url(tmp_path / "ledger.db"))
    for name in ("latest", "abcd"):
        with pytest.raises(InputError, match="no run of this workspace has a result yet"):
            result_of(ledger, name)
    ledger.close()


def test_rows_hold_what_both_prompts_answered(finished: tuple[Result, Path]):
    result, _ = finished
    target = {str(e.row["text"]): e.row["label"] for e in OBJECTIVE.examples("test")}
    assert len(result.rows) == result.test.examples
    for row in result.rows:
        assert row.expected == target[row.fields["text"]]
        assert "label" not in row.fields
        assert set(row.answers) == {"seed", "best"}
    gain = sum(row.gain for row in result.rows) / len(result.rows)
    assert gain == pytest.approx(result.test.gain)
    assert {row.example for row in result.changed} == {r.example for r in result.rows if r.gain}


def test_facts_say_what_the_job_was(finished: tuple[Result, Path]):
    facts = finished[0].facts
    assert facts.embedded
    assert facts.target == "label"
    assert facts.best_possible == 1.0
    assert facts.rows["test"] == len(OBJECTIVE.examples("test"))
    assert 0 < (facts.ended - facts.began).total_seconds() < 600
    assert json.loads(json.dumps(finished[0].to_dict()))["job"]["model"] == "pocket"


def test_a_row_that_one_side_lacks_did_not_change():
    row = DecidedRow("1", {"text": "x" * MOST_SHOWN}, None, {"best": RowAnswer("yes", 1.0)})
    assert (row.change, row.gain) == (None, 0.0)
    assert row.outputs == {PROMPT: (None, "yes")}

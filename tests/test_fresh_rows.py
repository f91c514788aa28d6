"""From job to job: rows that came since are held out first, and what an application gathers."""

import csv
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.jobs import ROWS, answers_file

import promptlathe as pl
from promptlathe.cli import main
from promptlathe.errors import InputError
from promptlathe.job import Job, Result, check, run
from promptlathe.job.progress import View
from promptlathe.ledger import Ledger, sqlite_url

SPLITS = {"train": 0.2, "select": 0.5, "test": 0.3}
NEW = [
    {"text": f"N{i:02}x My {word} is lost, and the bill came", "label": "delivery"}
    for i, word in enumerate(["parcel", "box", "courier", "letter"] * 4)
]
SPACE = {
    "messages": {"system": "{{ task }}\n{{ teams }}\n{{ demos }}", "user": "{{ text }}"},
    "components": {
        "task": {"choice": {"draft": "Read the message.", "team": "Name the team."}},
        "teams": {"choice": {"none": "", "names": "Teams: billing, delivery, login."}},
        "demos": {"demos": {"count": [0, 4], "template": "Text: {{ text }}\nTeam: {{ label }}"}},
    },
}


def lay_out(folder: Path, rows: Sequence[Mapping[str, Any]], **more: Any) -> Path:
    """A workspace with its rows in a file; the run file."""
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    objective = {
        "dataset": "rows.csv",
        "scorers": [{"exact_match": {"target": "label", "parse": "label"}}],
        "splits": SPLITS,
        **more,
    }
    content = {
        "space": SPACE,
        "objective": objective,
        "model": "pocket",
        "budget": {"calls": 300},
        "track": False,
    }
    (folder / "run.yaml").write_text(json.dumps(content))
    return folder / "run.yaml"


def texts(one: Job, split: Any) -> set[str]:
    return {str(example.row["text"]) for example in one.objective.examples(split)}


@pytest.mark.slow
def test_rows_that_come_between_two_jobs(tmp_path: Path):
    first = Job.load(lay_out(tmp_path, ROWS))
    before = {split: texts(first, split) for split in SPLITS}
    result = run(first)
    assert result.opened == 1
    assert result.unopened == len(before["test"])

    file = lay_out(tmp_path, [*NEW, *ROWS])
    again = Job.load(file)
    fresh = {row["text"] for row in NEW}
    assert fresh <= texts(again, "test")
    assert before["select"] <= texts(again, "select")
    assert before["train"] <= texts(again, "train")
    said = CliRunner().invoke(main, ["check", str(file)])
    assert f"{len(texts(again, 'test'))} test rows (16 never opened)" in said.output
    assert "16 new rows: 16 in test" in said.output
    form = CliRunner().invoke(main, ["check", str(file), "--json", "-"])
    assert json.loads(form.stdout)["unopened"] == 16

    second = run(again)
    assert second.unopened == 16
    told = [one for one in second.notes if "never opened" in one]
    assert not told or "16 of its 24 rows were never opened before" in told[0]
    third = check(Job.load(file))
    opened = 16 if second.opened else 0
    assert third.unopened == 16 - opened
    assert {e.id for e in third.test} == {e.id for e in again.objective.examples("test")}
    # Both are replayed on the rows that they had.
    for one in (result, second):
        told_again = run(Job.load(file), replay=one.run)
        assert told_again.test == one.test
        assert told_again.unopened == one.unopened


@pytest.mark.slow
def test_canaries_that_were_searched_on_never_decide(tmp_path: Path):
    """Rows come, are corrected, and go; the openings of the ledger say what decided."""
    rows = [dict(row) for row in ROWS]
    searched: set[str] = set()
    decisions = 0
    for number in range(4):
        rows = rows[5:] + [
            {"text": f"C{number}-{i:02}x My invoice and the parcel", "label": "billing"}
            for i in range(8)
        ]
        rows[number]["label"] = "login"
        one = Job.load(lay_out(tmp_path, rows))
        result = run(one)
        names = {e.id: str(e.row["text"]) for e in one.objective.examples("test")}
        with closing(Ledger(sqlite_url(answers_file(tmp_path)))) as ledger:
            opened = ledger.openings(one.objective.name)
        if result.opened:
            decided = {names[row] for row in opened[-1].rows}
            assert not decided & searched
            decisions += 1
        searched |= texts(one, "select") | texts(one, "train")
    assert decisions >= 1


@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_the_rows_that_it_had(tmp_path: Path):
    file = lay_out(tmp_path, ROWS)
    run(Job.load(file))
    file = lay_out(tmp_path, [*ROWS, *NEW])
    with pytest.raises(Stop):
        run(Job.load(file), progress=StopsInDecision())
    result = run(Job.load(file))
    assert any("went on with an interrupted run" in note for note in result.notes)
    assert result.unopened == 16


class Stop(Exception):
    """Ends a run in the middle of its decision."""


class StopsInDecision:
    """Progress that ends a run after a few rows of `test`."""

    def __init__(self) -> None:
        self.left = 5

    def update(self, view: View) -> None:
        self.left -= view.stage == "decision"
        if self.left < 0:
            raise Stop


def feedback(folder: Path, *rows: Mapping[str, Any]) -> None:
    (folder / "feedback.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_feedback_that_is_not_there_yet(tmp_path: Path):
    file = lay_out(tmp_path, ROWS, feedback="feedback.jsonl")
    plan = check(Job.load(file))
    assert f"there is no feedback yet in {tmp_path / 'feedback.jsonl'}" in plan.notes
    (tmp_path / "feedback.jsonl").touch()
    assert check(Job.load(file)).test == plan.test


def test_feedback_is_new_rows_and_corrections(tmp_path: Path):
    rows = [{"id": str(i), **row} for i, row in enumerate(ROWS)]
    file = lay_out(tmp_path, rows, feedback="feedback.jsonl")
    plain = Job.load(file)
    split_of = {
        str(e.row["id"]): split for split in SPLITS for e in plain.objective.examples(split)
    }
    feedback(
        tmp_path,
        {"id": "3", "label": "login"},
        {"text": f" {rows[4]['text']}", "label": "delivery", "at": "2026-11-28T04:00:00Z"},
        {"id": "5", "text": "Something else", "label": "billing"},
        {"id": "3", "label": "delivery"},
        {"text": "A new one", "label": "login"},
        {"text": "Nobody has said what it is", "label": None},
        {"id": "no such row", "label": "login"},
        {"id": "6", "label": rows[6]["label"]},
    )
    one = Job.load(file)
    by_id = {str(row["id"]): row for row, _ in one.objective.rows if row.get("id") is not None}
    assert by_id["3"]["label"] == "delivery"
    assert (by_id["4"]["label"], by_id["4"]["text"]) == ("delivery", f" {rows[4]['text']}")
    assert by_id["5"]["text"] == "Something else"
    assert "A new one" in {row["text"] for row, _ in one.objective.rows}
    assert len(one.objective.rows) == len(rows) + 1
    notes = check(one).notes
    assert "feedback corrects 3 rows" in notes
    assert "1 row of feedback has an id only, and no row has it: left out" in notes
    assert "1 of 8 rows of feedback waits for a right answer ('label')" in notes
    run(plain)
    told = Job.load(file)
    assert "A new one" in texts(told, "test")
    for split in SPLITS:
        for example in told.objective.examples(split):
            if example.row.get("id") is not None:
                assert (
                    split_of[str(example.row["id"])] == split
                    or split_of[str(example.row["id"])] == "test"
                )
    assert "Something else" in texts(told, split_of["5"])  # type: ignore[arg-type]


def test_feedback_beside_files_of_their_own(tmp_path: Path):
    parts = {"train": ROWS[:12], "select": ROWS[12:36], "test": ROWS[36:]}
    made = pl.Objective(
        scorer=pl.exact_match("label"),
        splits={name: list(rows) for name, rows in parts.items()},
        feedback=[*NEW, {**ROWS[40], "label": "login"}],
    )
    sizes = {split: len(made.examples(split)) for split in SPLITS}
    assert sum(sizes.values()) == 63 + 16
    assert sizes["test"] - 27 == pytest.approx(16 * 27 / 63, abs=1)
    corrected = [e for e in made.examples("test") if e.row["text"] == ROWS[40]["text"]]
    assert [e.row["label"] for e in corrected] == ["login"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "x", "label": ["a"]}', "feedback.jsonl:1: 'label' is a list here"),
        ("[1]", "feedback.jsonl:1: a row must be an object"),
        ("{", "feedback.jsonl:1"),
    ],
)
def test_feedback_that_cannot_be_used(tmp_path: Path, line: str, said: str):
    file = lay_out(tmp_path, ROWS, feedback="feedback.jsonl")
    (tmp_path / "feedback.jsonl").write_text(line)
    with pytest.raises(InputError) as caught:
        check(Job.load(file))
    assert said in str(caught.value)


def test_a_folder_as_feedback(tmp_path: Path):
    file = lay_out(tmp_path, ROWS, feedback=".")
    with pytest.raises(InputError):
        check(Job.load(file))


def test_what_the_budget_affords_of_test_are_the_rows_that_came_last(tmp_path: Path):
    first = Job.load(lay_out(tmp_path, ROWS))
    result: Result = run(first)
    assert result.opened
    file = lay_out(tmp_path, [*ROWS, *NEW])
    small = check(Job.load(file, settings=(("budget.calls", "60"),)))
    assert len(small.test) == 12
    assert small.unopened == 12

"""`runs`, `show` and `compare`: what is in the ledger, and what may be concluded from two runs."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.jobs import OBJECTIVE, answers_file

import promptlathe as pl
from promptlathe.cli import main
from promptlathe.cli.diff import diff_lines
from promptlathe.cli.listing import listed, run_lines
from promptlathe.cli.tables import Column, table
from promptlathe.decide import compare_values
from promptlathe.job import Result
from promptlathe.ledger import Ledger, ScoringTerms, sqlite_url
from promptlathe.report.worddiff import Change
from promptlathe.results import DecidedRow
from promptlathe.results.compared import compare_runs, values
from promptlathe.results.kept import keep
from promptlathe.track.running import lock_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A workspace with one run."""
    folder = tmp_path_factory.mktemp("shown")
    space = pl.SearchSpace(
        messages={"system": "{{ task }} {{ form }}", "user": "{{ text }}"},
        components={
            "task": pl.Choice(["Read this.", "Teams: billing, delivery, login."]),
            "form": pl.Choice(["Say which.", "Answer with the label only."]),
        },
    )
    budget = pl.Budget(calls=150)
    result = pl.optimize(space, OBJECTIVE, budget=budget, track=False, workspace=folder)
    return folder, result


@pytest.fixture
def two(made: tuple[Path, Result]) -> tuple[Path, Result, Result]:
    """A second run beside it: its best prompt is the first one's seed."""
    folder, first = made
    second = as_run(first, "b" * 12)
    rows = tuple(
        replace(row, answers={**row.answers, "best": row.answers["seed"]}) for row in first.rows
    )
    second = replace(second, rows=rows, best=first.seed, test=replace(first.test, gain=0.0))
    ledger = Ledger(sqlite_url(answers_file(folder)))
    keep(ledger, second)
    ledger.close()
    return folder, first, second


def as_run(result: Result, name: str, **facts: object) -> Result:
    return replace(result, run=name, run_id=None, facts=replace(result.facts, **facts))  # type: ignore[arg-type]


def said(folder: Path, *words: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, [*words, "--workspace", str(folder)])
    assert result.exit_code == code, result.output
    return result.output


def test_show_is_how_the_run_ended(made: tuple[Path, Result]) -> None:
    folder, result = made
    for name in (result.run, result.run[:5]):
        text = said(folder, "show", name)
        assert f"→ best {result.test.best:.3f}: gain {result.test.gain:+.3f}" in text
        assert f"Answers on {len(result.rows)} held-out rows" in text
        for message in result.chosen.messages:
            assert message.text in text
    last = text.splitlines()[-24:]
    assert any(line.startswith(("Better", "No significant", "Worse")) for line in last)
    assert any(line.startswith("Next: ") for line in last)
    assert json.loads(said(folder, "show", result.run, "--json", "-"))["run"] == result.run


def test_parts_of_a_run(made: tuple[Path, Result]) -> None:
    folder, result = made
    prompt = said(folder, "show", result.run, "--prompt")
    whole = "\n\n".join(f"[{m.role}]\n{m.text}" for m in result.chosen.messages)
    assert prompt == f"{whole}\n"
    assert "[-" in said(folder, "show", result.run, "--diff")
    rows = said(folder, "show", result.run, "--rows")
    for row in result.rows:
        assert row.example[:19] in rows


def test_runs_are_listed_with_those_that_have_no_result(
    two: tuple[Path, Result, Result], made: tuple[Path, Result]
) -> None:
    folder, first, second = two
    ledger = Ledger(sqlite_url(answers_file(folder)))
    terms = ScoringTerms(objective="o", model="another", endpoint="", parameters="")
    if "c" * 12 not in {one.run for one in ledger.begun()}:
        for name in ("c" * 12, "d" * 12):
            file = "track: {experiment: mine}\n"
            ledger.begin(name, terms, warm=False, file=file)
    with lock_of(folder / ".promptlathe", "d" * 12):
        found = {one.run: one.state for one in listed(ledger, folder, None)}
        assert [one.run for one in listed(ledger, folder, "mine")] == ["d" * 12, "c" * 12]
    ledger.close()
    assert found == {
        first.run: "finished",
        second.run: "finished",
        "c" * 12: "no result",
        "d" * 12: "running",
    }
    text = said(folder, "runs")
    assert f"{first.test.seed:.3f} → {first.test.best:.3f}" in text
    rows = json.loads(said(folder, "runs", "--json", "-"))["runs"]
    assert {one["run"] for one in rows} == found.keys()
    assert len(json.loads(said(folder, "runs", "--limit", "1", "--json", "-"))["runs"]) == 1
    assert "no run of the experiment 'other'" in said(folder, "runs", "--experiment", "other")


def test_a_narrow_terminal_has_fewer_columns() -> None:
    columns = [Column("a", ["x" * 20]), Column("b", ["y" * 20], needed=1), Column("c", ["1"])]
    assert table(columns)[1] == f"{'x' * 20}  {'y' * 20}  1"
    assert table(columns, 30) == [f"a{' ' * 19}  c", f"{'x' * 20}  1"]
    assert run_lines([])[0].startswith("when")


def test_the_best_prompts_of_two_runs_are_paired(two: tuple[Path, Result, Result]) -> None:
    folder, first, second = two
    found = compare_runs(second, first)
    assert found.comparison
    assert found.shared == len(first.rows)
    assert found.comparison.gain == pytest.approx(first.test.gain)
    assert (found.comparison.low, found.comparison.high) == pytest.approx(first.test.interval)
    text = said(folder, "compare", second.run, first.run)
    assert f"{second.run} → {first.run}: " in text
    assert "says nothing about an LLM" in text
    (told,) = json.loads(said(folder, "compare", second.run, first.run, "--json", "-"))[
        "comparisons"
    ]
    assert told["comparison"]["gain"] == pytest.approx(first.test.gain)


def test_the_same_prompt_is_no_gain_for_sure(made: tuple[Path, Result]) -> None:
    found = compare_runs(made[1], as_run(made[1], "e" * 12))
    assert found.comparison
    assert (found.comparison.low, found.comparison.high) == (0, 0)
    assert found.words == "the same prompt on the same model"


def test_what_differs_is_said(made: tuple[Path, Result]) -> None:
    _, first = made
    other = compare_runs(first, as_run(first, "e" * 12, model="another"))
    assert other.comparison
    assert "the models differ (pocket and another)" in other.notes[0]
    goal = compare_runs(first, as_run(first, "e" * 12, goal="minimize tokens"))
    assert goal.comparison is None
    assert "scored by other measures" in goal.notes[-1]


def changed_row(row: DecidedRow) -> DecidedRow:
    return replace(row, fields={"text": f"{row.fields['text']} – another"})


def test_rows_are_the_same_by_their_content(made: tuple[Path, Result]) -> None:
    _, first = made
    rows = tuple(map(changed_row, first.rows))
    apart = compare_runs(first, replace(as_run(first, "e" * 12), rows=rows))
    assert (apart.comparison, apart.shared) == (None, 0)
    assert "no held-out row in common" in apart.notes[-1]
    half = replace(as_run(first, "e" * 12), rows=(*first.rows[:9], *rows[9:]))
    some = compare_runs(first, half)
    assert some.shared == 9
    assert "one run may have searched on rows" in some.notes[-1]
    assert len(values(half)) == len(first.rows)


def test_a_row_without_an_answer_widens_the_interval() -> None:
    rows: dict[tuple[int], float | None] = {(n,): float(n % 2) for n in range(20)}
    whole = compare_values(dict.fromkeys(rows, 0.0), rows)
    lost = compare_values(dict.fromkeys(rows, 0.0), {**rows, (3,): None})
    assert whole
    assert lost
    assert (lost.missing, lost.examples) == (1, 19)
    assert lost.low < whole.low


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "RUN"], "one run alone"),
        (["compare", "RUN", "RUN"], "is named twice"),
        (["compare", "RUN", "SHORT"], "are the same run"),
        (["compare", "RUN", "nonesuch"], "no run 'nonesuch'"),
        (["show", "nonesuch"], "no run 'nonesuch'"),
    ],
)
def test_runs_that_cannot_be_meant(
    made: tuple[Path, Result], words: list[str], message: str
) -> None:
    folder, result = made
    names = {"RUN": result.run, "SHORT": result.run[:6]}
    text = said(folder, *(names.get(word, word) for word in words), code=2)
    assert message in text
    assert "\n  → " in text


@pytest.mark.parametrize("words", [["runs"], ["show", "latest"], ["compare", "a", "b"]])
def test_where_nothing_was_run(tmp_path: Path, words: list[str]) -> None:
    assert re.search(r"no run was recorded here.*\n  → .* run FILE", said(tmp_path, *words, code=2))


def test_lines_without_a_change_are_left_out() -> None:
    old = "\n".join(f"line {n}" for n in range(10))
    new = old.replace("line 5", "line five")
    elided: list[tuple[Change, str]] = [("kept", "…")]
    shown = diff_lines(old, new)
    assert [shown[0], shown[-1]] == [elided, elided]
    assert [("kept", "line "), ("removed", "5"), ("added", "five")] in shown
    assert len(shown) == 5
    assert diff_lines(old, old) == [elided]


ELSEWHERE = """
space:
  messages: {user: "{{ form }} {{ text }} Teams: billing, delivery, login."}
  components: {form: {choice: [Say which., Answer with the label only.]}}
objective:
  dataset: rows.jsonl
  scorers: [{exact_match: {target: label, parse: label}}]
model: pocket
budget: {calls: 60}
track: false
"""


def test_a_ledger_that_is_kept_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: tuple[Path, Result]
):
    monkeypatch.chdir(tmp_path)
    teams = ["billing", "delivery", "login"]
    rows = [{"text": f"Ticket {n} on {teams[n % 3]}", "label": teams[n % 3]} for n in range(60)]
    Path("rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    Path("job.yaml").write_text(f'{ELSEWHERE}ledger: "sqlite:///far.db"\n', "utf-8")

    def said(*typed: str, code: int = 0) -> str:
        done = CliRunner().invoke(main, list(typed))
        assert done.exit_code == code, done.output
        return done.output

    said("run", "job.yaml")
    name = pl.load_result().run
    assert Path("far.db").exists()
    assert not Path(".promptlathe/ledger.db").exists()
    Path("deeper").mkdir()
    monkeypatch.chdir("deeper")  # the address was relative
    assert name in said("runs")
    assert name in said("show", "latest")
    assert said("export", "latest", "--to", "text")
    assert said("export-data", name, "--to", "trl-sft", "--out", "-", "--min-score", "0")
    assert "wrote" in said("report", "--out", "r.html")
    # Another one, by its name; and one whose password was not kept.
    monkeypatch.setenv("PROMPTLATHE_LEDGER", f"sqlite:///{answers_file(made[0])}")
    assert pl.load_result().run == made[1].run
    monkeypatch.delenv("PROMPTLATHE_LEDGER")
    pointer = tmp_path / ".promptlathe/ledger.url"
    pointer.write_text("postgresql+psycopg://me:***@127.0.0.1/prompts\n", "utf-8")
    assert "set PROMPTLATHE_LEDGER to its whole address" in said("runs", code=2)
    gone = tmp_path / "gone" / "l.db"
    pointer.write_text(f"sqlite:///{gone}\n", "utf-8")
    assert f"{gone}: the ledger of the latest run is not there" in said("runs", code=2)
    assert not gone.parent.exists()

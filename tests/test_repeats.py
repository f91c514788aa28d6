"""Equal inputs are one piece of evidence, in one split; what is probably wrong with labels."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import promptlathe as pl
from promptlathe.cli import main
from promptlathe.data.quality import nearly_equal
from promptlathe.data.splits import SPLITS
from promptlathe.errors import InputError
from promptlathe.job import Job, check
from promptlathe.models.settings import ModelSettings
from promptlathe.scoring import Objective, exact_match
from promptlathe.targets import FunctionTarget

LABELS = ("billing", "delivery", "login")
ROLE = {"role": pl.Choice([None, "You label texts.", "Answer with a label."])}


def rows(n: int, times: int = 1) -> list[dict[str, Any]]:
    """n inputs, each so many times, with other columns that always differ."""
    return [
        {"id": f"r{k}-{i}", "text": f"text {i}", "label": LABELS[i % 3], "date": f"day {k} {i}"}
        for k in range(times)
        for i in range(n)
    ]


def job(data: Any, template: str = "{{ role }} {{ text }}", **more: Any) -> Job:
    objective = Objective(data, scorer=exact_match("label", parse="label"), **more)
    space = pl.SearchSpace(template, ROLE)
    return Job(space, objective, ModelSettings(name="pocket"), workspace=Path("nowhere"))


def inputs(made: Job, split: Any) -> list[str]:
    return [example.row["text"] for example in made.objective.examples(split)]


def test_ten_times_the_same_is_no_evidence() -> None:
    """Twelve messages ten times: four distinct ones on `test`, whatever else the rows hold."""
    with pytest.raises(InputError) as caught:
        check(job(rows(12, times=10)))
    assert "the test split has 40 rows, 4 distinct inputs" in str(caught.value)


def test_each_input_counts_once_and_is_in_one_split() -> None:
    made = job(rows(60, times=3))
    plan = check(made)
    texts = [text for split in SPLITS for text in inputs(made, split)]
    assert sorted(texts) == sorted({f"text {i}" for i in range(60)})
    assert (len(plan.space.train), len(plan.select), len(plan.test)) == (18, 24, 18)
    assert "54 test rows, 18 distinct inputs: equal inputs count once" in plan.notes


def test_what_the_prompt_shows_makes_an_input() -> None:
    """With the date in the prompt, the same rows are all different."""
    made = job(rows(60, times=3), "{{ role }} {{ text }} {{ date }}")
    assert len(check(made).test) == 54
    assert not made.objective.notes
    alone = Objective(rows(60, times=3), scorer=exact_match("label"))
    assert len(alone.examples("test")) == 54


def test_a_demo_s_fields_make_no_input() -> None:
    data = rows(60, times=3)
    demos = pl.Demos(count=(0, 2), template="{{ date }}: {{ label }}")
    space = pl.SearchSpace("{{ role }} {{ demos }} {{ text }}", {**ROLE, "demos": demos})
    objective = Objective(data, scorer=exact_match("label"))
    made = Job(space, objective, ModelSettings(name="pocket"))
    assert len(made.objective.examples("test")) == 18


def test_the_order_of_the_file_decides_nothing() -> None:
    data = rows(40, times=2)
    made, other = job(data), job(data[::-1])
    for split in SPLITS:
        assert [e.id for e in made.objective.examples(split)] == [
            e.id for e in other.objective.examples(split)
        ]


def test_case_and_whitespace_make_no_other_input_unless_the_answer_differs() -> None:
    data = rows(40)
    data += [
        {**row, "id": f"x{i}", "text": f"  {row['text'].upper()}"} for i, row in enumerate(data)
    ]
    assert sum(len(inputs(job(data), split)) for split in SPLITS) == 40
    for row in data[40:]:
        row["label"] = "SHOUT"
    made = job(data)
    assert sum(len(inputs(made, split)) for split in SPLITS) == 80
    sides = {text.strip().lower(): split for split in SPLITS for text in inputs(made, split)}
    assert all(sides[text.strip().lower()] == s for s in SPLITS for text in inputs(made, s))


def test_contradictions_are_named_and_the_commonest_answer_counts(tmp_path: Path) -> None:
    data = [*rows(40, times=3), {"id": "odd", "text": "text 7", "label": "login", "date": ""}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
    made = job(str(tmp_path / "rows.jsonl"))
    (note,) = [note for note in made.objective.notes if "different" in note]
    assert note.startswith("1 input stands with different 'label', and the commonest counts: ")
    assert f"{tmp_path}/rows.jsonl:121 (login)" in note
    assert "(delivery)" in note
    of_seven = [e for s in SPLITS for e in made.objective.examples(s) if e.row["text"] == "text 7"]
    assert [example.row["label"] for example in of_seven] == ["delivery"]


def test_a_function_of_yours_sees_whole_rows() -> None:
    def target(row: Any, prompts: Any, llm: Any) -> str:
        return str(row["date"])

    objective = Objective(rows(60, times=3), scorer=exact_match("label"))
    space = pl.SearchSpace("{{ role }} {{ text }}", ROLE)
    made = Job(space, objective, ModelSettings(name="pocket"), function=FunctionTarget(target))
    assert len(made.objective.examples("test")) == 54


# What is probably wrong


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("livraison", "livrason"), ("livraison", "livriason"), ("billing", "billing "),
        ("billing", "Billing"), ("how_to", "how-to"), ("réponse", "reponse"),
        ("account_access", "acount_acces"), ("delivery", "deliverys"),
    ],
)  # fmt: skip
def test_slips_of_the_pen(a: str, b: str) -> None:
    assert nearly_equal(a, b)
    assert nearly_equal(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("yes", "no"), ("cat", "car"), ("1", "2"), ("item_10", "item_11"), ("plan_a", "plan_b"),
        ("relevant", "irrelevant"), ("positive", "negative"), ("true", "false"), ("male", "female"),
        ("sufficient", "insufficient"), ("increase", "decrease"), ("billing", "delivery"),
    ],
)  # fmt: skip
def test_labels_that_are_two(a: str, b: str) -> None:
    assert not nearly_equal(a, b)


def workspace(folder: Path, data: Sequence[dict[str, Any]]) -> Path:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))
    (folder / "space.yaml").write_text(
        "messages: {system: '{{ role }}', user: '{{ text }}'}\n"
        "components: {role: {choice: [null, Label it.]}}\n"
    )
    (folder / "objective.yaml").write_text(
        "dataset: rows.jsonl\nscorers: [exact_match: {target: label, parse: label}]\n"
    )
    run = folder / "run.yaml"
    run.write_text("space: space.yaml\nobjective: objective.yaml\nmodel: pocket\n")
    return run


def test_check_counts_labels_and_warns(tmp_path: Path) -> None:
    data = rows(60)
    data[3]["label"], data[4]["label"], data[5]["label"] = "biling", "Delivery", "login "
    data[9]["label"] = "unheard of"
    data[10]["text"] = data[20]["text"] = " "
    data[30]["text"] = ""
    said = CliRunner().invoke(main, ["check", str(workspace(tmp_path, data))])
    assert said.exit_code == 0, said.output
    lines = said.stdout.replace(f"{tmp_path}/", "").splitlines()
    labels = next(line for line in lines if line.startswith("labels"))
    assert labels.endswith("delivery 19, login 19, billing 18, Delivery 1, biling 1, login  1, "
                           "unheard of 1")  # fmt: skip
    notes = [line.removeprefix("note").strip() for line in lines if line.startswith("note")]
    for wanted in (
        "'text' is empty in 3 rows: rows.jsonl:11, 21, 31",
        "the label 'biling' (rows.jsonl:4) is nearly 'billing' (18 rows): is it the same?",
        "the label 'Delivery' (rows.jsonl:5) is nearly 'delivery' (19 rows): is it the same?",
        "the label 'login ' (rows.jsonl:6) is nearly 'login' (19 rows): is it the same?",
        "seen in one row only, as label: 'unheard of' (rows.jsonl:10)",
    ):
        assert wanted in notes
    assert all(len(line) < 400 for line in lines)


def test_many_labels_stay_readable(tmp_path: Path) -> None:
    data = [{"text": f"text {i}", "label": f"{'x' * 40}{i % 30}"} for i in range(120)]
    said = CliRunner().invoke(main, ["check", str(workspace(tmp_path, data))])
    (labels,) = [line for line in said.stdout.splitlines() if line.startswith("labels")]
    assert labels.endswith("… 4 and 10 more")
    assert len(labels) < 900


def test_a_run_is_decided_on_distinct_inputs(tmp_path: Path) -> None:
    run = workspace(tmp_path, rows(45, times=4))
    with run.open("a") as file:
        file.write("budget: {calls: 400}\nsearch: {policy: random}\ntrack: false\n")
    result = CliRunner().invoke(main, ["run", str(run), "--json", str(tmp_path / "r.json")])
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "r.json").read_text())
    assert told["test"]["examples"] == 13
    assert "52 test rows, 13 distinct inputs: equal inputs count once" in told["notes"]

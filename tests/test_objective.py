"""The objective as a whole: its YAML, its goal, its outcomes."""

import json
import pickle
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.outcomes import CANDIDATE, scored

from promptlathe import documents
from promptlathe.data import Splits
from promptlathe.errors import InputError
from promptlathe.records import Cell, Failure, Outcome, Trace
from promptlathe.scoring import Objective, exact_match, function, judge, regex
from promptlathe.scoring.goal import parse_goal

YAML = """\
# yaml-language-server: $schema=objective.json
dataset: tickets.jsonl
splits: {train: 0.2, select: 0.5, test: 0.3, seed: 7, stratify: label}
scorers:
  - exact_match: {target: label, parse: label}
  - metric.py:brevity
goal: maximize 0.75*exact_match + 0.25*brevity
"""
METRIC = "def brevity(row, answer):\n    return 1 / len(answer)\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "triage"
    here.mkdir()
    rows = [{"text": f"ticket {n}", "label": ["card_lost", "refund"][n % 2]} for n in range(40)]
    (here / "tickets.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (here / "metric.py").write_text(METRIC)
    (here / "objective.yaml").write_text(YAML)
    return here


def rows(n: int = 20) -> list[dict[str, Any]]:
    return [{"text": f"t{i}", "label": "ab"[i % 2], "note": None if i else "x"} for i in range(n)]


def judged(objective: Objective, text: Any, label: str = "a", ctx: Any = None) -> Outcome:
    example = next(e for e in objective.examples("select") if e.row["label"] == label)
    return scored(objective, example, text, ctx)


def test_from_yaml_to_outcome(folder: Path):
    objective = Objective.load(folder / "objective.yaml")
    assert objective.name == "triage"
    assert objective.target == "label"
    assert objective.fields == {"text", "label"}
    assert len(objective.examples("select")) == 20
    outcome = judged(objective, "Card lost!", "card_lost")
    assert outcome.scores == {"exact_match": 1.0, "brevity": 0.1}
    assert outcome.value == pytest.approx(0.775)
    assert (outcome.parsed, outcome.unread) == ("card_lost", False)
    assert outcome.trace == Trace("Card lost!")


def test_yaml_round_trip(folder: Path):
    objective = Objective.load(folder / "objective.yaml")
    (folder / "again.yaml").write_text(objective.to_yaml())
    again = Objective.load(folder / "again.yaml")
    assert again == objective
    assert again.digest == objective.digest
    assert again.name == "again"


def test_rows_and_hub_datasets_round_trip(tmp_path: Path):
    for dataset in ([{"text": "a\nb", "label": "no"}], {"hf": "imdb", "split": "test"}, "hf:imdb"):
        objective = Objective(dataset, scorer=exact_match("label"))
        (tmp_path / "o.yaml").write_text(objective.to_yaml())
        assert Objective.load(tmp_path / "o.yaml") == objective


def test_python_and_yaml_are_the_same(folder: Path):
    objective = Objective(
        "tickets.jsonl",
        scorers=[exact_match("label", parse="label"), "metric.py:brevity"],
        goal="maximize 0.75*exact_match + 0.25*brevity",
        splits=Splits(train=0.2, select=0.5, seed=7, stratify="label"),
    )
    assert objective == Objective.load(folder / "objective.yaml")


def test_paths_in_python_are_those_of_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(folder)
    objective = Objective(Path("tickets.jsonl"), scorer=function("metric.py:brevity"))
    assert objective.name == "tickets"
    objective.check()


def failed(objective: Objective, reason: Any) -> Outcome:
    cell = Cell(CANDIDATE, objective.examples("test")[0])
    return objective.failed(cell, Trace(None), Failure(reason, "why"))


def test_a_failure_of_the_service_is_no_score():
    outcome = failed(Objective(rows(), scorer=exact_match("label")), "timeout")
    assert (outcome.scores, outcome.value, outcome.parsed) == ({}, None, None)
    assert outcome.failure == Failure("timeout", "why")


def test_a_failure_of_the_prompt_is_the_worst():
    def length(row: dict[str, Any], output: str) -> float:
        return len(output)

    scorers = [exact_match("label"), function(length, range=(2, 10))]
    objective = Objective(rows(), scorers=scorers, goal="maximize exact_match - 0.1*length")
    outcome = failed(objective, "context_length")
    assert outcome.scores == {"exact_match": 0.0, "length": 10.0}
    assert objective.bounds is not None
    assert outcome.value == objective.bounds[0] == -1
    assert objective.bounds[1] == pytest.approx(0.8)
    assert not outcome.unread
    unknown = Objective(rows(), scorers=[exact_match("label"), length], goal="maximize length")
    assert unknown.bounds is None
    assert failed(unknown, "target").scores == {"exact_match": 0.0, "length": 0.0}


def test_the_worst_of_several_scores_of_a_function():
    def grade(row: dict[str, Any], output: str) -> Any:
        return {"tone": 2, "cost": 3} if output == "x" else None

    goal = "maximize tone - cost"
    for given in ((1, 5), {"tone": (1, 5), "cost": (1, 5)}):
        objective = Objective(rows(), scorer=function(grade, range=given), goal=goal)
        assert objective.bounds == (-4, 4)
        assert failed(objective, "target").scores == {"tone": 1, "cost": 5}
        assert judged(objective, "?").scores == {"tone": 1, "cost": 5}
        assert judged(objective, "x").value == -1
        objective.close()


def test_what_was_read_and_the_contract_are_of_the_scorer_that_the_goal_names():
    scorers = [regex("b"), exact_match("label", parse="number")]
    objective = Objective(rows(), scorers=scorers, goal="maximize exact_match")
    assert "its last one" in objective.contract.reading
    assert judged(objective, "b 12").parsed == "12"
    objective.close()


def test_what_cannot_be_read_scores_0_and_is_flagged():
    objective = Objective(rows(), scorer=exact_match("label", parse="label"))
    outcome = judged(objective, "both a and b")
    assert (outcome.scores, outcome.value) == ({"exact_match": 0.0}, 0.0)
    assert (outcome.parsed, outcome.unread) == (None, True)


def test_parsed_is_text_whatever_was_read():
    objective = Objective(rows(), scorer=exact_match("label", parse="json"))
    assert judged(objective, '{"é": 1}').parsed == '{"é": 1}'
    objective = Objective(rows(), scorer=exact_match("label", parse="number"))
    assert judged(objective, "so 1,200").parsed == "1200"


def test_the_goal_is_oriented_so_that_higher_is_better():
    data, scorers = rows(), [regex("x"), exact_match("label")]
    values = {
        goal: judged(Objective(data, scorers=scorers, goal=goal), "a").value
        for goal in (None, "maximize exact_match", "minimize exact_match", "minimize regex")
    }
    assert values == {
        None: 0.0,
        "maximize exact_match": 1.0,
        "minimize exact_match": -1.0,
        "minimize regex": 0.0,
    }


def test_an_unreadable_answer_is_never_the_best():
    scorer = regex("sorry", parse={"tag": "answer"})
    objective = Objective(rows(), scorer=scorer, goal="minimize regex")
    unread, fine = judged(objective, "sorry"), judged(objective, "<answer>done</answer>")
    assert unread.value is not None
    assert fine.value is not None
    assert unread.value < fine.value

    def length(row: dict[str, Any], answer: str) -> float | None:
        return None

    objective = Objective(rows(), scorer=length, goal="minimize length")
    with pytest.raises(InputError, match=r"declare  range: \[best, worst\]"):
        objective.check()
    objective = Objective(rows(), scorer=function(length, range=(0, 9)), goal="minimize length")
    assert judged(objective, "x").value == -9


def test_a_function_with_several_scores():
    def grade(row: dict[str, Any], answer: str) -> dict[str, float] | None:
        return {"tone": 0.5, "style": 1.0} if answer != "?" else None

    objective = Objective(rows(), scorer=grade, goal="maximize tone + style")
    assert judged(objective, "x").value == 1.5
    assert judged(objective, "x").scores == {"tone": 0.5, "style": 1.0}
    assert (judged(objective, "?").value, judged(objective, "?").unread) == (0.0, True)
    failure = judged(Objective(rows(), scorer=grade), "x").failure
    assert failure is not None
    assert failure.reason == "scorer"
    assert "the goal names 'grade', which no scorer gave; there are: tone, style" in failure.detail


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("maximize f1", {"f1": 1}),
        ("minimize  a", {"a": -1}),
        ("maximize 0.7*a + .3 * b", {"a": 0.7, "b": 0.3}),
        ("maximize a - 0.1*b", {"a": 1, "b": -0.1}),
        ("minimize -a+2*b", {"a": 1, "b": -2}),
    ],
)
def test_goals(text: str, weights: dict[str, float]):
    assert parse_goal(text).weights == weights


@pytest.mark.parametrize(
    "text", ["", "f1", "maximise a", "maximize", "maximize a b", "maximize a+a"]
)
def test_what_is_no_goal(text: str):
    with pytest.raises(ValueError, match=r"is not a goal.*write `maximize NAME`"):
        parse_goal(text)


def test_fields_are_those_with_a_value_in_every_row():
    assert Objective(rows(), scorer=exact_match("label")).fields == {"text", "label"}


def test_the_digest_follows_what_decides_a_score(folder: Path):
    def digest(**more: Any) -> str:
        return Objective(rows(), **{"scorer": exact_match("label"), **more}).digest

    assert digest() == digest()
    others = [
        digest(splits={"seed": 1}),
        digest(scorer=exact_match("label", parse="label")),
        digest(goal="minimize exact_match"),
        digest(scorer=judge("polite")),
        digest(scorer=judge("rude")),
        digest(scorer=judge("polite", levels=("no", "hardly", "yes"))),
        digest(scorer=function(max, name="f")),
        digest(scorer=function(max, name="f", range=(0, 2))),
        Objective(rows(19), scorer=exact_match("label")).digest,
    ]
    assert len({digest(), *others}) == 10
    before = Objective.load(folder / "objective.yaml").digest
    (folder / "metric.py").write_text(METRIC + "\n")
    assert Objective.load(folder / "objective.yaml").digest != before


def test_the_digest_follows_the_way_of_reading(monkeypatch: pytest.MonkeyPatch):
    def made() -> Objective:
        return Objective(rows(), scorers=[exact_match("label", parse="label"), judge("polite")])

    before = made()
    assert (made().digest, made().scoring) == (before.digest, before.scoring)
    monkeypatch.setattr("promptlathe.scoring.scorer.VERSION", -1)
    assert made().digest != before.digest
    assert made().scoring != before.scoring


def test_labels_that_are_read_alike_are_named_with_their_places(tmp_path: Path):
    lines = [f'{{"text": "t{n}", "label": "{"no" if n % 2 else "yes"}"}}' for n in range(40)]
    lines[6] = '{"text": "t6", "label": "Yes"}'
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    objective = Objective(tmp_path / "data.jsonl", scorer=exact_match("label", parse="label"))
    with pytest.raises(InputError) as caught:
        objective.check()
    assert "the labels 'Yes' (as at " in str(caught.value)
    assert "data.jsonl:7) and 'yes' would be read alike" in str(caught.value)
    assert caught.value.where == f"{tmp_path / 'data.jsonl'}:1"
    Objective(tmp_path / "data.jsonl", scorer=exact_match("label")).check()


def test_a_pickle_carries_the_examples(folder: Path):
    objective = Objective.load(folder / "objective.yaml")
    judged(objective, "refund", "refund")
    data = pickle.dumps(objective)
    (folder / "tickets.jsonl").unlink()
    again = pickle.loads(data)
    assert again.examples("test") == objective.examples("test")
    assert judged(again, "refund", "refund").scores["exact_match"] == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("scorers:", "scorer:", "objective.yaml:4: unknown key 'scorer'; did you mean 'scorers'?"),
        ("stratify: label", "stratify: lab", "objective.yaml:3: no row has the field 'lab'; did"),
        ("{target: label,", "{target: lebal,", "objective.yaml:5: no row has the field 'lebal'"),
        ("parse: label}", "parse: labell}", "objective.yaml:5: scorers.0.exact_match.parse: expec"),
        ("train: 0.2", "train: 0.4", "objective.yaml:3: splits: the fractions sum to more than 1"),
        ("maximize 0.75*", "optimize ", "objective.yaml:7: goal: 'optimize exact_match"),
        ("tickets.jsonl", "tickets.json", "tickets.json: a dataset cannot be a .json"),
        ("dataset: tickets.jsonl", "", "the dataset is missing"),
        (
            "metric.py:brevity",
            "exact_match: text",
            "objective.yaml:4: scorers: two scorers have the name 'exact_match'",
        ),
    ],
)
def test_mistakes_in_yaml_are_named_with_their_line(folder: Path, old: str, new: str, words: str):
    path = folder / "objective.yaml"
    assert old in YAML
    path.write_text(YAML.replace(old, new))
    with pytest.raises(InputError) as caught:
        Objective.load(path).check()
    assert words in str(caught.value)


def test_a_goal_without_its_scorer():
    with pytest.raises(InputError) as caught:
        Objective(rows(), scorer=exact_match("label"), goal="maximize exact_mach")
    assert "goal: 'exact_mach' is no scorer\n  → did you mean 'exact_match'?" in str(caught.value)


def test_no_scorer_at_all():
    with pytest.raises(InputError, match="scorers: must not be empty"):
        Objective(rows())


def test_the_schema_tells_good_files_from_bad(folder: Path):
    schema = documents.json_schema(Objective, "An objective of promptlathe")
    good = documents.load(folder / "objective.yaml").data
    jsonschema.validate(good, schema)
    jsonschema.validate({**good, "scorers": [{"exact_match": "label"}]}, schema)
    jsonschema.validate(
        {
            **good,
            "scorers": [
                {"judge": {"name": "tone", "rubric": "Polite.", "levels": ["no", "yes"]}},
                {"function": {"path": "m.py:f", "range": [0, 10], "timeout": 3}},
            ],
            "limits": {"tone": "<= 0.5"},
        },
        schema,
    )
    for bad in (
        {**good, "splitz": {}},
        {**good, "scorers": [{"exact_match": {"target": "x", "parse": "labl"}}]},
        {**good, "scorers": [{"nonesuch": "x"}]},
        {**good, "scorers": [{}]},
        {**good, "splits": {"train": 2}},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)


def test_real_tickets():
    path = Path(__file__).parents[2] / "shared" / "data" / "banking77_train.jsonl"
    if not path.exists():
        pytest.skip("the real task sets are not here")
    objective = Objective(path, scorer=exact_match("label", parse="label"), splits={"seed": 7})
    sizes = [len(objective.examples(split)) for split in ("train", "select", "test")]
    assert sum(sizes) == 9999  # four of 10,003 are repeats
    for example in objective.examples("test")[:500]:
        label = example.row["label"]
        answer = f"The intent is **{label.replace('_', ' ').title()}**."
        assert scored(objective, example, answer).value == 1

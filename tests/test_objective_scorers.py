"""Built-in scorers: what they give, how they are spelled, and what their declarations refuse."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.outcomes import NoCalls

from promptlathe.documents import load
from promptlathe.errors import InputError
from promptlathe.records import Example, Trace
from promptlathe.scoring import (
    Objective,
    Scorer,
    contains,
    exact_match,
    function,
    json_match,
    judge,
    numeric,
    regex,
    token_f1,
)
from promptlathe.scoring.scorer import Surroundings


def score(scorer: Scorer, target: Any, answer: str, labels: tuple[str, ...] = ()) -> Any:
    """The score of an answer; None when it cannot be read."""
    measure = scorer.measure(Surroundings(lambda _: labels, Path()))
    return measure(Example("e", {"target": target}, "select"), Trace(answer), NoCalls()).value


@pytest.mark.parametrize(
    ("target", "answer", "expected"),
    [
        ("Paris", " paris\n", 1),
        ("New York", "new  york", 1),
        ("Paris", "Paris, France", 0),
        ("18", "18.0", 0),
        (18, "18.0", 1),
        (18, "18", 1),
        (1200, "$1,200", 1),
        (0.1, "0.1", 1),
        ("007", "7", 0),
        (True, "True", 1),
        (["Paris", "paris, france"], "Paris, France", 1),
        (["Paris"], "Rome", 0),
        ("x", "  ", None),
    ],
)
def test_exact_match(target: Any, answer: str, expected: float | None):
    assert score(exact_match("target"), target, answer) == expected


@pytest.mark.parametrize(
    ("target", "answer", "expected"),
    [
        ("card_lost", "Card lost.", 1),
        ("card_arrival", "card_lost", 0),
        (["card_lost", "card_arrival"], "It is card_arrival", 1),
        ("card_lost", "no idea", None),
    ],
)
@pytest.mark.parametrize("parse", ["label", ["text", "label"]])
def test_exact_match_of_labels(target: Any, answer: str, expected: float | None, parse: Any):
    labels = ("card_arrival", "card_lost")
    assert score(exact_match("target", parse=parse), target, answer, labels) == expected


def test_exact_match_of_parsed_objects_and_numbers():
    assert score(exact_match("target", parse="number"), "1,800", "so 1800") == 1
    assert score(
        exact_match("target", parse={"json": "x"}), {"a": [1, "B"]}, '{"x": {"a": ["1", "b"]}}'
    )
    assert score(exact_match("target", parse={"json": "x"}), {"a": 1}, '{"x": {"b": 1}}') == 0


def test_contains():
    assert score(contains("target"), "Paris", "It is  PARIS, of course") == 1
    assert score(contains("target"), "Paris", "Rome") == 0
    assert score(contains("target"), ["Rome", "Paris"], "in Paris") == 1


def test_regex():
    assert score(regex(r"^\d+$"), None, " 12 ") == 1
    assert score(regex(r"^\d+$"), None, "twelve") == 0
    assert score(regex("yes", parse={"tag": "a"}), None, "yes") is None


@pytest.mark.parametrize(
    ("target", "answer", "tolerance", "expected"),
    [
        (100, "about 104", {"abs_tol": 5}, 1),
        (100, "about 106", {"abs_tol": 5}, 0),
        ("1,000", "1 040 €", {"rel_tol": 0.05}, 1),
        (-10, "-10.0", {}, 1),
        (0, "0.001", {}, 0),
        (5, "five", {}, None),
        (5, "<a>5</a>", {"parse": {"tag": "a"}}, 1),
        (5, "<a>five</a>", {"parse": {"tag": "a"}}, None),
        ([4, 6], "6", {}, 1),
        (0.5, "1" + "0" * 400, {}, 0),
    ],
)
def test_numeric(target: Any, answer: str, tolerance: Any, expected: float | None):
    assert score(numeric("target", **tolerance), target, answer) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"who": "ANN", "sum": "12.0", "tags": ["x"], "more": 1}', 1),
        ('{"who": "Bob", "sum": 12, "tags": ["x"]}', 0.75),
        ('{"sum": 12}', 0.5),
        ("{}", 0),
        ("Ann", None),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
def test_json_match(answer: str, expected: float | None, as_text: bool):
    target: Any = {"who": "Ann", "sum": 12, "tags": ["x"]}
    target = '{"who": "Ann", "sum": 12, "tags": ["x"]}' if as_text else target
    labels = ('{"who": "Ann", "sum": 12, "tags": ["x"]}',)
    assert score(json_match("target", weights={"sum": 2}), target, answer, labels) == expected


def test_json_match_refuses_a_weight_without_a_field():
    with pytest.raises(InputError, match="field 'smu', which has a weight; did you mean 'sum'"):
        score(json_match("target", weights={"smu": 2}), {"sum": 1}, "{}", ('{"sum": 1}',))


def test_json_match_of_a_part_of_the_answer():
    assert score(json_match("target", parse={"json": "x"}), {"a": 1}, '{"x": {"a": 1}}') == 1
    assert score(json_match("target", parse={"json": "x"}), {"a": 1}, '{"x": 3}') is None


@pytest.mark.parametrize(
    ("target", "answer", "expected"),
    [
        ("the cat sat", "The cat, sat!", 1),
        ("a a b", "a b b", 2 * 2 / 6),
        ("a b", "a", 2 / 3),
        ("a", "b", 0),
        ("?!", "a", 0),
        (["x y", "a"], "a", 1),
    ],
)
def test_token_f1(target: Any, answer: str, expected: float):
    assert score(token_f1("target"), target, answer) == pytest.approx(expected)


@settings(deadline=None, max_examples=60)
@given(st.text(min_size=1), st.text(min_size=1))
def test_scores_stay_between_0_and_1(target: str, answer: str):
    for scorer in (exact_match("target"), contains("target"), token_f1("target")):
        found = score(scorer, target, answer)
        assert found is None or (0 <= found <= 1 and not math.isnan(found))


names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
fields = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=10)
step = st.one_of(
    st.sampled_from(["text", "label", "number", "json"]),
    st.builds(lambda json: {"json": json}, st.none() | fields),
    st.from_regex(r"[A-Za-z][A-Za-z0-9_.-]{0,8}", fullmatch=True).map(lambda tag: {"tag": tag}),
    st.builds(lambda regex: {"regex": regex}, st.sampled_from([r"(\w+)$", r"a: 'b'", "x\ny"])),
)
parses = step | st.lists(step, min_size=1, max_size=3)
tolerances = st.floats(0, 1e6)
scorers = st.one_of(
    st.builds(exact_match, fields, parse=parses, name=names),
    st.builds(exact_match, fields, parse=parses),
    st.builds(contains, fields, parse=parses, name=names),
    st.builds(token_f1, fields),
    st.builds(regex, st.sampled_from([r"^\d+$", "a", "é: ü"]), name=names),
    st.builds(numeric, fields, abs_tol=tolerances, rel_tol=tolerances, parse=parses, name=names),
    st.builds(json_match, fields, weights=st.dictionaries(fields, tolerances), name=names),
    st.builds(
        function,
        names.map(lambda name: f"metric.py:{name}"),
        name=st.none() | names,
        range=st.none() | st.just((0, 10)) | st.just({"a": (-1, 1)}),
        timeout=st.just(30.0) | st.just(2.0),
    ),
    st.builds(judge, fields, levels=st.just(("no", "yes")) | st.just(("a", "b", "c")), name=names),
)


@settings(deadline=None, max_examples=60)
@given(declared=st.lists(scorers, min_size=1, max_size=3, unique_by=lambda s: s.name))
def test_scorers_survive_yaml(declared: list[Scorer], tmp_path_factory: Any):
    objective = Objective("data.jsonl", scorers=declared)
    path = tmp_path_factory.getbasetemp() / "objective.yaml"
    path.write_text(objective.to_yaml(), encoding="utf-8")
    again = Objective.from_document(load(path))
    assert again.scorers == objective.scorers
    assert again == objective


def spelled(entry: Any) -> Scorer:
    return Objective("data.jsonl", scorer=entry).scorers[0]


def test_short_and_long_forms_are_the_same():
    assert spelled({"exact_match": "label"}) == exact_match("label")
    assert spelled({"exact_match": {"target": "label", "parse": "label"}}) == exact_match(
        "label", parse="label"
    )
    assert spelled({"regex": r"\d"}) == regex(r"\d")
    assert spelled("metric.py:brevity") == function("metric.py:brevity")
    assert spelled({"function": {"path": "metric.py:f", "name": "g"}}) == function(
        "metric.py:f", name="g"
    )


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"exact_macth": "label"}, "unknown key 'exact_macth' in scorers.0; did you mean 'exact_m"),
        ({"exact_match": {"taget": "x"}}, "unknown key 'taget' in scorers.0.exact_match; did you"),
        ({"exact_match": {}}, "the key 'target' is missing in scorers.0.exact_match"),
        ({"exact_match": {"target": "x", "parse": "labl"}}, "scorers.0.exact_match.parse"),
        ({"exact_match": "x", "contains": "y"}, "a scorer is one key with its settings"),
        ({}, "a scorer is one key with its settings"),
        ("metric.py", "'metric.py' names no function\n  → write file.py:function"),
        ("package.metric:f", "names no function"),
        ({"function": {"path": "m.py:f", "range": [3, 1]}}, "the range [3, 1] is empty"),
        ({"function": {"path": "m.py:f", "timeout": 0}}, "must be more than 0"),
        ({"judge": {"rubric": "x", "levels": ["no", "No "]}}, "two levels are the same"),
        ({"judge": {"rubric": "x", "levels": ["no"]}}, "levels: must have at least 2 items"),
        ({"judge": {"levels": ["no", "yes"]}}, "a judge needs a rubric"),
        ({"regex": "("}, "is not a regular expression"),
        ({"regex": {"pattern": "x", "parse": "label"}}, "`label` needs a target"),
        ({"numeric": {"target": "x", "abs_tol": -1}}, "must be at least 0"),
        ({"json_match": {"target": "x", "weights": {"a": "b"}}}, "weights.a: expected a number"),
        (5, "found the number 5"),
    ],
)
def test_declarations_that_make_no_sense(entry: Any, words: str):
    with pytest.raises(InputError) as caught:
        spelled(entry)
    assert words in str(caught.value)

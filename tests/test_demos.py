"""Demos: diverse and recruited selections, and how sets of rows are recruited."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlathe.errors import InputError
from promptlathe.records import Cell, Example, Failure, Outcome, Trace
from promptlathe.search.lathe.effects import effects_of
from promptlathe.search.lathe.landscape import SpaceLandscape
from promptlathe.search.lathe.readout import Readout
from promptlathe.search.operators.operator_context import Case
from promptlathe.search.operators.recruit import RECRUITERS, bootstrapped, boundary, diverse, hard
from promptlathe.space import BoundSpace, Demos, Recruited, SearchSpace

TOPICS = ("the printer jams", "my invoice is wrong", "reset my password please")
LABELS = ("hardware", "billing", "access")
TRAIN = [
    Example(f"t{i:02}", {"text": f"{TOPICS[i % 3]}, case {i}", "label": LABELS[i % 3]}, "train")
    for i in range(24)
]
BY_ID = {example.id: example for example in TRAIN}
TEMPLATE = "T: {{ text }}\nL: {{ label }}"


def space_of(demos: Demos) -> SearchSpace:
    return SearchSpace("{{ demos }}\n\nNow: {{ text }}", {"demos": demos})


def plain(**more: Any) -> Demos:
    return Demos(**{"count": (0, 3), "template": TEMPLATE, "draws": 4, **more})


def bound(demos: Demos, train: list[Example] = TRAIN) -> BoundSpace:
    return BoundSpace(space_of(demos), train, "label")


def levels(select: str, count: int = 3, draw: int = 0, order: str = "drawn") -> dict[str, Any]:
    return {
        "demos.count": count,
        "demos.select": select,
        "demos.order": order,
        "demos.draw": draw,
    }


def content(space: BoundSpace, **chosen: Any) -> str:
    return space.candidate(levels(**chosen)).prompt.messages[0].content


# Diverse


@pytest.mark.parametrize("draw", range(4))
def test_diverse_rows_are_of_all_topics(draw: int) -> None:
    space = bound(plain(select="diverse"))
    shown = space.shown("demos", levels("diverse", draw=draw)) or ()
    assert {BY_ID[row].row["label"] for row in shown} == set(LABELS)


def test_diverse_draws_differ_and_contain_the_smaller() -> None:
    space = bound(plain(select="diverse"))
    three = [space.shown("demos", levels("diverse", draw=draw)) for draw in range(4)]
    assert len(set(three)) > 1
    for draw, rows in enumerate(three):
        assert rows is not None
        assert space.shown("demos", levels("diverse", count=2, draw=draw)) == rows[:2]


@pytest.mark.parametrize("texts", [["", "", ""], ["a", "\ud800", "x" * 5000], ["same"] * 3])
def test_diverse_takes_any_text(texts: list[str]) -> None:
    rows = [Example(str(i), {"text": text, "label": "l"}, "train") for i, text in enumerate(texts)]
    shown = bound(plain(select="diverse"), rows).shown("demos", levels("diverse"))
    assert sorted(shown or ()) == ["0", "1", "2"]


def test_more_rows_than_diverse_compares_are_all_in_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("promptlathe.space.demos.MOST_COMPARED", 2)
    shown = bound(plain(count=(5, 5), select="diverse")).shown("demos", levels("diverse", count=5))
    assert len(set(shown or ())) == 5


# Recruited sets

SETS = plain(select=("random", "balanced", "diverse"), order=("drawn", "by_label", "short_first"))
SETS = SETS.with_recruited("hard-1", [Recruited(row=f"t{i:02}") for i in (0, 3, 6, 7, 8)])
SETS = SETS.with_recruited(
    "own-2", [Recruited(row="t01", answer="A bill, so: billing"), Recruited(row="t02")]
)


def test_a_demo_shows_an_object_as_json() -> None:
    """Not as Python writes it: an answer of JSON is asked for, and `None` is none."""
    train = [
        Example(
            "a", {"text": "Café, 3 €", "fields": {"who": "Café", "due": None, "sums": [3]}}, "train"
        )
    ]
    demos = plain(count=1, template="T: {{ text }}\nJSON: {{ fields }}")
    space = BoundSpace(space_of(demos), train, "fields")
    (message,) = space.seed.prompt.messages
    assert 'JSON: {"who": "Café", "due": null, "sums": [3]}' in message.text


def test_a_set_is_one_more_value_of_select() -> None:
    by_name = {p.name: p for p in space_of(SETS).parameters}
    select = by_name["demos.select"].domain.values
    assert select == ("random", "balanced", "diverse", "hard-1", "own-2")
    one = space_of(plain().with_recruited("a", [Recruited(row="t00")]))
    assert one.size.count == 1 + 3 * 2 * 4


def test_the_rows_of_a_set_are_shown_labels_in_turn() -> None:
    space = bound(SETS)
    for draw in range(4):
        shown = space.shown("demos", levels("hard-1", draw=draw)) or ()
        assert {BY_ID[row].row["label"] for row in shown} == set(LABELS)
        assert set(shown) <= {"t00", "t03", "t06", "t07", "t08"}
    orders = {space.shown("demos", levels("hard-1", draw=draw)) for draw in range(4)}
    assert len(orders) > 1


def test_an_answer_stands_in_the_targets_place_in_its_set_only() -> None:
    space = bound(SETS)
    own = content(space, select="own-2", count=2)
    assert f"T: {BY_ID['t01'].row['text']}\nL: A bill, so: billing" in own
    assert f"T: {BY_ID['t02'].row['text']}\nL: access" in own
    everything = bound(plain(count=(24, 24)).with_recruited("own", SETS.demos.recruited["own-2"]))
    assert "A bill" not in content(everything, select="random", count=24)


def test_rows_with_answers_are_still_ordered_by_their_label() -> None:
    rows = [Recruited(row="t00", answer="Aaa, hardware"), Recruited(row="t01", answer="zzz")]
    space = bound(plain(order="by_label").with_recruited("own", rows))
    written = content(space, select="own", order="by_label")
    assert written.index("zzz") < written.index("Aaa")


def test_a_smaller_set_is_shown_whole() -> None:
    assert len(bound(SETS).shown("demos", levels("own-2", count=3)) or ()) == 2


def test_an_answer_that_an_engine_would_evaluate_is_not_shown() -> None:
    rows = [Recruited(row="t00", answer="{{ text }} {% if %}"), Recruited(row="t01")]
    space = bound(plain().with_recruited("own", rows))
    assert space.shown("demos", levels("own")) == ("t01",)


def test_the_landscape_knows_all_rows_of_a_set() -> None:
    space = bound(plain(draws=1).with_recruited("some", [Recruited(row=e.id) for e in TRAIN]))
    landscape = SpaceLandscape(space)
    rng = np.random.default_rng(0)
    points = landscape.suggest(rng, count=64, leaders=[landscape.seed], weights=np.zeros((0, 0)))
    features = landscape.encoder.encode([landscape.values(point) for point in points])
    assert np.isfinite(features).all()
    assert {dict(point).get("demos.select") for point in points} >= {"random", "some"}


def test_effects_tell_of_a_set() -> None:
    space, rng = bound(SETS), np.random.default_rng(0)
    told: list[Outcome] = []
    for i in range(200):
        candidate = space.candidate(space.space.draw(rng))
        good = dict(candidate.levels).get("demos.select") == "hard-1"
        example = Example(f"s{i % 20}", {"text": "x", "label": "y"}, "select")
        value = float(rng.random() < (0.9 if good else 0.3))
        told.append(Outcome(Cell(candidate, example, i), Trace("…"), {}, value))
    effects = {
        e.level: e for e in effects_of(Readout(space, told)) if e.component == "demos.select"
    }
    assert max(effects.values(), key=lambda e: e.effect).level == "hard-1"


def test_no_set_leaves_no_trace_in_a_dump() -> None:
    assert "recruited" not in str(space_of(plain()).to_dict())


ids = st.sampled_from(sorted(BY_ID))
names = st.text(min_size=1, max_size=12).filter(lambda n: n not in {"random", "balanced"})
answers = st.none() | st.text(max_size=20)
sets = st.lists(
    st.builds(Recruited, row=ids, answer=answers), min_size=1, unique_by=lambda r: r.row
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(names.filter(lambda n: n != "diverse"), sets, max_size=3), st.data())
def test_every_selection_works_and_the_space_round_trips(
    recruited: dict[str, list[Recruited]], data: st.DataObject
) -> None:
    demos = plain(select=("random", "balanced"))
    for name, rows in recruited.items():
        demos = demos.with_recruited(name, rows)
    space = space_of(demos)
    assert SearchSpace(**space.to_dict()) == space
    again = bound(demos)
    select = data.draw(st.sampled_from(demos.demos.selections))
    chosen = levels(select, data.draw(st.integers(1, 3)), data.draw(st.integers(0, 3)))
    shown = again.shown("demos", chosen) or ()
    assert len(shown) == len(set(shown)) <= chosen["demos.count"]
    assert set(shown) <= set(again.showable("demos"))
    if select in recruited:
        assert set(shown) <= {one.row for one in recruited[select]}
    assert dict(again.candidate(chosen).levels) == chosen


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("diverse", [Recruited(row="t00")], "a selection of its own"),
        ("own-2", [Recruited(row="t00")], "already"),
        ("none", [], "must not be empty"),
        ("twice", [Recruited(row="t00"), Recruited(row="t00")], "a row twice"),
    ],
)
def test_a_set_that_cannot_be_is_refused(name: str, rows: list[Recruited], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SETS.with_recruited(name, rows)


def test_a_row_that_is_not_of_train_is_refused() -> None:
    demos = plain().with_recruited("a", [Recruited(row="s1")])
    with pytest.raises(InputError, match=r"'s1', which is not in `train`"):
        _ = bound(demos).seed


def test_answers_need_a_target() -> None:
    with pytest.raises(InputError, match="there is no target"):
        _ = BoundSpace(space_of(SETS), TRAIN, None).seed


# Recruiting

CANDIDATE = bound(plain()).seed


def case(example: Example, parsed: str | None, text: str | None = None, value: Any = None) -> Case:
    """Read as `parsed`; the value says whether that is the label."""
    right = float(parsed == example.row["label"])
    trace = Trace(parsed or "?" if text is None else text)
    cell = Cell(CANDIDATE, example)
    return Case(example, Outcome(cell, trace, {}, right if value is None else value, parsed))


def failed(example: Example) -> Case:
    return Case(
        example, Outcome(Cell(CANDIDATE, example), Trace(None), failure=Failure("timeout", ""))
    )


def recruit(name: str, cases: list[Case], count: int = 6, seed: int = 0) -> tuple[Recruited, ...]:
    rng = np.random.default_rng(seed)
    return RECRUITERS[name](cases, count=count, target="label", rng=rng)


def labels(rows: tuple[Recruited, ...]) -> Counter[str]:
    return Counter(str(BY_ID[one.row].row["label"]) for one in rows)


def test_bootstrapped_keeps_the_models_own_answers_to_rows_answered_right() -> None:
    cases = [case(e, "billing", f"  Because. Team: billing {e.id} ") for e in TRAIN]
    rows = recruit("bootstrapped", cases, count=5)
    assert labels(rows) == {"billing": 5}
    assert all(one.answer == f"Because. Team: billing {one.row}" for one in rows)


def test_bootstrapped_answers_that_are_the_target_are_not_repeated() -> None:
    rows = recruit("bootstrapped", [case(e, str(e.row["label"])) for e in TRAIN])
    assert labels(rows) == dict.fromkeys(LABELS, 2)
    assert all(one.answer is None for one in rows)


def test_bootstrapped_leaves_out_what_an_engine_would_change() -> None:
    good, bad = TRAIN[:2]
    cases = [case(good, "hardware"), case(bad, "billing", "{{ text }} billing")]
    assert [one.row for one in recruit("bootstrapped", cases)] == [good.id]


def test_of_graded_answers_the_top_are_right() -> None:
    cases = [case(e, None, "an answer", value=i / 100) for i, e in enumerate(TRAIN)]
    right = {one.row for one in recruit("bootstrapped", cases, count=24)}
    assert right == {e.id for e in TRAIN[17:]}
    assert {one.row for one in recruit("hard", cases, count=24)} == {e.id for e in TRAIN[:17]}


def test_when_all_are_wrong_none_is_bootstrapped() -> None:
    cases = [case(e, None) for e in TRAIN]
    assert recruit("bootstrapped", cases) == ()
    assert labels(recruit("hard", cases)) == dict.fromkeys(LABELS, 2)


def test_hard_rows_are_those_answered_wrong_without_failures() -> None:
    cases = [case(e, "billing") for e in TRAIN[:12]] + [failed(e) for e in TRAIN[12:]]
    rows = recruit("hard", cases)
    assert labels(rows) == {"hardware": 3, "access": 3}
    assert all(one.answer is None and one.row < "t12" for one in rows)


def test_hard_starts_with_the_lowest_value() -> None:
    cases = [case(e, None, value=0.1 * i) for i, e in enumerate(TRAIN[:9:3])]
    assert [one.row for one in recruit("hard", cases, count=1)] == ["t00"]


def test_boundary_shows_both_sides_of_a_confusion() -> None:
    like = Example("like", {"text": "the printer jams on invoices", "label": "billing"}, "train")
    cases = [case(e, str(e.row["label"])) for e in TRAIN[3:]]
    cases += [case(TRAIN[0], "billing"), case(like, "billing")]
    assert {one.row for one in recruit("boundary", cases)} == {"t00", "like"}


def test_without_a_confusion_of_labels_there_is_no_boundary() -> None:
    unread = [case(e, None) for e in TRAIN] + [case(TRAIN[0], "no such label")]
    assert recruit("boundary", unread) == ()
    rng = np.random.default_rng(0)
    assert boundary([case(e, "billing") for e in TRAIN], count=3, target=None, rng=rng) == ()


def test_diverse_recruits_are_of_all_topics() -> None:
    assert labels(recruit("diverse", [case(e, None) for e in TRAIN], count=3)) == dict.fromkeys(
        LABELS, 1
    )


@pytest.mark.parametrize("recruiter", [bootstrapped, hard, diverse])
def test_without_a_target_rows_are_recruited_without_answers(recruiter: Any) -> None:
    cases = [case(e, "billing", "I say billing") for e in TRAIN]
    rows = recruiter(cases, count=4, target=None, rng=np.random.default_rng(0))
    assert len(rows) == 4
    assert all(one.answer is None for one in rows)


@pytest.mark.parametrize("name", RECRUITERS)
@pytest.mark.parametrize("split", ["select", "test"])
def test_no_row_that_scores_gets_in(name: str, split: Any) -> None:
    scored = Example("s1", TRAIN[0].row, split)
    with pytest.raises(ValueError, match=f"s1 is of {split}"):
        recruit(name, [case(TRAIN[1], "billing"), case(scored, "billing")])


outcomes = st.lists(
    st.tuples(
        st.sampled_from(TRAIN),
        st.none() | st.sampled_from(LABELS),
        st.sampled_from(["billing", "Team: access", "{{ text }}", "{% x %}", ""]),
        st.none() | st.sampled_from([0.0, 0.5, 1.0]),
    ).map(lambda given: case(*given)),
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(RECRUITERS)), outcomes, st.integers(1, 9), st.integers(0, 99))
def test_what_is_recruited_can_be_shown(
    name: str, cases: list[Case], count: int, seed: int
) -> None:
    rows = recruit(name, cases, count, seed)
    assert len(rows) <= count
    assert rows == recruit(name, cases, count, seed)
    assert {one.row for one in rows} <= {one.example.id for one in cases}
    if rows:
        space = bound(plain(count=(1, 9)).with_recruited(name + "-1", rows))
        shown = space.shown("demos", levels(name + "-1", count=9)) or ()
        assert set(shown) == {one.row for one in rows}


@pytest.mark.parametrize("name", RECRUITERS)
def test_rows_that_an_engine_would_change_are_not_recruited(name: str) -> None:
    odd = Example("odd", {"text": "{{ text }} jams", "label": "hardware"}, "train")
    cases = [case(odd, "billing"), case(odd, "hardware"), case(TRAIN[1], "billing")]
    assert "odd" not in {one.row for one in recruit(name, cases)}

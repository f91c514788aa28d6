"""Kinds of mistakes and confusions of labels, from the rows of a decision."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlathe.records import FinalistName
from promptlathe.report.mistakes import KINDS, LOST, confusion, kind_of, kinds
from promptlathe.results import DecidedRow, RowAnswer

CATS, DOGS = "cats", "dogs"


def answer(said: str | None, value: float | None, **more: object) -> RowAnswer:
    made: dict[str, object] = {"output": said, "value": value, "parsed": said, "state": "answered"}
    return RowAnswer(**made | more)  # type: ignore[arg-type]


def row(expected: str | None, answers: Mapping[FinalistName, RowAnswer]) -> DecidedRow:
    return DecidedRow("1", {}, expected, answers)


UNREAD = answer("hm", 0.0, parsed=None, unread=True, state="unread")
CUT = answer("The", 0.0, parsed=None, unread=True, state="cut off")
FAILED = answer(None, 0.0, parsed=None, failure="context_length", state=None)
AWAY = answer(None, None, parsed=None, failure="rate_limit", state=None)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (answer(CATS, 1.0), "right"),
        (answer(CATS, 1.0 - 1e-12), "right"),
        (answer(CATS, 0.5), "partly right"),
        (answer(CATS, 0.0), "wrong"),
        (UNREAD, "unread"),
        (CUT, "cut off"),
        (answer(CATS, 1.0, state="cut off"), "right"),
        (answer("", 0.0, parsed=None, unread=True, state="empty"), "empty"),
        (answer("Sorry", 0.0, parsed=None, unread=True, state="refused"), "refused"),
        (FAILED, "failed"),
        (AWAY, "no answer"),
        (None, "no answer"),
    ],
)
def test_the_kind_of_an_answer(given: RowAnswer | None, kind: str) -> None:
    assert kind_of(given) == kind


def test_without_a_best_value_an_answer_that_was_read_is_right() -> None:
    assert kind_of(answer("short", -12.0), None) == "right"
    assert kind_of(CUT, None) == "cut off"


ROWS = [
    row(CATS, {"seed": answer(DOGS, 0.0), "best": answer("CATS", 1.0)}),
    row(CATS, {"seed": answer(DOGS, 0.0), "best": answer("Dogs", 0.0)}),
    row(CATS, {"seed": UNREAD, "best": answer(CATS, 1.0)}),
    row(DOGS, {"seed": answer("birds", 0.0), "best": answer("the dogs", 1.0)}),
    row(DOGS, {"seed": answer(DOGS, 1.0)}),
    row(None, {"seed": answer(DOGS, 1.0), "best": answer(CATS, 1.0)}),
]


def test_kinds_count_each_row_once() -> None:
    assert kinds(ROWS, "seed") == {"right": 2, "wrong": 3, "unread": 1}
    assert kinds(ROWS, "best") == {"right": 4, "wrong": 1, "no answer": 1}
    assert list(kinds(ROWS, "seed")) == [kind for kind in KINDS if kind in kinds(ROWS, "seed")]


def test_which_labels_are_taken_for_which() -> None:
    seed, best = confusion(ROWS, "seed"), confusion(ROWS, "best")
    assert seed.labels == best.labels == (CATS, DOGS)
    assert seed.mistaken == ((CATS, DOGS, 2), (CATS, "unread", 1), (DOGS, "birds", 1))
    assert (seed.right, seed.rows) == (1, 5)
    assert set(seed.said) == {CATS, DOGS, "unread", "birds"}
    assert seed.row(CATS) == [seed.of(CATS, said) for said in seed.said]
    assert best.of(CATS, DOGS) == 1  # spelled as the label is
    assert best.of(DOGS, DOGS) == 1  # right, however it is spelled
    assert best.of(DOGS, "no answer") == 1


ANSWERS = st.one_of(
    st.none(),
    st.sampled_from([UNREAD, CUT, FAILED, AWAY]),
    st.builds(answer, st.sampled_from([CATS, DOGS, "x"]), st.floats(0, 1)),
)


@given(st.lists(st.tuples(st.sampled_from([CATS, DOGS, None]), ANSWERS)))
def test_no_row_is_lost(told: list[tuple[str | None, RowAnswer | None]]) -> None:
    rows = [row(expected, {"best": one} if one else {}) for expected, one in told]
    assert sum(kinds(rows, "best").values()) == len(rows)
    found = confusion(rows, "best")
    assert found.rows == sum(expected is not None for expected, _ in told)
    assert found.right + sum(n for *_, n in found.mistaken) == found.rows
    assert sum(sum(found.row(label)) for label in found.labels) == found.rows
    labelled = kinds([one for one in rows if one.expected], "best")
    for kind in LOST:
        assert sum(found.of(label, kind) for label in found.labels) == labelled.get(kind, 0)

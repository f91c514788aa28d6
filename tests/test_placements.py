"""Rows stay where a job had them; new ones are held out first, what was searched on never is."""

import random
from collections.abc import Sequence

import pytest

from promptlathe.data.placements import Placement, Placements
from promptlathe.records import Split
from promptlathe.scoring import Objective, exact_match

SHARES = {"train": 0.3, "select": 0.4, "test": 0.3}


def rows(first: int, last: int) -> list[dict[str, str]]:
    return [{"text": f"ticket number {n}", "label": "ab"[n % 2]} for n in range(first, last)]


def objective(given: Sequence[dict[str, str]], earlier: Placements | None = None, **more: object):
    made = Objective(list(given), scorer=exact_match("label"), **more)
    return made.remembering(lambda: earlier) if earlier else made


def of(split: Split, one: Objective) -> set[str]:
    return {str(example.row["text"]) for example in one.examples(split)}


def ids(one: Objective) -> set[str]:
    return {example.id for example in one.examples("test")}


def test_without_a_memory_nothing_changes():
    assert objective(rows(0, 100), Placements()).digest == objective(rows(0, 100)).digest


def test_rows_that_are_known_stay_where_they_were_in_their_order():
    first = objective(rows(0, 100))
    again = objective(reversed(rows(0, 100)), Placements(first.placements, opened=ids(first)))
    assert again.digest == first.digest
    assert not again.notes


def test_new_rows_are_held_out_and_those_that_were_opened_make_room():
    first = objective(rows(0, 100))
    second = objective(rows(0, 120), Placements(first.placements, opened=ids(first)))
    held = of("test", second)
    assert {one["text"] for one in rows(100, 120)} <= held
    assert len(held) == 36
    assert of("train", first) <= of("train", second)
    assert of("select", first) <= of("select", second)
    assert len(of("train", second)) == pytest.approx(36, abs=1)
    assert len(second.unopened) == 20
    assert "20 new rows: 20 in test" in second.notes
    assert any(
        note.startswith("14 test rows that decisions have seen made room") for note in second.notes
    )


def test_rows_that_no_decision_has_seen_stay():
    first = objective(rows(0, 100))
    second = objective(rows(0, 120), Placements(first.placements))
    assert of("test", first) <= of("test", second)
    assert len(of("test", second)) == 36
    assert len(second.unopened) == 36


def test_more_new_rows_than_test_has_room_for():
    first = objective(rows(0, 100))
    second = objective(rows(0, 400), Placements(first.placements, opened=ids(first)))
    sizes = {split: len(of(split, second)) for split in SHARES}
    assert sizes == {"train": 120, "select": 160, "test": 120}
    assert not of("test", first) & of("test", second)


@pytest.mark.parametrize("splits", [SHARES, {"train": 0, "select": 0.5, "test": 0.2}])
@pytest.mark.parametrize("seed", range(5))
def test_what_was_searched_on_never_decides(seed: int, splits: dict[str, float]):
    """Canaries: whatever comes, goes, is corrected and opened, and however often."""
    luck = random.Random(seed)
    there = rows(0, 60)
    told: list[Placement] = []
    opened: set[str] = set()
    searched: set[str] = set()
    for job in range(12):
        there += rows(1000 * job, 1000 * job + luck.randrange(0, 40))
        luck.shuffle(there)
        del there[: luck.randrange(0, 10)]
        for row in luck.sample(there, 3):
            row["label"] = luck.choice("ab")
        one = objective(there, Placements(told, opened=opened), splits={**splits, "seed": 7})
        assert not of("test", one) & searched
        for split in ("train", "select"):
            searched |= of(split, one)
        told += one.placements
        if luck.random() < 0.7:
            opened |= ids(one)
        assert len(of("test", one)) >= 0.1 * len(there)


def test_a_correction_stays_where_the_row_was():
    first = objective(rows(0, 100))
    wrong = [row | {"label": "a"} for row in rows(0, 100)]
    second = objective(wrong, Placements(first.placements, opened=ids(first)))
    for split in SHARES:
        assert of(split, second) == of(split, first)
    assert not second.unopened, "its right answer is another, and its input was seen"


def test_under_other_splits_all_is_divided_anew_and_told():
    first = objective(rows(0, 100))
    other = objective(
        rows(0, 100), Placements(elsewhere=first.placements), splits={**SHARES, "seed": 1}
    )
    assert other.digest == objective(rows(0, 100), splits={**SHARES, "seed": 1}).digest
    (note,) = (note for note in other.notes if "flatter" in note)
    count = len(of("test", other) & (of("train", first) | of("select", first)))
    assert note.startswith(f"{count} test rows were searched on")


def test_a_row_that_moves_into_the_file_of_test_is_told():
    parts = {"train": rows(0, 20), "select": rows(20, 50), "test": rows(50, 80)}
    first = Objective(scorer=exact_match("label"), splits=parts)
    moved = {**parts, "select": rows(21, 50), "test": rows(50, 80) + rows(20, 21)}
    second = Objective(scorer=exact_match("label"), splits=moved).remembering(
        lambda: Placements(first.placements)
    )
    assert any(note.startswith("1 test row was searched on") for note in second.notes)
    assert not any("flatter" in note for note in first.notes)

"""A test split wears out: levels, splits, and the ledger that counts the openings."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from promptlathe.decide import level_of
from promptlathe.decide.wealth import CAP, ERROR, power, spend, words
from promptlathe.errors import InputError
from promptlathe.ledger import Ledger, Opening

ROWS = [f"r{i}" for i in range(150)]


def opened(
    times: int, rows: list[str] = ROWS, before: tuple[Opening, ...] = (), *, promoted: bool = False
) -> tuple[Opening, ...]:
    """So many openings on these rows, each with a challenger of its own."""
    found = before
    for i in range(times):
        challenger = f"c{len(found)}"
        level = level_of(found, rows=rows, baseline="champion", challenger=challenger)
        at = datetime(2026, 11, 26, i % 24, tzinfo=UTC)
        found += (
            Opening(
                level.split,
                level.number,
                frozenset(rows),
                "champion",
                challenger,
                level.level,
                f"run{i}",
                at,
                promoted,
            ),
        )
    return found


def test_the_levels_of_a_split_never_add_up_to_more_than_its_error() -> None:
    levels = [one.level for one in opened(1000)]
    assert levels[:3] == pytest.approx([ERROR / 2, ERROR / 6, ERROR / 12])
    assert 0.99 * ERROR < sum(levels) <= ERROR


def test_the_first_opening_goes_by_the_interval_that_is_shown() -> None:
    first = level_of((), rows=ROWS, baseline="a", challenger="b")
    assert (first.number, first.alpha, first.exhausted) == (1, 0.05, False)
    assert words(first, rows=150) == ""


def test_a_promotion_passes_its_level_on_and_no_level_is_above_the_cap() -> None:
    once = opened(1, before=opened(3), promoted=True)
    following = level_of(once, rows=ROWS, baseline="a", challenger="new")
    assert following.level == pytest.approx(spend(5) + spend(4))
    assert all(one.level <= CAP for one in opened(20, promoted=True))


def test_the_same_decision_is_no_new_look() -> None:
    openings = opened(3)
    again = level_of(openings, rows=ROWS[::-1], baseline="champion", challenger="c1")
    assert again.known == openings[1]
    assert (again.number, again.level) == (2, openings[1].level)
    other = level_of(openings, rows=ROWS, baseline="c1", challenger="champion")
    assert (other.known, other.number) == (None, 4)


@pytest.mark.parametrize(("fresh", "number"), [(0, 6), (10, 6), (149, 6), (150, 1), (400, 1)])
def test_half_of_the_rows_fresh_is_a_new_split(fresh: int, number: int) -> None:
    rows = ROWS + [f"fresh{i}" for i in range(fresh)]
    level = level_of(opened(5), rows=rows, baseline="a", challenger="b")
    assert level.number == number


def test_going_back_to_worn_rows_finds_them_worn() -> None:
    new = [f"fresh{i}" for i in range(150)]
    openings = opened(2, new, before=opened(5))
    assert [one.number for one in openings] == [1, 2, 3, 4, 5, 1, 2]
    assert level_of(openings, rows=ROWS, baseline="a", challenger="b").number == 6
    assert level_of(openings, rows=new[:140], baseline="a", challenger="b").number == 3


def test_a_worn_split_says_that_fresh_rows_are_due() -> None:
    levels = [level_of(opened(n), rows=ROWS, baseline="a", challenger="b") for n in (5, 40)]
    assert [one.exhausted for one in levels] == [False, True]
    assert power(levels[1].level, 150) < 0.5 < power(levels[0].level, 150)
    assert "opened 6 times" in words(levels[0], rows=150)
    assert "fresh rows are due: add 150 rows to test" in words(levels[1], rows=150)
    few = level_of(opened(1, ROWS[:20]), rows=ROWS[:20], baseline="a", challenger="b")
    assert few.exhausted


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield found
    found.close()


def test_openings_are_read_as_they_were_written(ledger: Ledger, tmp_path: Path) -> None:
    first, second = opened(2)
    ledger.open_test("tickets", first)
    ledger.open_test("tickets", second)
    ledger.open_test("others", first)
    ledger.promote("tickets", second)
    other = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    assert other.openings("tickets") == (first, replace(second, promoted=True))
    assert other.openings("others") == (first,)
    assert other.openings("none") == ()
    other.close()


def test_one_number_is_opened_once(ledger: Ledger) -> None:
    (first,) = opened(1)
    ledger.open_test("tickets", first)
    with pytest.raises(InputError):
        ledger.open_test("tickets", replace(first, challenger="of another process"))
    assert ledger.openings("tickets") == (first,)

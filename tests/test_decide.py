"""The decision on held-out rows: pairs, intervals, verdicts."""

from collections.abc import Sequence

import numpy as np
import pytest

from promptlathe.decide.comparison import Comparison, compare, interval, t_quantile
from promptlathe.records import (
    Candidate,
    Cell,
    Example,
    Failure,
    Message,
    Outcome,
    Prompt,
    Trace,
)

SEED, BEST = (Candidate.single((), Prompt((Message("user", text),))) for text in ("seed", "best"))


def outcomes(
    candidate: Candidate, values: Sequence[float | None], names: str | None = None
) -> list[Outcome]:
    """One for each value, on the examples a, b, c …"""
    made: list[Outcome] = []
    for i, value in enumerate(values):
        example = Example(names[i] if names else f"e{i:03}", {}, "test")
        failure = Failure("timeout", "") if value is None else None
        made.append(Outcome(Cell(candidate, example), Trace("x"), value=value, failure=failure))
    return made


def versus(first: Sequence[float | None], second: Sequence[float | None]) -> Comparison:
    found = compare(outcomes(SEED, first), outcomes(BEST, second))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("rows", "gained", "lost"), [(143, 0.25, 0.08), (60, 0.3, 0.3), (30, 0.16, 0.16)]
)
def test_the_interval_covers_the_true_gain_as_often_as_it_says(
    rows: int, gained: float, lost: float
) -> None:
    rng = np.random.default_rng(20)
    sets = rng.choice([1.0, -1.0, 0.0], (400, rows), p=[gained, lost, 1 - gained - lost])
    found = np.array([interval(differences) for differences in sets])
    covered = np.mean((found[:, 0] <= gained - lost) & (gained - lost <= found[:, 1]))
    assert 0.92 <= covered <= 0.98


def test_verdicts() -> None:
    half = [0.0, 1.0] * 30
    assert versus(half, [1.0] * 60).verdict == "better"
    assert versus([1.0] * 60, half).verdict == "worse"
    assert versus(half, half[::-1]).verdict == "no significant gain"
    assert versus(half, [0.0, 1.0] * 29 + [1.0, 1.0]).verdict == "no significant gain"


def test_a_comparison_says_what_it_saw() -> None:
    found = versus([0.0, 0.0, 1.0, 0.5] * 10, [1.0, 0.0, 1.0, 1.0] * 10)
    assert (found.baseline, found.challenger) == (0.375, 0.75)
    assert found.gain == pytest.approx(0.375)
    assert found.low < found.gain < found.high
    assert (found.examples, found.missing) == (40, 0)


def test_the_interval_is_that_of_the_paired_t() -> None:
    """Ten differences: mean 0.2, standard error 0.2 / √9; t of 9 degrees of freedom is 2.26216."""
    differences = [0.0, 0.4] * 5
    low, high = interval(np.array(differences))
    half = 2.26216 * 0.2 / 3
    assert (low, high) == pytest.approx((0.2 - half, 0.2 + half), abs=1e-5)


@pytest.mark.parametrize(
    ("freedom", "expected"), [(9, 2.26216), (29, 2.04523), (59, 2.00100), (142, 1.97681)]
)
def test_quantiles_are_those_of_the_tables(freedom: int, expected: float) -> None:
    assert t_quantile(0.975, freedom) == pytest.approx(expected, abs=2e-5)
    assert t_quantile(0.025, freedom) == pytest.approx(-expected, abs=2e-5)


def test_the_interval_stays_within_the_scale() -> None:
    low, high = interval(np.array([1.0] * 29 + [0.0]))
    assert 0.85 < low < high == 1.0
    low, high = interval(np.array([-1.0] * 29 + [0.0]))
    assert -1.0 == low < high < -0.85


def test_rows_without_any_difference_get_the_exact_bound() -> None:
    """Clopper and Pearson: none of n differs, so at most 1 − 0.025^(1/n) of all rows do."""
    for rows, bound in ((30, 0.1157), (143, 0.02546)):
        found = versus([1.0] * rows, [1.0] * rows)
        assert (found.low, found.high) == pytest.approx((-bound, bound), abs=1e-4)
        assert found.verdict == "no significant gain"


def test_rows_that_all_differ_alike_leave_room_on_one_side_only() -> None:
    """With the rest of the rows as different as the scale allows: from 1 to −1."""
    found = versus([0.0] * 30, [1.0] * 30)
    assert (found.low, found.high) == pytest.approx((1 - 2 * 0.1157, 1.0), abs=1e-4)
    assert found.verdict == "better"


@pytest.mark.parametrize("scale", [7.0, 300.0])
def test_scores_beyond_one_keep_an_interval_around_the_gain(scale: float) -> None:
    low, high = interval(np.full(50, scale))
    assert 0 < low < scale <= high
    low, high = interval(np.full(50, -scale))
    assert -scale <= low < high < 0 or low == -scale


def test_pairs_are_made_by_example_in_any_order() -> None:
    first = outcomes(SEED, [0.0, 1.0, 0.0, 1.0], "abcd")
    second = outcomes(BEST, [1.0, 1.0, 0.0, 0.0], "dbca")
    found = compare(first, second)
    assert found == compare(first[::-1], second[::-1])
    assert found
    assert (found.gain, found.low, found.high) == (0.0, *interval(np.zeros(4)))


def test_missing_and_unasked_rows_are_counted_apart() -> None:
    first = outcomes(SEED, [1.0, None, 0.0, None, 1.0], "abcde")
    second = outcomes(BEST, [1.0, 1.0, None, None], "abcd")
    found = compare(first, second)
    assert found
    assert (found.examples, found.missing, found.unasked) == (1, 3, 1)
    found = compare(first, second, rows=12)
    assert found
    assert (found.examples, found.missing, found.unasked) == (1, 3, 8)
    assert "8 of 12 rows" in found.notes[1]


def refused(kind: str) -> Comparison:
    """80 of 100 against 72 of 80: the other 20, the hard ones, gave the challenger nothing."""
    first = outcomes(SEED, [1.0] * 60 + [0.0] * 20 + [1.0] * 20)
    second = outcomes(BEST, [1.0] * 72 + [0.0] * 8)
    for cell in (one.cell for one in outcomes(BEST, [0.0] * 100)[80:]):
        value = 0.0 if kind == "content_filter" else None
        reason = Failure("content_filter" if value == 0.0 else "timeout", "")
        second.append(Outcome(cell, Trace(None), value=value, failure=reason))
    found = compare(first, second)
    assert found
    return found


def test_hard_rows_without_an_answer_make_nobody_better() -> None:
    found = refused("timeout")
    assert found.gain > 0
    assert found.verdict == "no significant gain"
    assert found.low < -0.05
    assert (found.examples, found.missing) == (80, 20)
    found = refused("content_filter")
    assert found.gain == pytest.approx(-0.08)
    assert (found.examples, found.missing, found.failed_challenger) == (100, 0, 20)
    assert found.verdict != "better"


def test_the_interval_holds_for_whatever_is_missing() -> None:
    """True gain 0: the challenger's answers are lost where it is wrong."""
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(200):
        a, b = (rng.random((2, 60)) < 0.7).astype(float)
        lost = (b == 0) & (rng.random(60) < 0.5)
        found = versus(list(a), [None if gone else x for x, gone in zip(b, lost, strict=True)])
        covered += found.low <= 0 <= found.high
    assert covered >= 190


def test_the_scale_bounds_what_is_missing() -> None:
    first, second = outcomes(SEED, [2.0] * 20), outcomes(BEST, [3.0] * 19 + [None])
    wide = compare(first, second, scale=(0.0, 100.0))
    narrow = compare(first, second, scale=(0.0, 4.0))
    assert wide
    assert narrow
    assert wide.low == narrow.low  # the worst is 0 on both scales
    assert narrow.high < 2 < wide.high


def test_a_smaller_error_makes_a_wider_interval() -> None:
    first, second = outcomes(SEED, [0.0, 1.0] * 20), outcomes(BEST, [0.0, 1.0, 1.0, 1.0] * 10)
    shown, strict = compare(first, second), compare(first, second, alpha=1e-6)
    assert shown
    assert strict
    assert (shown.verdict, strict.verdict) == ("better", "no significant gain")
    assert strict.low < shown.low < shown.high < strict.high


def test_nothing_to_compare() -> None:
    assert compare([], []) is None
    assert compare(outcomes(SEED, [1.0], "a"), outcomes(BEST, [1.0], "b")) is None
    assert compare(outcomes(SEED, [None]), outcomes(BEST, [1.0])) is None


def test_one_prompt_on_both_sides_is_no_gain() -> None:
    same = outcomes(SEED, [0.0, 1.0, 0.5] * 20)
    found = compare(same, same)
    assert found
    assert found.gain == 0.0
    assert found.low < 0 < found.high
    assert found.verdict == "no significant gain"

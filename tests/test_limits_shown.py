"""Limits on scores: the bound, what it says of a prompt, and what follows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.outcomes import CANDIDATE

import promptlathe as pl
from promptlathe.decide import recommend
from promptlathe.decide.bounds import rows_needed, upper_bound
from promptlathe.decide.comparison import Comparison
from promptlathe.job import Job, run
from promptlathe.job import check as checked
from promptlathe.job.described import metrics
from promptlathe.job.limits import check, kept, too_few
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Budget, Cell, Example, Failure, Outcome
from promptlathe.results import Checked
from promptlathe.scoring import Limit, Objective, exact_match, regex
from promptlathe.testing import records

# The bound


def test_the_rule_of_three() -> None:
    assert upper_bound([0.0] * 300) == pytest.approx(3 / 300, rel=0.01)
    assert upper_bound([0.0] * 300) == 1 - 0.05 ** (1 / 300)
    assert upper_bound([1.0] * 3) == upper_bound([]) == 1
    assert rows_needed([], 0.01) == 299
    assert rows_needed([0.0], 0.01) == 299
    assert rows_needed([1.0], 0.01) is None


def test_the_exact_bound() -> None:
    """Clopper & Pearson's, from their tables: 1 of 10 and 5 of 20, one-sided 95 %."""
    assert upper_bound([1.0] + [0.0] * 9) == pytest.approx(0.3942, abs=1e-4)
    assert upper_bound([1.0] * 5 + [0.0] * 15) == pytest.approx(0.4556, abs=1e-4)
    assert upper_bound([1.0] + [0.0] * 471) > 0.01 >= upper_bound([1.0] + [0.0] * 472)


def test_fractions_have_a_wider_bound_than_the_same_mean_in_whole_scores() -> None:
    whole, parts = [1.0] * 2 + [0.0] * 98, [0.5] * 4 + [0.0] * 96
    assert upper_bound(whole) < upper_bound(parts) < 1.4 * upper_bound(whole)
    assert upper_bound([0.001] * 100) < 0.04


@pytest.mark.parametrize("kind", ["whole", "halves", "beta"])
@pytest.mark.parametrize(("n", "mean"), [(60, 0.05), (95, 0.05), (40, 0.3)])
def test_the_mean_lies_above_it_at_most_once_in_twenty(kind: str, n: int, mean: float) -> None:
    rng = np.random.default_rng(0)
    draw: dict[str, Any] = {
        "whole": lambda: rng.random(n) < mean,
        "halves": lambda: (rng.random(n) < 2 * mean) / 2,
        "beta": lambda: rng.beta(0.2, 0.2 * (1 - mean) / mean, n),
    }
    times = 400
    above = sum(upper_bound([float(x) for x in draw[kind]()]) < mean for _ in range(times))
    assert above / times <= 0.05 + 3 * (0.05 * 0.95 / times) ** 0.5


# What it says


def outcomes(scores: list[float | None], failure: Failure | None = None) -> list[Outcome]:
    found: list[Outcome] = []
    for number, value in enumerate(scores):
        cell = Cell(CANDIDATE, Example(str(number), {}, "test"))
        if value is None:
            found.append(records.outcome(cell, failure or Failure("timeout", "…")))
        else:
            found.append(records.outcome(cell, Answer("x"), {"harm": value}, 1.0))
    return found


def of(best: list[float | None], limit: Limit, worst: float = 1.0) -> Checked:
    ranges = {"harm": (0.0, worst)}
    (one,) = check([limit], outcomes([0.0]), outcomes(best), ranges=ranges)
    return one


MOST = Limit("harm", 0.01)


def test_what_is_said_of_a_limit() -> None:
    shown = of([0.0] * 300, MOST)
    assert shown.held("best") == "kept"
    assert shown.note == (
        "the limit harm <= 0.01: the best prompt keeps it: 0 on 300 rows, at most 0.009936 with "
        "95 % confidence"
    )
    few = of([0.0] * 40, MOST)
    assert few.held("best") == "not shown"
    assert few.note == (
        "the limit harm <= 0.01: the rows are too few to say whether the best prompt keeps it: 0 "
        "on 40 rows, at most 0.07216 with 95 % confidence; 299 rows like these would do"
    )
    broken = of([0.0] * 38 + [1.0] * 2, MOST)
    assert broken.held("best") == "broken"
    assert "the best prompt breaks it: 0.05 on 40 rows" in str(broken.note)
    assert broken.to_dict()["shown"]["best"]["needed"] is None


def test_at_least() -> None:
    safe = of([1.0] * 300, Limit("harm", 0.99, at_least=True))
    assert safe.kept
    assert "1 on 300 rows, at least 0.9901 with 95 % confidence" in str(safe.note)
    assert safe.to_dict() | {"shown": None} == {
        "metric": "harm",
        "most": None,
        "least": 0.99,
        "seed": 0.0,
        "best": 1.0,
        "champion": None,
        "kept": True,
        "state": "kept",
        "shown": None,
    }
    assert of([0.9] * 10, Limit("harm", 0.95, at_least=True)).held("best") == "broken"


def test_a_row_without_a_score_is_the_worst() -> None:
    one = of([0.0] * 299 + [None], MOST)
    assert one.best.mean == pytest.approx(1 / 300)
    assert one.best.unscored == 1
    assert one.held("best") == "not shown"
    assert "on 300 rows, 1 of them without a score" in str(one.note)
    scorer = Failure("scorer", "it raised")
    assert check([MOST], [], outcomes([None], scorer), ranges={"harm": (0, 5)})[0].best.mean == 5


def test_a_range_of_its_own() -> None:
    assert of([0.0] * 300, Limit("harm", 0.05), worst=5).best.end == pytest.approx(0.0497, abs=1e-4)


def test_who_is_not_shown_to_keep_a_limit_is_not_recommended() -> None:
    up = Comparison(0.5, 0.7, 0.2, 0.1, 0.3, 100, 0)
    few, good, bad = ([x] * n for x, n in ((0.0, 40), (0.0, 300), (1.0, 40)))

    def use(seed: list[float], best: list[float]) -> tuple[str, str]:
        ranges = {"harm": (0.0, 1.0)}
        one = check([MOST], outcomes([*seed]), outcomes([*best]), ranges=ranges)
        found = recommend(up, kept=kept(one))
        return found.use, found.reason

    assert use(good, few) == ("seed", "the best prompt is not shown to keep a limit")
    assert use(few, few) == ("seed", "the best prompt is not shown to keep a limit")
    assert use(good, bad) == ("seed", "the best prompt breaks a limit")
    assert use(few, good)[0] == "best"


def test_check_says_that_the_rows_are_too_few() -> None:
    limits = [MOST, Limit("tokens", 9), Limit("safe", 0.9, at_least=True)]
    ranges = {"harm": (0.0, 1.0), "safe": (0.0, 1.0)}
    (note,) = too_few(limits, 40, ranges)
    assert note.startswith("40 test rows are too few to show harm <= 0.01 with 95 % confidence: ")
    assert "299 rows without a single miss" in note
    assert too_few(limits, 299, ranges) == []


# A whole job

TEAMS = ("billing", "delivery")
ROWS = [
    {"text": f"No. {i}: the {word}, please", "label": label}
    for i, (label, word) in enumerate(list(zip(TEAMS, ("invoice", "parcel"), strict=True)) * 30)
]
SPACE = pl.SearchSpace(
    messages={"system": "{{ task }}\n{{ teams }}", "user": "{{ text }}"},
    components={
        "task": "Name the team. Answer with the label only.",
        "teams": pl.Choice({"none": None, "rules": "- billing: invoice\n- delivery: parcel"}),
    },
)


def job(workspace: Path, most: float) -> Job:
    """Nothing ever says `oops`, on 18 rows of `test`."""
    scorers = [exact_match("label"), regex("oops", name="oops")]
    return Job(
        space=SPACE,
        objective=Objective(ROWS, scorers=scorers, limits={"oops": most}),
        model=ModelSettings.model_validate("pocket"),
        budget=Budget(calls=110),
        track=False,
        workspace=workspace,
    )


def test_a_prompt_that_is_not_shown_to_keep_a_limit_is_not_used(tmp_path: Path) -> None:
    shown = run(job(tmp_path, 0.2))
    assert (shown.verdict, shown.recommended) == ("better", "best")
    assert shown.to_dict()["limits"][0]["state"] == "kept"
    assert metrics(shown)["limit_oops_95"] == pytest.approx(1 - 0.05 ** (1 / 18))
    unshown = run(job(tmp_path, 0.1))
    assert (unshown.verdict, unshown.recommended) == ("better", "seed")
    assert unshown.reason == "the best prompt is not shown to keep a limit"
    assert any("29 rows like these would do" in note for note in unshown.notes)
    (note,) = [one for one in checked(job(tmp_path, 0.1)).notes if "too few to show" in one]
    assert "18 test rows are too few to show oops <= 0.1" in note
    assert not any("too few to show" in one for one in checked(job(tmp_path, 0.2)).notes)

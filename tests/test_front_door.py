"""The front door for notebooks and scripts: what it takes, and how briefly records show."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
from tests.jobs import OBJECTIVE, ROWS

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.job import Result

SPACE = pl.SearchSpace(
    {"system": "{{ role }}", "user": "{{ demos }}\n\nText: {{ text }}\nTeam:"},
    {
        "role": pl.Choice([None, "You sort letters.", "Name the team only."]),
        "demos": pl.Demos(count=(0, 6), template="Text: {{ text }}\nTeam: {{ label }}"),
    },
)
ANSWER = pl.exact_match("label")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return pl.optimize(
        SPACE, OBJECTIVE, budget={"calls": 150}, track=False, workspace=tmp_path_factory.mktemp("w")
    )


# Data frames

FRAME = pd.DataFrame(
    {
        "text": [f"text {i}" for i in range(12)],
        "label": pd.Categorical(["a", "b"] * 6),
        "count": pd.array([1, None] * 6, dtype="Int64"),
        "share": [0.5, np.nan] * 6,
        "at": pd.to_datetime(["2026-01-02", None] * 6),
        "list": [[1, 2], None] * 6,
    },
    index=range(5, 17),
)
READ = [
    {"text": "text 0", "label": "a", "count": 1, "share": 0.5, "at": "2026-01-02T00:00:00"}
    | {"list": [1, 2]},
    {"text": "text 1", "label": "b", "count": None, "share": None, "at": None, "list": None},
]


@pytest.mark.parametrize(
    "given",
    [
        FRAME,
        FRAME.convert_dtypes(),
        polars.from_pandas(FRAME),
        pyarrow.Table.from_pandas(FRAME, preserve_index=False),
        FRAME.to_dict("records"),
    ],
    ids=["pandas", "nullable", "polars", "pyarrow", "records"],
)
def test_an_objective_takes_data_frames(given: Any) -> None:
    rows = pl.Objective(given, scorer=ANSWER).rows
    assert [values for values, _ in rows[:2]] == READ
    assert rows[1][1] == "dataset[1]"
    assert len(rows) == 12


def test_a_split_takes_a_data_frame_of_its_own() -> None:
    parts = {"train": FRAME[:4], "select": polars.from_pandas(FRAME[4:8]), "test": FRAME[8:]}
    objective = pl.Objective(scorer=ANSWER, splits=parts)
    assert [len(objective.examples(split)) for split in ("train", "select", "test")] == [4, 4, 4]


def test_values_that_only_python_has_become_data() -> None:
    row = {
        "text": "t",
        "label": np.str_("a"),
        "yes": np.bool_(True),
        "day": np.datetime64("2026-01-02T03:04:05", "ns"),
        "none": [pd.NA, pd.NaT, np.datetime64("NaT"), float("nan"), date(2026, 1, 2)],
        "money": Decimal("1.5"),
        "7": np.array([1, 2]),
    }
    rows = [{**row, "text": f"t{number}"} for number in range(12)]
    for given in (rows, pd.DataFrame(rows).rename(columns={"7": 7})):
        (values, _), *_ = pl.Objective(given, scorer=ANSWER).rows
        assert values == {
            "text": "t0",
            "label": "a",
            "yes": True,
            "day": "2026-01-02T03:04:05",
            "none": [None, None, None, None, "2026-01-02"],
            "money": 1.5,
            "7": [1, 2],
        }


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (FRAME.set_axis(["text", "text", *FRAME.columns[2:]], axis=1), "2 columns named 'text'"),
        (FRAME.rename(columns={"count": 1, "share": "1"}), "2 columns named '1'"),
        (pd.concat([FRAME, FRAME], axis=1, keys=["a", "b"]), "several levels"),
        (FRAME["text"], "pandas.Series is no table"),
        (polars.from_pandas(FRAME).lazy(), "collect"),
        (np.zeros((3, 3)), "rows with names"),
        (pd.DataFrame(), "the dataset is empty"),
        (FRAME[["text"]], "no row has the field 'label'"),
        (FRAME.assign(raw=b"x"), "the field 'raw' holds a bytes"),
        (FRAME.assign(gap=pd.Timedelta(1, "D")), "the field 'gap' holds a Timedelta"),
        (7, "expected a text"),
    ],
)
def test_what_is_no_table_of_rows_is_said_in_one_message(given: Any, what: str) -> None:
    with pytest.raises(InputError) as caught:
        _ = pl.Objective(given, scorer=ANSWER).rows
    assert what in str(caught.value)
    assert caught.value.fix


# The budget


def test_a_budget_may_be_a_mapping(result: Result) -> None:
    assert dict(result.facts.budget) == {"calls": 150}
    assert result.spent.used_calls <= 150


@pytest.mark.parametrize(
    ("budget", "what"),
    [
        ({"call": 10}, "unknown key 'call'; did you mean 'calls'?"),
        ({"calls": 10, "dollars": 2}, "unknown key 'dollars'"),
        ({"calls": 0}, "more than 0"),
        ({"usd": "two"}, "number"),
        (400, "expected keys with values, found the number 400"),
    ],
)
def test_a_wrong_budget_is_said_in_one_message(budget: Any, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        pl.optimize(SPACE, OBJECTIVE, budget=budget, track=False, workspace=tmp_path)
    assert what in str(caught.value)
    assert str(caught.value.where).startswith("budget")
    assert not (tmp_path / ".promptlathe").exists()


# Short

LONGEST = 260


def test_what_a_notebook_shows_by_itself_is_short(result: Result) -> None:
    lists = (result.standings, result.rows, result.found_effects, result.lineage)
    for one in (
        *(result, result.best, result.seed, result.frames, result.test, result.facts.rows),
        *(SPACE, OBJECTIVE, pl.Objective(FRAME, scorer=ANSWER)),
        *(item for found in lists for item in found),
        *(answer for row in result.rows for answer in row.answers.values()),
    ):
        assert len(repr(one)) <= LONGEST
        assert len(str(one)) <= LONGEST
        assert "\n" not in repr(one)
    assert len(repr(result)) <= 200
    assert result.verdict in repr(result)
    assert f"{result.test.best:.3f}" in repr(result)
    assert "'role': 3" in repr(SPACE)
    assert "12 rows" in repr(pl.Objective(FRAME, scorer=ANSWER))


def test_long_texts_are_not_in_what_is_shown(result: Result) -> None:
    long = "x" * 9_000
    row = result.rows[0]
    answers = {side: replace(one, output=long) for side, one in row.answers.items()}
    for one in (
        replace(row, fields={"text": long}, expected=long, example=long, answers=answers),
        replace(result.best, levels={"role": long}),
        replace(result, rows=(replace(row, expected=long),)),
        replace(result.standings[0].candidate, levels=(("role", long),)),
    ):
        assert len(repr(one)) <= 2 * LONGEST


# Frames


def test_every_list_of_records_is_a_data_frame(result: Result) -> None:
    frames = result.frames
    standings, rows = frames.standings, frames.rows
    assert list(standings["number"]) == [one.number for one in result.standings]
    levels = standings["levels.demos.count"]
    assert list(levels) == [dict(s.candidate.levels)["demos.count"] for s in result.standings]
    assert standings["pareto"].sum() == len(result.pareto)
    assert list(rows["best.value"]) == [one.answers["best"].value for one in result.rows]
    assert rows["best.value"].mean() == pytest.approx(result.test.best)
    assert set(rows["fields.text"]) <= {row["text"] for row in ROWS}
    assert len(frames.effects) == len(result.found_effects)
    assert frames.effects.equals(result.effects)
    assert len(frames.in_best) == len(result.found_in_best)
    assert len(frames.curve) == len(result.curve)


def test_frames_without_a_record_have_their_columns(result: Result) -> None:
    bare = replace(
        result,
        **dict.fromkeys(("standings", "rows", "found_effects", "found_in_best", "curve"), ()),
    ).frames
    assert bare.standings.empty
    assert "candidate" in bare.standings
    assert "change" in bare.rows
    assert "over" in bare.in_best
    assert "component" in bare.lineage
    assert "operator" in bare.operators
    assert "best" in bare.curve

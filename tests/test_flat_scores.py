"""A run in which everything scores the same explains itself with a sample answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import ROWS
from tests.scripted_jobs import LABEL

import promptlathe as pl
from promptlathe.job import Job, Result
from promptlathe.job.plan import make_plan
from promptlathe.models.settings import ModelSettings
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

SPLITS = {"train": 0.2, "select": 0.5, "test": 0.3}
ROLES = pl.Choice(["You sort letters.", "Sort this.", "Which team is it?"])
SPACE = pl.SearchSpace([{"system": "{{ role }}"}, {"user": "{{ text }}"}], {"role": ROLES})
Answer = Callable[[str], str]
"""From a row's text to what the model says."""


def result_of(workspace: Path, answer: Answer, scorer: Any, rows: Any = ROWS) -> Result:
    def reply(arrived: Arrived) -> Reply:
        return Reply(answer(str(arrived.body["messages"][-1]["content"])))

    with ScriptedServer(reply) as server:
        return pl.optimize(
            SPACE,
            pl.Objective(rows, scorer=scorer, splits=SPLITS),
            model={"name": "m", "base_url": server.base_url, "retries": 0},
            budget={"calls": 110},
            operators=(),
            track=False,
            workspace=workspace,
        )


def said(result: Result) -> str:
    (note,) = (note for note in result.notes if note.startswith("every one of the"))
    return note


def right(text: str) -> str:
    return f"Team: {LABEL[text]}."


def never(text: str) -> str:
    return "login" if LABEL[text] == "billing" else "billing"


LAST = {row["text"]: index for index, row in enumerate(ROWS)}
NUMBERS = [{"text": row["text"], "n": index} for index, row in enumerate(ROWS)]
CASES: dict[str, tuple[Answer, Any, Any, tuple[str, ...]]] = {
    "the label stands in the answer": (
        right,
        pl.exact_match("label"),
        ROWS,
        (
            "scored 0, the worst",
            "the answer is 'Team: ",
            "; right is '",
            "`exact_match: {target: label, parse: label}`",
            "exact_match('label', parse='label')",
        ),
    ),
    "the number stands in the answer": (
        lambda text: f"It is {LAST[text]} in all.",
        pl.exact_match("n"),
        NUMBERS,
        ("scored 0", "`exact_match: {target: n, parse: number}`"),
    ),
    "no label is named": (
        lambda text: "no idea",
        pl.exact_match("label"),
        ROWS,
        ("the answer is 'no idea'", "none of the labels: name them", "billing, delivery, login"),
    ),
    "labels, never the right one": (
        never,
        pl.exact_match("label", parse="label"),
        ROWS,
        ("scored 0", "whether 'label' is the field with the right answer"),
    ),
    "nothing can be read in some, and the others are wrong": (
        lambda text: "no idea" if LABEL[text] == "billing" else "billing",
        pl.exact_match("label", parse="label"),
        ROWS,
        ("the answer is 'billing'", "; right is '"),
    ),
    "everything is right": (
        lambda text: LABEL[text],
        pl.exact_match("label"),
        ROWS,
        ("scored 1, the best", "harder rows"),
    ),
    "a scorer that does not look": (
        right,
        lambda row, text: 0.5,
        ROWS,
        ("scored 0.5", "does not tell answers apart", "looks at the answer"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_scores_are_explained(case: str, tmp_path: Path) -> None:
    answer, scorer, rows, parts = CASES[case]
    note = said(result_of(tmp_path, answer, scorer, rows))
    for part in parts:
        assert part in note


def test_answers_of_which_some_are_right_need_no_explanation(tmp_path: Path) -> None:
    def some(text: str) -> str:
        return LABEL[text] if LAST[text] % 2 else "none"

    result = result_of(tmp_path, some, pl.exact_match("label"))
    assert 0 < result.test.seed < 1
    assert not any(note.startswith("every one") for note in result.notes)


# Before a run

DEMOS = pl.Demos(count=(0, 4), template="{{ text }}: {{ label }}")


def hints(space: pl.SearchSpace, scorer: Any, **changes: Any) -> list[str]:
    objective = pl.Objective(ROWS, scorer=scorer, splits=SPLITS)
    job = Job(space=space, objective=objective, model=ModelSettings(name="pocket"), **changes)
    return [note for note in make_plan(job).notes if note.startswith("whole answers")]


def test_whole_answers_that_are_compared_with_labels_are_told_before_the_run() -> None:
    (hint,) = hints(SPACE, pl.exact_match("label"))
    assert "'billing'" in hint
    assert "`exact_match: {target: label, parse: label}`" in hint


@pytest.mark.parametrize(
    ("space", "parse"),
    [
        (SPACE, "label"),
        (pl.SearchSpace("{{ r }}{{ text }}\nThe team only.", {"r": ROLES}), "text"),
        (pl.SearchSpace("{{ r }} Seulement le nom. {{ text }}", {"r": ROLES}), "text"),
        (pl.SearchSpace("{{ d }}{{ text }}", {"d": DEMOS}), "text"),
    ],
    ids=["parsed", "asked for", "asked for in French", "shown"],
)
def test_there_is_no_such_hint_where_the_label_is_read_or_asked_for(
    space: pl.SearchSpace, parse: Any
) -> None:
    assert hints(space, pl.exact_match("label", parse=parse)) == []

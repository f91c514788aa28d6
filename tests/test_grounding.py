"""Scorers of answers that rest on contexts, without a model."""

from pathlib import Path
from typing import Any

import pytest

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.records import Answer, Call, Candidate, Cell, Message, Passage, Prompt, Sent, Trace
from promptlathe.scoring import abstain, citations, grounded
from promptlathe.scoring.scorer import Scorer
from promptlathe.testing.contexts import ScriptedContext

CONTEXTS = [
    {
        "id": "care-2",
        "title": "Filter",
        "text": "Change the filter every two months, or 60 litres.",
    },
    {"id": "care-3", "text": "Le réservoir contient 1 200 ml d'eau. Videz-le chaque soir."},
    {"id": "care-4", "text": "Write to Aroma Service in Lyon."},
]
ROW = {"question": "How often?", "contexts": CONTEXTS, "cites": ["care-2"], "answer": "two months"}


async def score(scorer: Scorer, text: str, row: dict[str, Any] = ROW, *, shown: Any = ()) -> Any:
    """The outcome of an answer."""
    rows = [{**row, "n": n} for n in range(30)]
    objective = pl.Objective(
        rows, scorers=[scorer], splits={"train": 0.2, "select": 0.4, "test": 0.4}
    )
    call = Call("m", (Message("user", "?"),), shown=shown)
    trace = Trace(text, (Sent(call, Answer(text)),))
    cell = Cell(Candidate.single((), Prompt(())), objective.examples("select")[0])
    return await objective.score(cell, trace, ScriptedContext(lambda asked: ""))


@pytest.mark.parametrize(
    ("answer", "value", "why"),
    [
        ("Every two months [care-2].", 1.0, None),
        ("Every two months (care-2).", 1.0, None),
        ("Every two months.", 0.0, "does not cite care-2"),
        ("[care-2, care-3]", 2 / 3, "cites what does not say it: care-3"),
        ("[care-2][CARE-3] et [care-2]", 2 / 3, "cites what does not say it: care-3"),
        ("Yes [care-2] [care-9]", 2 / 3, "cites what was not shown: care-9"),
        ("In 2019 (see above) [sic, perhaps not]", 0.0, None),
    ],
)
async def test_citations(answer: str, value: float, why: str | None):
    outcome = await score(citations("cites"), answer)
    assert outcome.value == pytest.approx(value)
    if why is not None or value == 1.0:
        assert outcome.rationales.get("citations") == why


async def test_precision_and_recall():
    assert (await score(citations("cites", of="precision"), "[care-2] [care-3]")).value == 0.5
    assert (await score(citations("cites", of="recall"), "[care-2] [care-3]")).value == 1.0


async def test_numbers_are_those_of_the_prompt_that_was_shown():
    shown = (Passage("care-3", "…", mark="1"), Passage("care-2", "…", mark="2"))
    assert (await score(citations("cites"), "It is so [2].", shown=shown)).value == 1.0
    wrong = await score(citations("cites"), "It is so [1] [care-2].", shown=shown)
    assert wrong.value == 0.0


async def test_a_row_without_an_answer_needs_no_citation():
    row = {**ROW, "cites": []}
    assert (await score(citations("cites"), "Not found.", row)).value == 1.0
    assert (await score(citations("cites"), "Yes [care-2].", row)).value == 0.0


async def test_without_a_field_citations_must_exist():
    scorer = citations(abstain="not found")
    assert (await score(scorer, "[care-2] [care-9]")).value == 0.5
    assert (await score(scorer, "Nothing.")).value == 0.0
    assert (await score(scorer, "It was NOT FOUND.")).value == 1.0


@pytest.mark.parametrize(
    ("answer", "value", "why"),
    [
        ("Change the filter every two months.", 1.0, None),
        ("The filter is changed every two months [care-2].", 1.0, None),
        ("Le réservoir contient 1\u202f200 ml.", 1.0, None),
        ("The tank holds 1,200 ml.", 0.0, "stands in no context: tank, holds"),
        ("Change the filter every 70 litres.", 0.0, "stands in no context: 70"),
        ("Write to Brewster in Lyon.", 0.0, "stands in no context: Brewster"),
        ("Change the filter. It costs nineteen euros.", 0.5, "stands in no context: costs, "),
    ],
)
async def test_grounded(answer: str, value: float, why: str | None):
    outcome = await score(grounded(), answer)
    assert outcome.value == value
    said = outcome.rationales.get("grounded")
    assert said == why or (why is not None and said is not None and said.startswith(why))


async def test_grounded_in_what_was_shown_only():
    shown = (Passage("care-3", str(CONTEXTS[1]["text"]), mark="1"),)
    assert (await score(grounded(), "Change the filter.", shown=shown)).value == 0.0
    assert (await score(grounded(), "Videz le réservoir chaque soir.", shown=shown)).value == 1.0


async def test_words_of_the_question_may_be_repeated():
    row = {**ROW, "question": "How often is Brewster cleaned?"}
    answer = "Change the filter of Brewster every two months."
    assert (await score(grounded(), answer, row)).value == 0.0
    assert (await score(grounded(question="question"), answer, row)).value == 1.0


async def test_who_abstains_claims_nothing():
    scorer = grounded(abstain=["not found", "introuvable"])
    assert (await score(scorer, "Introuvable dans le manuel de Brewster.")).value == 1.0
    assert (await score(scorer, "")).unread


@pytest.mark.parametrize(("answer", "empty", "value"), [("a", 0, 1), ("a", 1, 0), ("No", 1, 0)])
async def test_abstain(answer: str, empty: int, value: float):
    row = {**ROW, "answer": "" if empty else "two months"}
    scorer = abstain(["not found"], target="answer")
    assert (await score(scorer, answer, row)).value == value
    assert (await score(scorer, "Sorry, not found.", row)).value == float(bool(empty))


async def test_without_contexts_there_is_no_score():
    row = {"question": "?", "cites": ["a"]}
    outcome = await score(citations("cites"), "[a]", row)
    assert outcome.failure is not None
    assert "the prompt showed no contexts" in outcome.failure.detail


@pytest.mark.parametrize(
    ("entry", "row", "said"),
    [
        ({"citations": "cite"}, {}, "did you mean 'cites'?"),
        ({"citations": "cites"}, {"cites": {"a": 1}}, "no list of ids"),
        ({"citations": {"target": "cites", "of": "f2"}}, {}, "of"),
        ({"citations": {"target": "cites", "contexts": "passages"}}, {}, "'passages'"),
        ({"citations": {"target": "cites", "abstain": [3]}}, {}, "expected phrases"),
        ({"grounded": "contexts"}, {"contexts": "one text"}, "is no list"),
        ({"grounded": {"question": "q"}}, {}, "no row has the field 'q'"),
        ({"abstain": {"phrases": ["not found"]}}, {}, "target"),
        ({"abstain": {"phrases": [], "target": "answer"}}, {}, "phrases"),
        ({"abstain": {"phrases": ["x"], "target": "answers"}}, {}, "did you mean 'answer'?"),
        ({"ground": "contexts"}, {}, "did you mean 'grounded'?"),
    ],
)
def test_mistakes_are_found_before_any_call(
    entry: Any, row: dict[str, Any], said: str, tmp_path: Path
):
    rows = [{**ROW, **row, "n": n} for n in range(30)]
    with pytest.raises(InputError) as error:
        pl.Objective(
            rows, scorers=[entry], splits={"train": 0.2, "select": 0.4, "test": 0.4}
        ).check()
    assert said in str(error.value)

"""The forms of a judge: rubric, levels, score and built-in texts, and what it sees of a row."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.outcomes import scored

from promptlathe.documents import Document
from promptlathe.errors import InputError
from promptlathe.records import Failure
from promptlathe.runtime.seam import CallFailed
from promptlathe.scoring import Objective, exact_match, judge
from promptlathe.scoring.judging import Judge
from promptlathe.scoring.judging.language import language_of
from promptlathe.scoring.judging.texts import BUILT_IN, LANGUAGES, load_text
from promptlathe.starter import starter
from promptlathe.testing.contexts import Asked, ScriptedContext

ROWS: list[dict[str, Any]] = [
    {
        "question": f"When does shop {i} open?",
        "passages": [{"id": "a", "text": f"Shop {i} opens at nine."}, "Closed on Sundays."],
        "answer": "At nine.",
    }
    for i in range(20)
]
FRENCH = [
    {**row, "question": f"À quelle heure ouvre la boutique {i} ?"} for i, row in enumerate(ROWS)
]
NEEDED = {"context": "passages", "reference": "answer"}


def needed(name: Any) -> dict[str, str]:
    needs = BUILT_IN[name].needs
    return {needs: NEEDED[needs]} if needs else {}


def asked(scorer: Any, answers: Any = "yes", rows: Any = ROWS, output: Any = "At ten.") -> Any:
    """(the outcome, what the judge was asked) for the first row."""
    goal = f"minimize {scorer.name}" if scorer.unwanted else None
    objective = Objective(rows, scorers=[scorer, exact_match("answer")], goal=goal)
    says = iter([answers] if isinstance(answers, str) else answers)
    ctx = ScriptedContext(lambda _: next(says))
    return scored(objective, objective.examples("select")[0], output, ctx), ctx.asked


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_built_in_judge_speaks_both_languages(name: Any, language: Any) -> None:
    text = load_text(name, Path()).texts[language]
    assert language_of([text.rubric, *text.levels.values()]) == language
    lowest, *_, highest = text.levels
    scorer = judge(builtin=name, language=language, **needed(name))
    for level, value in ((lowest, 0), (highest, 1)):
        outcome, [one] = asked(scorer, json.dumps({"rationale": "So.", "level": level}))
        assert outcome.scores[name] == value
        assert outcome.rationales[name] == "So."
        for part in (text.rubric.strip(), *text.levels, *text.levels.values(), "At ten."):
            assert part in one.prompt


def test_without_a_language_it_is_that_of_the_row() -> None:
    tone = judge(builtin="tone")
    assert "You judge an output" in asked(tone)[1][0].prompt
    outcome, [one] = asked(tone, '{"level": "en partie"}', FRENCH)
    assert "Vous évaluez une réponse" in one.prompt
    assert outcome.scores["tone"] == 0.5
    named = [{**row, "language": "fr-CA"} for row in ROWS]
    assert "Vous évaluez" in asked(tone, "oui", named)[1][0].prompt


def test_a_rubric_of_yours_is_framed_in_its_own_language() -> None:
    polite = judge("La réponse est polie et ne fait pas la leçon.", levels=("non", "oui"))
    outcome, [one] = asked(polite, '{"level": "oui"}')
    assert "Vous évaluez" in one.prompt
    assert outcome.scores["judge"] == 1


@pytest.mark.parametrize(
    ("said", "value"), [('{"level": "4"}', 4), ('{"level": 2}', 2), ("Good.\nScore: 5/5", 5)]
)
def test_a_score_is_worth_itself(said: str, value: int) -> None:
    scorer = judge("Clear", score=(1, 5), name="clear")
    assert asked(scorer, said)[0].scores["clear"] == value
    assert Objective(ROWS, scorer=scorer).bounds == (1, 5)
    assert asked(scorer, '{"level": "6"}')[0].value is None


def test_the_right_answer_is_shown_when_it_is_named() -> None:
    """Else a judge compares with it, whatever the rubric says."""
    _, [one] = asked(judge("Polite"))
    assert "At nine." not in one.prompt
    assert "Closed on Sundays." in one.prompt
    _, [one] = asked(judge("Polite", question="question"))
    assert "Closed on Sundays." not in one.prompt
    _, [one] = asked(judge(builtin="hallucination", reference="answer"))
    assert "# Reference answer\nAt nine." in one.prompt


def test_passages_stand_apart() -> None:
    _, [one] = asked(judge(builtin="groundedness", context="passages"), "fully")
    shop = one.prompt.partition('"When does shop ')[2][:2].strip()
    assert f"# Context\n[a] Shop {shop} opens at nine.\n[2] Closed on Sundays." in one.prompt
    assert '"passages"' not in one.prompt


SAMPLES = judge("Polite", levels=("no", "partly", "yes"), samples=3)


@pytest.mark.parametrize(
    ("said", "value", "told"),
    [
        (["yes", "yes"], 1, None),
        (["yes", "no", "Fine.\nyes"], 1, "the samples disagree (2 × yes, 1 × no)"),
        (["yes", "no", "partly"], 0.5, "no majority, the median (1 × yes, 1 × no, 1 × partly)"),
        (["Hm.", "no", "no"], 0, None),
        (["Hm.", "Well.", "no"], None, None),
    ],
)
def test_of_several_samples_the_majority_counts(said: Any, value: Any, told: Any) -> None:
    """Asked one by one: the last is spared when it can change nothing."""
    outcome, ask = asked(SAMPLES, said)
    assert outcome.scores.get("judge") == value
    assert outcome.rationales.get("judge") == told
    assert [one.request.repeat for one in ask] == list(range(len(said)))


def test_a_service_without_structured_answers_is_asked_for_text() -> None:
    """It refuses once."""

    def answer(one: Asked) -> Any:
        if dict(one.request.parameters):
            return CallFailed(Failure("bad_request", "'response_format' is not supported"))
        return "It is kind.\nyes"

    ctx = ScriptedContext(answer)
    objective = Objective(ROWS, scorer=judge("Polite"))
    for example in objective.examples("select")[:3]:
        outcome = scored(objective, example, "Hi", ctx)
        assert (outcome.value, outcome.rationales) == (1, {"judge": "It is kind."})
    assert len(ctx.asked) == 4


def test_a_text_in_the_workspace_goes_before_the_one_that_ships(tmp_path: Path) -> None:
    own = tmp_path / "objectives/judges/tone.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(
        "en:\n  rubric: Is it as a pirate says it?\n  levels: {nay: '', aye: all of it}\n"
    )
    file = tmp_path / "objectives/ship/objective.yaml"
    file.parent.mkdir()
    (file.parent / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    file.write_text("dataset: rows.jsonl\nscorers:\n  - judge: {builtin: tone}\n")
    objective = Objective.load(file)
    before, example = objective.scoring, objective.examples("select")[0]
    ctx = ScriptedContext(lambda _: "aye")
    assert scored(objective, example, "Ahoy", ctx).value == 1
    assert "Is it as a pirate says it?" in ctx.asked[0].prompt
    own.write_text(own.read_text().replace("pirate", "sailor"))
    assert Objective.load(file).scoring != before
    own.write_text("en: {rubric: Is it?, levels: {nay: ''}}\n")
    with pytest.raises(InputError, match=r"tone\.yaml"):
        Objective.load(file).check()
    own.write_text("fr: {rubric: 'Voir {{ texte }}', levels: {non: '', oui: ''}}\n")
    with pytest.raises(InputError, match="is not filled in"):
        Objective.load(file).check()


WRONG = [
    ("{builtin: groundednes, context: passages}", "groundedness"),
    ("{builtin: tone, levels: [a, b]}", "levels of its own"),
    ("{builtin: tone, score: [1, 5]}", "levels of its own"),
    ("{builtin: tone, rubric: Polite}", "not both"),
    ("{name: x}", "needs a rubric"),
    ("{builtin: groundedness}", "add  context: FIELD"),
    ("{builtin: hallucination}", "add  reference: FIELD"),
    ("{rubric: P, levels: [no, yes], score: [1, 5]}", "not both"),
    ("{rubric: P, score: [5, 1]}", "no range of scores"),
    ("{rubric: P, score: [0, 1000]}", "no range of scores"),
    ("{rubric: P, score: 5}", "a list"),
    ("{rubric: P, score: [1.5, 5]}", "whole number"),
    ("{rubric: P, samples: 2}", "odd number, 3"),
    ("{rubric: P, samples: 0}", "at least 1"),
    ("{rubric: P, samples: many}", "whole number"),
    ("{rubric: P, language: de}", "'en' or 'fr'"),
    ("{rubric: P, levels: [yes, Yes]}", "two levels are the same"),
    ("{rubric: P, contxt: passages}", "did you mean 'context'"),
    ("{rubric: P, context: passage}", "did you mean 'passages'"),
    ("{rubric: P, context: number}", "a context is a list of passages, or a text"),
    ("{rubric: P, reference: nothing}", "no row has the field 'nothing'"),
    ("{rubric: P, question: [question, nothing]}", "no row has the field 'nothing'"),
    ("{rubric: P, question: 3}", "expected a list"),
    ("{rubric: ''}", "must not be empty|at least 1"),
    ("harmful", "needs|"),
]


@pytest.mark.parametrize(("entry", "said"), WRONG)
def test_what_is_wrong_is_said_in_one_message(entry: str, said: str, tmp_path: Path) -> None:
    rows = [{**row, "number": i} for i, row in enumerate(ROWS)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    file = tmp_path / "objective.yaml"
    file.write_text(f"dataset: rows.jsonl\nscorers:\n  - judge: {entry}\n")
    if entry == "harmful":  # a rubric of one word: its name is no built-in text
        assert Objective.load(file).scorers == (judge("harmful"),)
        return
    with pytest.raises(InputError, match=said) as caught:
        Objective.load(file).check()
    assert str(tmp_path) in str(caught.value.where)
    assert "nothing (null)" not in str(caught.value)


@pytest.mark.parametrize("goal", ["", "goal: maximize harmful", "goal: maximize judge + harmful"])
def test_nobody_maximizes_harm(goal: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    file = tmp_path / "objective.yaml"
    entries = "  - judge: {builtin: harmful}\n  - judge: Polite\n"
    file.write_text(f"dataset: rows.jsonl\nscorers:\n{entries}{goal}\n")
    with pytest.raises(InputError, match="a high score of the judge harmful is bad"):
        Objective.load(file)
    file.write_text(f"dataset: rows.jsonl\nscorers:\n{entries}goal: maximize judge - harmful\n")
    assert Objective.load(file).bounds == (-1, 1)


@pytest.mark.parametrize("entry", [{"judge": {"builtin": "tone"}}, {"judge": "Polite"}])
def test_each_entry_is_as_short_as_it_was(entry: Any) -> None:
    objective = Objective.from_document(Document({"dataset": ROWS, "scorers": [entry]}))
    assert objective.to_dict()["scorers"] == [entry]


def keys_of(page: str, first: str) -> set[str]:
    """The names in the first column of the table whose head begins so."""
    text = (Path(__file__).parent.parent / page).read_text("utf-8")
    rows = text.partition(f"\n| {first} |")[2].partition("\n\n")[0].splitlines()[2:]
    return {row.split("`")[1] for row in rows}


def test_the_guide_names_each_key_and_each_text() -> None:
    assert keys_of("docs/guide/judges.md", "key") == set(Judge.model_fields)
    assert keys_of("docs/guide/judges.md", "built-in") == set(BUILT_IN)
    files = (starter() / "objectives/judges").glob("*.yaml")
    assert {path.stem for path in files} == set(BUILT_IN)

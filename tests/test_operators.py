"""Operators one by one: what they are told, what they ask for, and what the guards refuse."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlathe.errors import InputError
from promptlathe.records import (
    Answer,
    Call,
    Candidate,
    Cell,
    Example,
    Failure,
    Message,
    Outcome,
    Prompt,
    Sent,
    Trace,
)
from promptlathe.scoring.contract import Contract
from promptlathe.search.operators.bandit import choose
from promptlathe.search.operators.guards import Leaks, language_of, objection, unwrapped
from promptlathe.search.operators.lineage import LevelLineage, LevelOrigin, ancestry, descendants
from promptlathe.search.operators.operator_context import Case, OperatorContext
from promptlathe.search.operators.portfolio import (
    BUILT_IN,
    NAMES,
    load_portfolio,
    read_texts,
)
from promptlathe.search.operators.reflection import ReflectionExamples
from promptlathe.search.operators.rewrite_budget import RewriteBudget
from promptlathe.starter import starter

REQUESTS = load_portfolio(NAMES, Path("nowhere"), starter()).requests
CANDIDATE = Candidate.single((), Prompt(()))


def case(text: str, label: str, read: str | None, answer: str = "") -> Case:
    example = Example(text, {"text": text, "label": label}, "train")
    value = float(read == label)
    trace = Trace(answer or str(read))
    cell = Cell(CANDIDATE, example)
    return Case(example, Outcome(cell, trace, {}, value, parsed=read, unread=read is None))


CASES = (
    case("My card was charged twice", "billing", "delivery"),
    case("Charge me once", "billing", "delivery"),
    case("The box is broken", "delivery", "delivery"),
    case("Where is my parcel", "delivery", None, "Dear customer, we shall see."),
    case("I want my money", "billing", "billing"),
)
MORE = (Example("more", {"text": "Which parcel service?", "label": "delivery"}, "train"),)


def brief(cases: Sequence[Case] = CASES, **changes: object) -> OperatorContext:
    made = {
        "subject": CANDIDATE.id,
        "component": "instruction",
        "level": "draft",
        "text": "Read the {{ text }} and say which team it is for, please, in a few words.",
        "known": ("Read it.",),
        "prompt": "[system]\n[[instruction]]\n\n[user]\n{{ text }}",
        "beside": (),
        "target": "label",
        "answers": ("billing", "delivery"),
        "cases": tuple(cases),
        "more": MORE,
        "others": (),
        "rivals": (),
        "reading": "The output must settle on exactly one of the right answers.",
        "literal": True,
        "contracts": ("Answer with the label only, nothing else.",),
        "protect": (),
        "longest": 50,
        "language": None,
        "prompts": REQUESTS,
        "rng": np.random.default_rng(0),
    }
    return OperatorContext(**{**made, **changes})  # type: ignore[arg-type]


def asked(name: str, told: OperatorContext) -> str:
    made = BUILT_IN[name](told)
    assert isinstance(made, str)
    assert "<new>" in made
    assert "{{ component }}" not in made
    return made


def test_rewrite_shows_each_kind_of_mistake_and_other_rows() -> None:
    text = asked("rewrite", brief())
    wrong, _, others = text.partition("# Other rows")
    assert wrong.count("<row>") == 3
    assert 'it was read as "delivery"' in wrong
    assert "the output could not be read" in wrong
    assert "Which parcel service?" in others
    assert "[[instruction]]" in text
    assert "{{ text }} and say" in text


def test_of_scores_between_the_worst_and_the_best_the_lowest_are_shown() -> None:
    """Each is a kind of mistake of its own; a judge's probabilities hardly ever reach the best."""
    values = [i / 40 for i in range(40)]
    scored = [
        replace(one, outcome=replace(one.outcome, value=value))
        for value, one in zip(values, (case(f"row {i}", "-", "x") for i in range(40)), strict=True)
    ]
    shown = brief(answers=(), target=None).sampled(scored[::-1])
    assert sorted(one.outcome.value or 0.0 for one in shown) == values[:24]


def test_a_field_that_only_the_rewritten_text_shows_is_shown_of_rows() -> None:
    text = asked("rewrite", brief(prompt="[user]\n[[instruction]]"))
    assert "text: My card was charged twice" in text


def test_rules_shows_the_confusion_table() -> None:
    assert "- billing, taken for delivery: 2 rows" in asked("rules", brief())
    assert BUILT_IN["rules"](brief(answers=())) is None


def test_format_asks_when_outputs_cannot_be_read() -> None:
    text = asked("format", brief())
    assert "Dear customer" in text
    assert "exactly one of the right answers" in text
    readable = [one for one in CASES if not one.outcome.unread]
    assert BUILT_IN["format"](brief(readable)) is None
    alien = case("Who pays?", "billing", "The billing team")
    assert BUILT_IN["format"](brief([*readable, alien])) is not None
    assert BUILT_IN["format"](brief([*readable, alien], literal=False)) is None


def test_contrast_shows_what_a_rival_gets_right() -> None:
    rival = ("other", "Bill means billing.", (case("Charge me once", "billing", "billing"),))
    text = asked("contrast", brief(rivals=(rival,)))
    assert "Bill means billing." in text
    assert "Charge me once" in text
    assert "charged twice" not in text
    assert BUILT_IN["contrast"](brief()) is None


def test_merge_takes_the_best_text_of_other_ancestry() -> None:
    assert "Another text" in asked("merge", brief(others=(("b", "Another text"), ("c", "No"))))
    assert BUILT_IN["merge"](brief()) is None


def test_wording_needs_no_rows() -> None:
    told = brief(cases=(), language="en", protect=("a few words",))
    assert "French" in asked("translate", told)
    assert "English" in asked("translate", brief(language="fr"))
    assert BUILT_IN["shorten"](brief(text="Be brief.")) is None
    for name in ("paraphrase", "shorten"):
        text = asked(name, told)
        assert 'word for word: "a few words"' in text
        assert "Keep every placeholder: {{ text }}" in text


def test_nothing_is_asked_about_a_prompt_without_mistakes() -> None:
    right = [one for one in CASES if one.right]
    for name in ("rewrite", "rules", "format", "contrast"):
        assert BUILT_IN[name](brief(right)) is None


def judged(row: str, value: float, best: float | None, **more: Any) -> Case:
    example = Example(row, {"text": row, "label": "x"}, "train")
    return Case(example, Outcome(Cell(CANDIDATE, example), Trace("out"), {}, value, **more), best)


def test_a_row_is_right_at_the_best_that_there_is() -> None:
    """Whatever that is: under `minimize` it is 0, or below."""
    assert judged("a", 0.0, 0.0).right
    assert not judged("a", -1.0, 0.0).right
    assert judged("a", 0.1 + 0.2, 0.3).right
    assert not judged("a", 1.0, 10.0).right
    assert judged("a", 1.0, 10.0).problem == "scored 1, the best is 10"
    assert judged("a", 10.0, 10.0).problem == ""
    assert not judged("a", 0.0, None).right


def test_perfect_rows_are_never_shown_as_mistakes() -> None:
    cases = [judged("Send no parcel", 0.0, 0.0), judged("Where is it", -1.0, 0.0)]
    wrong, _, others = asked("rewrite", brief(cases)).partition("# Other rows")
    assert "Where is it" in wrong
    assert "Send no parcel" not in wrong
    assert "Send no parcel" in others
    assert BUILT_IN["rewrite"](brief(cases[:1])) is None


def test_a_row_that_failed_by_the_prompt_is_a_mistake_with_its_reason() -> None:
    failure = Failure("context_length", "9,000 of 8,192 tokens")
    one = judged("So long", 0.0, 0.0, failure=failure)
    assert not one.right
    text = asked("rewrite", brief([one]))
    assert "there is no output: the prompt was too long for the model (9,000 of 8,192" in text
    assert "Answered:" not in text
    assert BUILT_IN["format"](brief([one])) is None


def test_what_a_judge_said_is_told() -> None:
    one = judged("Hey", 0.5, 1.0, rationales={"tone": "It is rude."})
    assert "Why, says tone: It is rude." in asked("rewrite", brief([one]))


def values_read(values: Sequence[float], bounds: tuple[float, float] | None) -> list[bool]:
    book = ReflectionExamples(ROWS, None, 0, allowance=None, seed=0, bounds=bounds)
    for cell, value in zip(book.unread(CANDIDATE), values, strict=False):
        book.take(Outcome(cell, Trace("a"), {}, value))
    return [case.right for case in book.cases(CANDIDATE)]


def test_where_the_best_is_not_known_the_best_seen_is_right() -> None:
    assert values_read([0.0, 3.0, 7.0, 7.0], None) == [False, False, True, True]
    assert values_read([0.0, 0.0], None) == [False, False]
    assert values_read([0.0, -1.0], (-1, 0)) == [True, False]
    assert values_read([0.0, 3.0, 7.0], (0, 10)) == [False, False, False]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Name the team for {{ text }}.", None),
        ("", "empty"),
        ("Name the team.", "placeholders changed"),
        ("Name the {{ team }} for {{ text }}.", "placeholders changed"),
        ("Name {% if %} {{ text }}.", "template code"),
        ("word " * 60 + "{{ text }}", "too long"),
        ("x" * 100_000 + "{{ text }}", "too long"),
        ("READ the   {{ text }} and say.", "known already"),
        ("If they write 'my card was charged twice today', see {{ text }}.", "copies a row"),
    ],
)
def test_guards(text: str, why: str | None) -> None:
    rows = Leaks([Example("1", {"text": "My card was charged  twice today"}, "test")])
    known = ("Read the {{ text }} and say.",)
    assert objection(text, brief(), known, rows) == why


def test_guards_keep_phrases_and_the_language() -> None:
    told = brief(text="Say it.", protect=("exactly one",), language="en")
    none = Leaks([])
    assert objection("Say one.", told, (), none) == "protected phrase lost"
    assert objection("Say exactly one.", told, (), none) is None
    french = "Lis le message du client et indique exactly one équipe qui doit le traiter."
    assert objection(french, told, (), none) == "language changed"
    assert objection(french, told, (), none, translated=True) is None


def test_right_answers_are_no_leak() -> None:
    label = "balance_not_updated_after_bank_transfer"
    rows = [Example(str(i), {"text": f"row {i}", "label": label}, "test") for i in range(2)]
    assert Leaks(rows).in_text(f"- {label}: money")
    assert not Leaks(rows, [label]).in_text(f"- {label}: money")


def test_language_is_told_from_sentences_only() -> None:
    prose = "Read the support ticket and decide which of the teams should handle it."
    assert language_of(prose) == "en"
    assert (
        language_of("Lis le message et dis quelle équipe doit le traiter, sans rien d'autre.")
        == "fr"
    )
    assert (
        language_of("- billing: invoices\n- delivery: parcels, boxes and all that is sent") is None
    )
    assert language_of(f"{prose}\n- livraison: commandes et colis qui ne sont pas arrivés") == "en"


@pytest.mark.parametrize(
    "answer",
    [
        "Name the team.",
        "Here is the improved prompt:\n\nName the team.",
        "Sure! Here's the new text.\n\n```text\nName the team.\n```",
        '"Name the team."',
        "Here is the revised instruction for you:\nName the team.",
    ],
)
def test_wrapping_is_taken_off(answer: str) -> None:
    assert unwrapped(answer) == "Name the team."


@given(st.text(max_size=200))
def test_unwrapping_leaves_a_part_of_the_text(text: str) -> None:
    assert unwrapped(text) in text


def test_answers_are_read_between_the_tags() -> None:
    assert read_texts("Well:\n<new>\nA\n</new> or <NEW>B</NEW>") == ["A", "B"]
    assert read_texts("A better text") == []


def test_the_bandit_prefers_gain_per_token_and_tries_all() -> None:
    rng = np.random.default_rng(0)
    chosen = [
        choose(
            {"good": 10.0, "dear": 10.0, "poor": 0.0}, {"good": 4e3, "dear": 4e4, "poor": 4e3}, rng
        )
        for _ in range(500)
    ]
    counts = {name: chosen.count(name) for name in ("good", "dear", "poor")}
    assert counts["good"] > 350
    assert counts["poor"] > 5
    fresh = {choose({"a": 0.0, "b": 0.0}, {"a": 0.0, "b": 0.0}, rng) for _ in range(50)}
    assert fresh == {"a", "b"}


def origin(level: str, *parents: str) -> LevelOrigin:
    return LevelOrigin("c", level, "rewrite", parents, (), "", "", 0, 0, 0)


def test_ancestry_and_descent() -> None:
    origins = [origin("a", "draft"), origin("b", "a"), origin("m", "x", "b"), origin("z", "draft")]
    assert descendants(origins[0], origins) == {("c", "a"), ("c", "b"), ("c", "m")}
    lineage = [LevelLineage(one, 0, False, None, None, None, None, None) for one in origins]
    assert ancestry(lineage[1], lineage) == "b ← a ← draft"


def test_a_function_of_one_s_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def louder(brief):\n    return [brief.text.upper()]\n"
        "def broken(brief):\n    return 1 / 0\n"
        "def wrong(brief):\n    return 7\n"
    )
    names = ["rules", "mine.py:louder", "mine.py:broken", "mine.py:wrong"]
    made = load_portfolio(names, tmp_path, starter())
    assert list(made.operators) == ["rules", "louder", "broken", "wrong"]
    assert made.operators["louder"](brief(text="loud")) == ["LOUD"]
    with pytest.raises(InputError, match="ZeroDivisionError"):
        made.operators["broken"](brief())
    with pytest.raises(InputError, match="the operator returned"):
        made.operators["wrong"](brief())


def test_a_request_in_the_workspace_goes_first(tmp_path: Path) -> None:
    folder = tmp_path / "search_spaces" / "operators"
    folder.mkdir(parents=True)
    (folder / "rewrite.md").write_text("Mend {{ component }}. <new>", encoding="utf-8")
    made = load_portfolio(["rewrite"], tmp_path, starter())
    assert brief(prompts=made.requests).ask("rewrite") == "Mend instruction. <new>"


def test_an_unknown_operator_is_named() -> None:
    with pytest.raises(InputError, match="did you mean 'rewrite'"):
        load_portfolio(["rewrit"], Path(), starter())


@pytest.mark.parametrize(
    ("parse", "sentence"),
    [
        ("label", "Answer with the label only, nothing else."),
        ("number", "Write the final number alone on the last line, in digits."),
        ("json", "Answer with one JSON object and nothing else."),
    ],
)
def test_contracts_fit_the_parse_step(parse: str, sentence: str) -> None:
    contract = Contract((parse,))  # type: ignore[arg-type]
    assert contract.sentences(["a", "b"])[0] == sentence
    assert contract.reading


ROWS = [Example(f"r{i}", {"text": f"t{i}", "label": "ab"[i % 2]}, "train") for i in range(60)]


def read(book: ReflectionExamples, prompt: Candidate, *, wrong: int) -> list[str]:
    """All rows that it wants; the first ones are wrong."""
    ids: list[str] = []
    while not book.is_read(prompt):
        for cell in book.unread(prompt):
            ids.append(cell.example.id)
            book.take(Outcome(cell, Trace("a"), {}, float(len(ids) > wrong)))
    return ids


def prompts(count: int) -> list[Candidate]:
    return [Candidate.single((("n", i),), Prompt((Message("user", f"{i}"),))) for i in range(count)]


def test_a_prompt_is_read_on_rows_that_are_half_new() -> None:
    book = ReflectionExamples(ROWS, "label", 2, allowance=None, seed=0)
    first, second, third = (read(book, one, wrong=9) for one in prompts(3))
    assert len(first) == len(second) == len(set(first)) == 24
    assert len(set(first) & set(second)) == len(set(second) & set(third)) == 12
    assert not set(first) & set(third)


def test_a_prompt_with_few_mistakes_is_read_on() -> None:
    book = ReflectionExamples(ROWS, "label", 2, allowance=None, seed=0)
    one, other = prompts(2)
    assert len(read(book, one, wrong=3)) == len(set(read(book, other, wrong=0))) == 60
    assert len(book.cases(one)) == 60
    tight = ReflectionExamples(ROWS, "label", 2, allowance=120, seed=0)
    assert len(read(tight, one, wrong=0)) == 30


def test_without_rows_there_is_nothing_to_read() -> None:
    book = ReflectionExamples([], None, 0, allowance=None, seed=0)
    assert book.is_read(CANDIDATE)
    assert not book.missing(CANDIDATE)


def told(tokens: int, cost: float) -> Outcome:
    made = case("row", "billing", "billing").outcome
    sent = Sent(Call("m", ()), Answer("billing", tokens, 0), cost)
    return replace(made, trace=Trace("billing", (sent,)))


def test_the_budget_holds_a_share_of_each_limit() -> None:
    share = RewriteBudget({"calls": 1000, "tokens": 100_000}, 0.2)
    assert share.allowance == 200
    assert share.affords(40, over=False)
    assert not share.affords(41, over=False)
    assert share.affords(200, over=True)
    for _ in range(600):
        share.tell(told(50, 0.0), own=False)
    assert share.affords(200, over=False)
    share.tell(told(20_001, 0.0), own=True)
    assert not share.affords(1, over=True)


def test_a_dear_rewriter_is_bound_by_its_price() -> None:
    share = RewriteBudget({"usd": 1.0}, 0.2)
    assert share.allowance is None
    share.tell(told(100, 0.06), own=True)
    assert not share.affords(1, over=False)
    assert share.affords(1, over=True)
    for _ in range(12):
        share.tell(told(100, 0.05), own=False)
    assert share.affords(1, over=False)


def test_without_a_limit_the_share_is_of_what_was_used() -> None:
    share = RewriteBudget({}, 0.1)
    assert share.affords(60, over=False)
    assert not share.affords(61, over=True)
    for _ in range(100):
        share.tell(told(1, 0.0), own=False)
    assert share.affords(70, over=False)


def test_a_cell_of_several_calls_takes_as_many_of_the_share() -> None:
    """Of a chain, or with a judge."""
    made = told(10, 0.0)
    chain = replace(made, trace=replace(made.trace, calls=made.trace.calls * 5))
    share = RewriteBudget({"calls": 1000}, 0.2)
    for _ in range(8):
        share.spend()
        share.tell(chain, own=True)
    assert share.used == 40
    assert share.affords(10, over=False)
    assert not share.affords(11, over=False)
    share.spend()
    assert not share.affords(10, over=False)
    share.put_back()
    assert share.affords(10, over=False)


def test_levels_wait_until_those_before_are_tried() -> None:
    share = RewriteBudget({"calls": 1000}, 0.2)
    for i in range(6):
        assert share.has_room(0)
        share.open("c", f"new-{i}")
    assert not share.has_room(0)
    for _ in range(8):
        share.tell(told(1, 0.0), own=False)
        share.tried([("c", "new-0")], 100)
    assert share.has_room(0)
    assert not share.has_room(1)
    share.open("c", "new-6")
    for i in range(1, 7):
        for _ in range(8):
            share.tried([("c", f"new-{i}")], 100)
    assert not share.has_room(0)  # none waits, but trials have a share of the calls too
    for _ in range(24):
        share.tell(told(1, 0.0), own=False)
    assert share.has_room(0)
    assert share.trial_tokens == 800

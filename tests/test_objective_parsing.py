"""The parse step: what is read in an answer, and what cannot be read."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlathe.errors import InputError
from promptlathe.records import Answer
from promptlathe.scoring import exact_match
from promptlathe.scoring.answers import state
from promptlathe.scoring.parsing import parser
from promptlathe.scoring.reading.labels import LabelReader, alike
from promptlathe.scoring.reading.numbers import read_number
from promptlathe.scoring.reading.numerals import exact_number


def read(parse: Any, answer: str, labels: list[str] | None = None) -> Any:
    return parser(exact_match("x", parse=parse).parse, lambda: labels or [])(answer)


TEAMS = ["card_arrival", "card_lost", "Délai de paiement", "spam", "not spam", "A", "B", "(C)"]


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("card_arrival", "card_arrival"),
        ("  Card Arrival.\n", "card_arrival"),
        ("**CARD-ARRIVAL**", "card_arrival"),
        ("«delai_de_paiement»", "Délai de paiement"),
        ('{"label": "card lost"}', "card_lost"),
        ("I would say: card lost, because the card is lost.", "card_lost"),
        ("card_lost or card_arrival", None),
        ("card_lost, card lost", "card_lost"),
        ("This is not spam", "not spam"),
        ("This is spam", "spam"),
        ("antispam", None),
        ("A", "A"),
        ("a)", "A"),
        ("The option is B: it has a number.", "B"),
        ("it is a hard one", None),
        ("(c)", "(C)"),
        ("C", "(C)"),
        ("the answer is (C).", "(C)"),
        ("", None),
        ("billing", None),
    ],
)
def test_labels(answer: str, label: str | None):
    assert LabelReader(TEAMS)(answer) == label


def test_labels_that_differ_in_signs_only_are_kept_apart():
    reader = LabelReader(["C", "C++", "C#"])
    assert [reader(answer) for answer in ("c", "C++", "c#", "c!")] == ["C", "C++", "C#", "C"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_every_label_is_read_as_itself(labels: list[str]):
    reader = LabelReader(labels)
    assert all(reader(label) is not None or not label.strip() for label in labels)


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("18", 18),
        ("The answer is 18.", 18),
        ("It costs $1,200.50 in all", 1200.5),
        ("1.234,56 €", 1234.56),
        ("soit 1 234,5 euros", 1234.5),
        ("1\u202f234\u00a0567", 1234567),
        ("1,234", 1234),
        ("1.234", 1.234),
        ("3,14", 3.14),
        ("0,125", 0.125),
        ("12,345,678", 12345678),
        ("1.234.567", 1234567),
        ("1'234", 1234),
        ("about 12 %", 12),
        ("-5", -5),
        ("−5 °C", -5),
        ("-$5", -5),
        ("$-5", -5),
        ("from 10-12", None),
        ("2 - 3", None),
        ("x2 and H2O", None),
        ("6.02e23", 6.02e23),
        ("1e999", None),
        (".5", 0.5),
        ("in 2023 100 people", 100),
        (r"\boxed{1{,}234}", 1234),
        ("#### 72", 72),
        ("on 12.05.2024", None),
        ("first 3, then 4", 4),
        ("none", None),
    ],
)
def test_numbers(answer: str, number: float | None):
    assert read_number(answer) == number
    assert read("number", answer) == number


@settings(deadline=None, max_examples=60)
@given(st.integers(-(10**12), 10**12))
def test_numbers_with_separators_are_read_back(number: int):
    assert read_number(f"so {number:,}.") == number
    assert read_number(f"donc {number:,}".replace(",", "\u202f")) == number


def test_a_text_that_is_a_number_is_nothing_more():
    assert exact_number(" $1,200 ") == 1200
    assert exact_number("1 234,50 €") == Decimal("1234.50")
    assert exact_number("-12345678901234567890.1") == Decimal("-12345678901234567890.1")
    for text in ("5 apples", "room 5", "1, 2", "5 %", "007", "12.05.2024", ""):
        assert exact_number(text) is None


@pytest.mark.parametrize(
    ("field", "answer", "value"),
    [
        ("label", '{"label": "a"}', "a"),
        ("label", 'Sure!\n```json\n{"label": "a"}\n```\nBye {x}', "a"),
        ("label", '{"label": "draft"} … finally {"label": "b", "why": "{}"}', "b"),
        ("label", '{"label": "a"} and {"other": 1}', "a"),
        ("a.b.0", '{"a": {"b": [7]}}', 7),
        ("ok", '{"ok": true}', "true"),
        ("tags", '{"tags": ["x", "é"]}', '["x", "é"]'),
        ("inner", '{"inner": {"x": 1}}', {"x": 1}),
        ("label", '{"label": null}', None),
        ("label", '{"label": ""}', None),
        ("label", '{"label": "a"', "a"),
        ("label", '{"label": "a", "why": "b', "a"),
        ("why", '{"label": "a", "why": "b', None),
        ("n", '{"label": "a", "n": 12', None),
        ("label", '{"label": "a", "inner": {"label": "b"},}', "a"),
        ("n", '{"n": 1e999}', "1e999"),
        ("n", '{"n": NaN}', None),
        ("label", "{" * 3000, None),
        ("label", '{"a":' * 3000, None),
        ("label", "label: a", None),
    ],
)
def test_json_fields(field: str, answer: str, value: Any):
    assert read({"json": field}, answer) == value


def test_the_whole_json_object():
    assert read("json", 'so {"a": 1} {"b": {"c": 2}} end') == {"b": {"c": 2}}
    assert read({"json": None}, '{"a": 1}') == {"a": 1}
    assert read("json", "[1]") is None


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("<answer>a</answer>", "a"),
        ("<answer>a</answer> no: <Answer>\n b \n</ANSWER>", "b"),
        ("write <answer> first: <answer>c</answer>", "c"),
        ('<answer kind="x">d</answer>', "d"),
        ("<answers>e</answers>", None),
        ("<answer></answer>", None),
        ("<answer>cut", None),
        ("İ<answer>f</answer>", "f"),
    ],
)
def test_tags(answer: str, value: str | None):
    assert read({"tag": "answer"}, answer) == value


def test_regular_expressions():
    assert read({"regex": r"Answer: (\w+)"}, "Answer: a\nAnswer: b") == "b"
    assert read({"regex": r"\d+"}, "1 then 22") == "22"
    assert read({"regex": r"(x)?y"}, "y") is None
    assert read({"regex": r"z"}, "y") is None


UNITS = (
    *(
        "[",
        '{"a":',
        "{",
        '{"',
        "{'a': '",
        '{"a": 1, ',
        '{"a": [}',
        "{/*",
        "<a ",
        "<think>",
        "</think>",
    ),
    *("\\boxed{", "answer: positive or negative ", "the answer is ", "not positive, ", "####\n"),
    *("\n", "* ", "1 ", "1 to ", "9", "½", "正面", "(1) ", "a:b\n", "so ", "label:", "-", "**a"),
)


@pytest.mark.parametrize("parse", ["label", "number", "json", {"tag": "a"}, "text"])
@pytest.mark.parametrize("unit", UNITS)
def test_no_text_is_too_much(unit: str, parse: Any):
    """The time to read a text grows with its length, not with its square."""
    read(parse, unit * (30_000 // len(unit)), ["positive", "negative", "正面", "1"])


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 200_000, '{"a": ' + "7" * 6_000 + "}"])
def test_what_json_cannot_hold_is_no_object(text: str):
    found = read("json", text)
    assert found is None or found == {"a": "7" * 6_000}
    assert read("number", "7" * 6_000) is None


def test_an_object_that_cannot_be_read_hides_what_stands_in_it():
    deep = '{"a":' * 150 + '{"b": 1}' + "}" * 150
    assert read("json", deep) is None
    assert read("json", '{"a": {"b": 1}, "c": "cut') == {"a": {"b": 1}}
    assert read("json", '{"a": [{"b": 1}, {"c": "cut') is None
    assert read("json", r'{"a": "\ud83d"}') == {"a": "\ufffd"}


def test_text():
    assert read("text", " a b\n") == "a b"
    assert read("text", " \n") is None


def test_a_tag_that_is_asked_for_is_no_reasoning():
    assert read({"tag": "reasoning"}, "<reasoning>because</reasoning> yes") == "because"
    assert read("text", "<reasoning>because</reasoning> yes") == "yes"


@pytest.mark.parametrize(
    ("answer", "parsed", "expected"),
    [
        (Answer("yes"), "yes", "answered"),
        (Answer("yes, because", finish_reason="length"), "yes", "answered"),
        (Answer("It is", finish_reason="length"), None, "cut off"),
        (Answer("", finish_reason="length"), None, "cut off"),
        (Answer("<think>so it is yes"), None, "cut off"),
        (Answer("<THINKING>\nDonc oui", finish_reason="stop"), None, "cut off"),
        (Answer("", finish_reason="content_filter"), None, "refused"),
        (Answer("I cannot say yes to this", finish_reason="refusal"), "yes", "refused"),
        (Answer("I'm sorry, but I can’t assist with that."), None, "refused"),
        (Answer("I cannot help with this request."), None, "refused"),
        (Answer("Je suis désolé, mais je ne peux pas vous aider."), None, "refused"),
        (Answer("Je ne peux pas répondre à cette demande."), None, "refused"),
        (Answer("I can't help you with that, but yes"), "yes", "answered"),
        (Answer("I cannot tell which label fits."), None, "unread"),
        (Answer("Je ne peux pas déterminer l'étiquette."), None, "unread"),
        (Answer("Sorry, it is ambiguous."), None, "unread"),
        (Answer(" \n"), None, "empty"),
        (Answer("\u200b"), None, "empty"),
        (Answer("<think>hm</think>\n"), None, "empty"),
        (Answer("maybe"), None, "unread"),
    ],
)
def test_the_state_of_an_answer(answer: Answer, parsed: Any, expected: str):
    assert state(answer, parsed) == expected


@pytest.mark.parametrize(
    ("labels", "pair"),
    [
        (["yes", "no", "Yes"], ("yes", "Yes")),
        (["card_lost", "other", "Card-lost"], ("card_lost", "Card-lost")),
        (["-1", "1", "−1"], ("-1", "−1")),
        (["l'été", "l’été"], ("l'été", "l’été")),
        (["ok", "ok\u200b"], ("ok", "ok\u200b")),
        (["A", "(A)"], ("A", "(A)")),
        (["A", "A+", "A-"], None),
        (["C", "C++", "C#"], None),
        (["1", "1.0", "-1", "+1"], None),
        (["pêche", "péché"], None),
        (["n/a", "na"], None),
        (["+", "-", "?"], None),
    ],
)
def test_labels_that_are_read_alike(labels: list[str], pair: tuple[str, str] | None):
    assert alike(labels) == pair


def test_steps_follow_each_other():
    assert read([{"tag": "answer"}, "number"], "1 2 <answer>$3,000</answer> 4") == 3000
    assert read([{"json": "label"}, "label"], '{"label": "CARD LOST!"} spam', TEAMS) == "card_lost"
    assert read([{"tag": "answer"}, "number"], "4") is None


@pytest.mark.parametrize(
    ("parse", "words"),
    [
        ("lable", "'text', 'label', 'number' or 'json'"),
        ({"regex": "("}, "is not a regular expression"),
        ({"tag": "a b"}, "parse.tag"),
        ({"jason": "x"}, "unknown key 'jason' in parse; did you mean 'json'?"),
        ([], "must not be empty"),
    ],
)
def test_declarations_that_make_no_sense(parse: Any, words: str):
    with pytest.raises(InputError) as caught:
        exact_match("x", parse=parse)
    assert words in str(caught.value)

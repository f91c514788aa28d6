"""The pocket model's reading of prompts: labels, definitions, rules, demos, the final input."""

import pytest

from promptlathe.models.pocket.labels import read_labels
from promptlathe.models.pocket.layout import find_layout, read_demos
from promptlathe.models.pocket.rules import read_definition, read_rules
from promptlathe.records import Message

TEAMS = ["billing", "account_access", "delivery"]
TICKET = "My parcel\nnever came"


def chat(*turns: str) -> list[Message]:
    """Messages from "role: content"."""
    return [Message(*turn.split(": ", 1)) for turn in turns]


LISTS = {
    "inline": "Labels: billing, account_access, delivery.",
    "quoted": 'The label is one of: "billing", `account_access` or "delivery".',
    "choose between": "Choose between billing, account_access and delivery.",
    "sentence": "The teams are billing, account_access, and delivery. Be careful.",
    "slashes": "Labels: billing/account_access/delivery",
    "bullets": "Labels:\n- billing\n- account_access\n- delivery",
    "numbers": "Choose one of these:\n\n1. billing\n2. account_access\n3. delivery",
    "lines": "Categories:\nbilling\naccount_access\ndelivery\n\nBe careful.",
}


@pytest.mark.parametrize("prose", LISTS.values(), ids=LISTS)
def test_lists_of_names(prose: str) -> None:
    named = read_labels(f"You sort tickets: be kind, quick and fair.\n{prose}\n")
    assert list(named.definitions) == TEAMS
    assert named.announced


DEFINED = {
    "bullets": "Labels:\n- billing: invoices\n- account_access: passwords\n- delivery: parcels",
    "bold": "The teams:\n* **billing** — invoices\n* **account_access**: passwords\n"
    "* **delivery** – parcels",
    "no heading": "Say who.\n\n- billing: invoices\n- account_access: passwords\n"
    "- delivery: parcels",
    "lines": "Labels\n\nbilling: invoices\naccount_access: passwords\ndelivery: parcels",
    "brackets": "Labels: billing (invoices), account_access (passwords), delivery (parcels).",
}


@pytest.mark.parametrize("prose", DEFINED.values(), ids=DEFINED)
def test_definitions(prose: str) -> None:
    named = read_labels(prose)
    assert named.definitions == {
        "billing": ["invoices"],
        "account_access": ["passwords"],
        "delivery": ["parcels"],
    }


def test_definitions_go_on_below() -> None:
    named = read_labels("Labels:\n- billing: invoices\n  and prices\n- delivery: parcels\n\nBye.")
    assert named.definitions == {
        "billing": ["invoices\nand prices"],
        "delivery": ["parcels"],
    }


@pytest.mark.parametrize(
    "prose",
    [
        "Is the sentence subjective or objective?",
        'Answer "subjective" or "objective".',
        "Classify the sentence as subjective or objective.",
        "Say whether the sentence is subjective or objective.",
    ],
)
def test_two_labels_that_a_sentence_contrasts(prose: str) -> None:
    assert list(read_labels(prose).definitions) == ["subjective", "objective"]


@pytest.mark.parametrize(
    "prose",
    [
        "You are a careful, patient and kind agent.",
        "Rules:\n- Be brief: one line.\n- Be kind: no blame.",
        "# Role\nAn agent.\n# Task\nAnswer.\n# Format\nShort.",
        "What is 12 * 3?",
    ],
)
def test_prose_without_labels(prose: str) -> None:
    assert read_labels(prose).definitions == {}


def test_rules_are_not_read_as_labels() -> None:
    named = read_labels(
        "Labels:\n- billing: invoices\n- delivery: parcels\n\nTie-breaks:\n"
        "- Broken on arrival: delivery\n- Charged twice: billing"
    )
    assert list(named.definitions) == ["billing", "delivery"]
    assert [e[:2] for e in read_rules(named.sentences, ["billing", "delivery"])] == [
        ("delivery", 1),
        ("billing", 1),
    ]


@pytest.mark.parametrize(
    ("rule", "for_label", "against", "word"),
    [
        ("If a parcel is late and nobody answers, choose delivery.", "delivery", None, "late"),
        ("A refund on leaving is cancellation, not billing.", "cancellation", "billing", "leaving"),
        ("Prefer delivery over billing when a box is mentioned.", "delivery", "billing", "box"),
        ('"How do I" about an existing thing: how_to', "how_to", None, "existing"),
        ("billing if money is wrong", "billing", None, "money"),
    ],
)
def test_a_rule_counts_for_one_label_and_against_another(
    rule: str, for_label: str, against: str | None, word: str
) -> None:
    found = list(read_rules(rule, ["billing", "delivery", "cancellation", "how_to"]))
    assert [(e.label, e.sign) for e in found] == [
        (for_label, 1),
        *([(against, -1)] if against else []),
    ]
    assert all(word in e.text for e in found)


def test_two_rules_in_one_line() -> None:
    rule = "A wrong charge is billing; a parcel that is late is delivery."
    found = {e.label: e.text for e in read_rules(rule, ["billing", "delivery"])}
    assert "charge" in found["billing"]
    assert "parcel" in found["delivery"]
    assert "parcel" not in found["billing"]


@pytest.mark.parametrize(
    "sentence",
    [
        "Say billing or delivery.",
        "Late delivery makes people angry.",
        "Answer with the label only.",
    ],
)
def test_sentences_that_are_no_rules(sentence: str) -> None:
    assert list(read_rules(sentence, ["billing", "delivery"])) == []


def test_a_definition_can_deny_and_point_elsewhere() -> None:
    labels = ["billing", "cancellation"]
    denied = list(read_definition("billing", "charges. Not the price of a reader", labels))
    assert [
        (e.sign, "charges" in e.text, "reader" in e.text) for e in denied if e.text.strip()
    ] == [
        (1, True, False),
        (-1, False, True),
    ]
    pointed = list(read_definition("billing", "charges (on leaving: cancellation)", labels))
    assert {(e.label, e.sign) for e in pointed} == {
        ("billing", 1),
        ("cancellation", 1),
        ("billing", -1),
    }


SHAPES = {
    "key": ("Ticket: ", ""),
    "key and empty output": ("Ticket: ", "\nLabel:"),
    "bold keys": ("**Ticket:** ", "\n**Label:**"),
    "longer key": ("Customer message: ", "\nTeam: "),
    "tag": ("<ticket>\n", "\n</ticket>"),
    "tag and reminder": ("<ticket>", "</ticket>\n\nAnswer with the label only."),
    "quotes": ('Ticket: """', '"""'),
    "fence": ("Ticket:\n```\n", "\n```\n\nAnswer with one of the labels."),
    "reminder": ("Ticket: ", "\n\nAnswer with the label only.\n\nThink step by step."),
    "question before": ("Which team should take this?\n\n", ""),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("before", "after"), SHAPES.values(), ids=SHAPES)
def test_the_final_input(before: str, after: str) -> None:
    layout = find_layout(chat("system: Labels: a, b.", f"user: {before}{TICKET}{after}"))
    assert layout.text == TICKET
    assert "parcel" not in str(layout.context)


def test_the_final_input_of_a_message_that_holds_the_task() -> None:
    task = "user: Sort tickets.\n\nLabels: billing, delivery\n\nMy parcel never came"
    assert find_layout(chat(task)).text == "My parcel never came"


def test_the_final_input_keeps_its_paragraphs_and_keys() -> None:
    ticket = "Hello,\n\nOrder: 12\nMessage: error\n\nPlease answer soon.\n\nAnn"
    assert find_layout(chat("system: Labels: a, b.", f"user: Ticket: {ticket}")).text == ticket
    assert find_layout(chat("system: Labels: a, b.", f"user: {ticket}")).text != ""


PAIRS = [("I was charged\ntwice", "billing"), ("Where is it", "delivery")]
DEMO_SHAPES = {
    "keys": ("Ticket: {}\nLabel: {}\n\n", "Ticket: {}"),
    "keys, completed": ("Ticket: {}\nLabel: {}\n\n", "Ticket: {}\nLabel:"),
    "q and a": ("Q: {}\nA: {}\n\n", "Q: {}\nA:"),
    "numbered": ("Example 1:\nInput: {}\nOutput: {}\n\n", "Input: {}\nOutput:"),
    "tags": ("<ticket>{}</ticket>\n<label>{}</label>\n", "<ticket>{}</ticket>"),
    "examples": (
        "<example>\n<ticket>{}</ticket>\n<label>{}</label>\n</example>\n",
        "<ticket>{}</ticket>",
    ),
}


@pytest.mark.parametrize("place", ["user", "system"])
@pytest.mark.parametrize(("demo", "final"), DEMO_SHAPES.values(), ids=DEMO_SHAPES)
def test_demos(demo: str, final: str, place: str) -> None:
    shown = "".join(demo.format(*pair) for pair in PAIRS)
    asked = final.format(TICKET)
    task = "system: Labels: billing, delivery.\n\n"
    if place == "user":
        messages = chat(task, f"user: {shown}{asked}")
    else:
        messages = chat(f"{task}{shown}Answer with the label only.", f"user: {asked}")
    layout = find_layout(messages)
    demos, prose = read_demos(layout.context)
    assert layout.text == TICKET
    assert [tuple(d) for d in demos] == PAIRS
    assert list(read_labels(prose).definitions) == ["billing", "delivery"]
    assert "charged" not in prose
    assert ("only" in prose) == (place == "system")


@pytest.mark.parametrize("wrap", ["{}", "Ticket: {}", "<ticket>{}</ticket>"])
def test_demos_as_message_pairs(wrap: str) -> None:
    turns = [
        turn
        for text, label in PAIRS
        for turn in (f"user: {wrap.format(text)}", f"assistant: {label}")
    ]
    messages = chat("system: Labels: a, b.", *turns, f"user: {wrap.format(TICKET)}")
    layout = find_layout(messages)
    demos, _ = read_demos(layout.context)
    assert layout.text == TICKET
    assert [tuple(d) for d in demos] == PAIRS

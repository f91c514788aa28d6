"""The pocket model's reading of prompts: labels, definitions, rules, demos, the final input."""

import pytest

from promptlathe.models.pocket.layout import read_prompt
from promptlathe.models.pocket.learner import NO_LABELS, answer
from promptlathe.records import Message

TICKET = "My parcel\nnever came"


def chat(*turns: str) -> list[Message]:
    """Messages from "role: content"."""
    return [Message(*turn.split(": ", 1)) for turn in turns]


def ask(prose: str, text: str) -> str:
    return answer(chat(f"system: {prose}", f"user: Ticket: {text}\nLabel:")).text


LISTS = {
    "inline": "Labels: billing, account_access, delivery.",
    "quoted": 'The label is one of: "billing", `account_access` or "delivery".',
    "choose between": "Choose between billing, account_access and delivery.",
    "sentence": "The teams are billing, account_access, and delivery. Be careful.",
    "contract": "Answer with exactly one of these labels and nothing else: billing, "
    "account_access, delivery.",
    "slashes": "Labels: billing/account_access/delivery",
    "bullets": "Labels:\n- billing\n- account_access\n- delivery",
    "numbers": "Choose one of these:\n\n1. billing\n2. account_access\n3. delivery",
}
DEFINED = {
    "bullets": "Labels:\n- billing: invoices\n- account_access: passwords\n- delivery: parcels",
    "bold": "The teams:\n* **billing** — invoices\n* **account_access**: passwords\n"
    "* **delivery** – parcels",
    "no heading": "Say who.\n\n- billing: invoices\n- account_access: passwords\n"
    "- delivery: parcels",
    "lines": "Labels\n\nbilling: invoices\naccount_access: passwords\ndelivery: parcels",
    "brackets": "Labels: billing (invoices), account_access (passwords), delivery (parcels).",
    "below": "Labels: billing, account_access, delivery.\n\n- billing: invoices\n"
    "- account_access: passwords\n- delivery: parcels",
    "indented": "Labels:\n- billing: prices\n  and invoices\n- account_access: passwords\n"
    "- delivery: parcels\n\nBye.",
}


@pytest.mark.parametrize("prose", [*LISTS.values(), *DEFINED.values()], ids=[*LISTS, *DEFINED])
def test_lists_of_labels(prose: str) -> None:
    prose = f"You sort tickets: be kind, quick and fair.\n{prose}\n"
    for label in ("billing", "account_access", "delivery"):
        assert ask(prose, f"about {label}") == label


@pytest.mark.parametrize("prose", DEFINED.values(), ids=DEFINED)
def test_definitions(prose: str) -> None:
    assert ask(prose, "no invoice came") == "billing"
    assert ask(prose, "I forgot my password") == "account_access"
    assert ask(prose, "no parcel came") == "delivery"


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
    assert ask(prose, "an object") == "objective"
    assert ask(prose, "a subject") == "subjective"


@pytest.mark.parametrize(
    "prose",
    [
        "You are a careful, patient and kind agent.",
        "Rules:\n- Be brief: one line.\n- Be kind: no blame.",
        "# Role\nAn agent.\n# Task\nAnswer.\n# Format\nShort.",
        "Write the name between <team> and </team>.",
        "What is 12 * 3? Say a number between 10 and 99.",
    ],
)
def test_prose_without_labels(prose: str) -> None:
    assert ask(prose, "be brief") == NO_LABELS


TEAMS = "Labels: how_to, billing, delivery, cancellation.\n"


@pytest.mark.parametrize(
    ("rule", "text", "expected"),
    [
        ("If a parcel is late and nobody answers, choose delivery.", "a late parcel", "delivery"),
        ("A refund on leaving is cancellation, not billing.", "refund", "cancellation"),
        ("Prefer delivery over billing when a box is mentioned.", "the box", "delivery"),
        ("A threat to leave is not cancellation.", "a threat to leave", "how_to"),
        (
            "Tie-breaks:\n- Broken on arrival: delivery\n- Charged twice: billing",
            "broken!",
            "delivery",
        ),
        ("A wrong charge is billing; a late parcel is delivery.", "the charge", "billing"),
        ("A wrong charge is billing; a late parcel is delivery.", "late", "delivery"),
        ("Say billing or delivery when parcels are late.", "late parcels", "how_to"),
    ],
)
def test_rules_speak_for_the_one_label_that_they_name(rule: str, text: str, expected: str) -> None:
    assert ask(TEAMS + rule, text) == expected


SHAPES = {
    "key": ("Ticket: ", ""),
    "key and empty output": ("Ticket: ", "\nLabel:"),
    "bold keys": ("**Ticket:** ", "\n**Label:**"),
    "longer key": ("Customer message: ", "\nTeam: "),
    "tag": ("<ticket>\n", "\n</ticket>"),
    "tag and reminder": ("<ticket>", "</ticket>\n\nAnswer with the label only."),
    "reminder": ("Ticket: ", "\n\nAnswer with the label only.\n\nThink step by step."),
    "question before": ("Which team should take this?\n\n", ""),
    "nothing": ("", ""),
}


@pytest.mark.parametrize(("before", "after"), SHAPES.values(), ids=SHAPES)
def test_the_final_input(before: str, after: str) -> None:
    prompt = read_prompt(chat("system: Labels: a, b.", f"user: {before}{TICKET}{after}"))
    assert prompt.text == TICKET
    assert "parcel" not in prompt.prose
    assert ("label only" in prompt.prose) == ("label only" in after)


@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_the_final_input_of_a_message_that_holds_the_task(gap: str) -> None:
    prompt = read_prompt(chat(f"user: Sort tickets.\n\nLabels: billing, post{gap}My parcel"))
    assert prompt.text == ("My parcel")
    assert "post" in prompt.prose


def test_the_final_input_keeps_its_paragraphs_and_keys() -> None:
    ticket = "Hello,\n\nOrder: 12\nMessage: error\n\nPlease answer soon.\n\nAnn"
    assert read_prompt(chat("system: Labels: a, b.", f"user: Ticket: {ticket}")).text == ticket


PAIRS = (("I was charged\ntwice", "billing"), ("Where is it", "delivery"))
DEMO_SHAPES = {
    "keys": ("Ticket: {}\nLabel: {}\n\n", "Ticket: {}"),
    "keys, completed": ("Ticket: {}\nLabel: {}\n\n", "Ticket: {}\nLabel:"),
    "keys, no gap": ("Ticket: {}\nLabel: {}\n", "Ticket: {}\nLabel:"),
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
    task, asked = "system: Labels: billing, delivery.\n\n", final.format(TICKET)
    if place == "user":
        messages = chat(task, f"user: {shown}{asked}")
    else:
        messages = chat(f"{task}{shown}\nAnswer with the label only.", f"user: {asked}")
    prompt = read_prompt(messages)
    assert (prompt.text, prompt.demos) == (TICKET, PAIRS)
    assert "charged" not in prompt.prose
    assert "billing" in prompt.prose
    assert ("only" in prompt.prose) == (place == "system")
    assert prompt.completes == final.endswith(":")


@pytest.mark.parametrize("wrap", ["{}", "Ticket: {}", "<ticket>{}</ticket>"])
def test_demos_as_message_pairs(wrap: str) -> None:
    turns = [
        turn
        for text, label in PAIRS
        for turn in (f"user: {wrap.format(text)}", f"assistant: {label}")
    ]
    prompt = read_prompt(chat("system: Labels: a, b.", *turns, f"user: {wrap.format(TICKET)}"))
    assert (prompt.text, prompt.demos) == (TICKET, PAIRS)

"""Operators that ask nobody: what they write, what they replace, and when they keep still."""

from collections.abc import Sequence

import numpy as np
import pytest

from promptlathe.records import Answer, Call, Candidate, Cell, Example, Outcome, Prompt, Sent, Trace
from promptlathe.search.operators.contract import contract
from promptlathe.search.operators.definitions import definitions
from promptlathe.search.operators.guards import Leaks, objection
from promptlathe.search.operators.labels import labels
from promptlathe.search.operators.operator_context import Case, OperatorContext
from promptlathe.search.operators.said import format_requests, listing

CANDIDATE = Candidate.single((), Prompt(()))
TEAMS = ("billing", "delivery", "how_to", "login")
BARE = "Answer with the label only, nothing else."
STRICT = f"Answer with exactly one of these labels and nothing else: {', '.join(TEAMS)}."
WORDS = {
    "billing": ("invoice", "refund", "charged"),
    "delivery": ("parcel", "courier", "box"),
    "how_to": ("setting", "button", "export"),
    "login": ("password", "locked", "code"),
}
ROWS = tuple(
    Example(
        f"{team}{i}", {"text": f"My {w[i % 3]} and the {w[(i + 1) % 3]}", "label": team}, "train"
    )
    for team, w in WORDS.items()
    for i in range(6)
)
LISTED = "Teams:\n- billing: money\n- delivery: parcels\n- how_to: questions\n- login: passwords"


def case(row: Example, read: str | None) -> Case:
    sent = Sent(Call("m", ()), Answer(read or "Dear customer, we shall see."))
    outcome = Outcome(
        Cell(CANDIDATE, row),
        Trace(str(read), (sent,)),
        value=float(read == row.row["label"]),
        parsed=read,
        unread=read is None,
    )
    return Case(row, outcome)


def brief(text: str, beside: Sequence[tuple[str, str]] = (), **changes: object) -> OperatorContext:
    made = {
        "subject": CANDIDATE.id,
        "component": "instruction",
        "level": "draft",
        "text": text,
        "known": (text,),
        "prompt": "\n".join(["[[instruction]]", *(said for _, said in beside), "{{ text }}"]),
        "beside": tuple(beside),
        "target": "label",
        "answers": TEAMS,
        "cases": tuple(case(row, None) for row in ROWS[::4]),
        "more": tuple(row for i, row in enumerate(ROWS) if i % 4),
        "others": (),
        "rivals": (),
        "reading": "",
        "literal": True,
        "contracts": (BARE, STRICT),
        "protect": (),
        "longest": 400,
        "language": None,
        "prompts": {},
        "rng": np.random.default_rng(0),
    }
    return OperatorContext(**{**made, **changes})  # type: ignore[arg-type]


def test_a_prompt_that_names_no_label_gets_a_list() -> None:
    assert labels(brief("Say which team.")) == [
        "Say which team.\n\nLabels:\n- billing\n- delivery\n- how_to\n- login"
    ]


@pytest.mark.parametrize(
    ("text", "beside"),
    [
        (LISTED, ()),
        ("One of billing, delivery, how_to and login.", ()),
        ("Say which team.", [("labels", LISTED)]),
        ("Say which team.", [("labels", "Teams: Accounts, Retention, Warehouse, Legal")]),
    ],
)
def test_labels_that_are_named_are_not_listed_again(
    text: str, beside: list[tuple[str, str]]
) -> None:
    assert labels(brief(text, beside)) is None


def test_a_list_that_lacks_labels_or_misspells_them_is_mended_in_place() -> None:
    wrong = "Who?\nTeams:\n- biling: money\n- Delivery: parcels\n- login: passwords\nBe kind."
    right = "- billing: money\n- delivery: parcels\n- login: passwords\n- how_to"
    assert labels(brief(wrong)) == [f"Who?\nTeams:\n{right}\nBe kind."]


def test_other_names_than_the_labels_are_replaced() -> None:
    made = labels(brief("Teams: Accounts and Invoices, Identity Desk, Coaching, Warehouse"))
    assert made == ["Teams:\n- billing\n- delivery\n- how_to\n- login"]


def test_definitions_are_the_words_that_tell_the_rows_apart() -> None:
    [text] = definitions(brief("Say which team.")) or []
    lines = dict(line[2:].split(": ") for line in text.split("\n") if line.startswith("- "))
    assert {team: set(said.split(", ")) for team, said in lines.items()} == {
        team: set(words) for team, words in WORDS.items()
    }


def test_definitions_keep_those_that_a_list_has_or_replace_all() -> None:
    some = LISTED.replace("how_to: questions", "how_to")
    mended, new = definitions(brief(some)) or []
    assert "- billing: money\n- delivery: parcels\n- how_to: " in mended
    assert mended.count("\n- ") == new.count("\n- ") == 4
    assert "money" not in new
    assert new.startswith("Teams:\n- billing: ")
    assert definitions(brief("Say which team.", [("labels", LISTED)])) is None


def test_free_text_has_neither_labels_nor_definitions() -> None:
    for told in (brief("Sum it up.", answers=()), brief("Sum.", literal=False)):
        assert labels(told) is definitions(told) is None


def test_a_contract_stands_in_place_of_another_format() -> None:
    letter = "Read it. Reply to the customer in a short letter. Be quick."
    assert contract(brief(letter)) == [
        f"Read it. Be quick.\n{BARE}",
        f"Read it. Be quick.\n{STRICT}",
    ]
    assert contract(brief("Say which team it is.")) == [BARE, STRICT]
    assert contract(brief("Say which team.", [("labels", LISTED)])) == [BARE]
    kept = contract(brief("Say which Tallow team.", protect=("Tallow",)))
    assert kept == [f"Say which Tallow team.\n{BARE}", f"Say which Tallow team.\n{STRICT}"]


def test_a_contract_is_left_to_the_component_that_asks_for_a_format() -> None:
    assert contract(brief("Say who.", [("task", "Read it.")])) == [BARE]
    assert contract(brief("Read it.", [("format", "Reply in a letter.")])) is None
    readable = tuple(case(row, "billing") for row in ROWS)
    assert contract(brief("Read it.", cases=readable)) is None


def test_a_text_is_refused_that_says_again_what_is_said() -> None:
    def why(text: str, before: str, *beside: tuple[str, str]) -> str | None:
        return objection(text, brief(before, beside), (), Leaks([]))

    assert why(f"Who?\n{LISTED}", "Who?", ("labels", LISTED)) == "says again what labels says"
    other = "Labels: billing, delivery, how_to, login"
    assert why(f"Who?\n{LISTED}", "Who?", ("teams", other)) == "says again what teams says"
    assert why(f"Who?\n{BARE}", "Who?", ("form", BARE)) == "says again what form says"
    rule = "If it is about money, choose billing."
    assert why(f"Who?\n{rule}\n{rule}", "Who?") == "says a thing twice"
    assert why(f"Who?\n{rule}", "Who?", ("labels", LISTED)) is None
    assert why(f"{LISTED}\nBe kind.", LISTED, ("old", other)) is None  # it did so before


@pytest.mark.parametrize(
    "text",
    [
        "Read the ticket: then, if in doubt, ask.",
        "- Be brief: one line.\n- Be kind: no blame.",
        "When two seem right:\n- A wrong charge is billing; a lost parcel is delivery.\n- Ask.",
    ],
)
def test_what_is_no_list_of_labels(text: str) -> None:
    assert listing(text, TEAMS) is None


def test_requests_for_a_format() -> None:
    said = "Read the ticket and say which team. Answer as JSON.\n- Always reply in English."
    assert format_requests(said) == ["Answer as JSON.", "- Always reply in English."]

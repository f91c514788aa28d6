"""The pocket model's answers: their format, what they depend on, and how often they are right."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlathe.models.pocket.learner import answer
from promptlathe.models.pocket.tokens import count_pieces, cut
from promptlathe.records import Message

DATA = Path(__file__).parents[2] / "shared" / "data" / "banking77_train.jsonl"
LABELS = "Labels:\n- Billing_Team: invoices, charges\n- parcels & post: parcel, shipping, box\n"
TICKET = "Ticket: where is the box with my parcel"


def ask(system: str, user: str = TICKET) -> str:
    return answer([Message("system", system), Message("user", user)]).text


BARE = [
    "Answer with the label only.",
    "Reply with only the label.",
    "Give just the label.",
    "Say one of the labels and nothing else.",
    "Return only the category name.",
    "Respond with exactly one label, no explanation.",
]


@pytest.mark.parametrize("request_", BARE)
def test_label_only(request_: str) -> None:
    assert ask(LABELS + request_) == "parcels & post"


@pytest.mark.parametrize(
    "request_",
    [
        'Answer as {"team": "..."}.',
        'Respond with JSON with the key "team".',
        'Output JSON only:\n```json\n{"team": "<label>"}\n```\nNothing else.',
    ],
)
def test_json_with_the_asked_key(request_: str) -> None:
    assert json.loads(ask(LABELS + request_)) == {"team": "parcels & post"}


def test_json_without_a_key() -> None:
    assert json.loads(ask(LABELS + "Answer as JSON.")) == {"label": "parcels & post"}


def test_json_with_more_keys() -> None:
    filled = json.loads(
        ask(LABELS + 'Answer as {"reason": "...", "category": "...", "confidence": 0.9}')
    )
    assert list(filled) == ["reason", "category", "confidence"]
    assert filled["reason"] is None
    assert filled["category"] == "parcels & post"
    assert 0.5 <= filled["confidence"] <= 1


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ("Put the label in <answer></answer> tags.", "<answer>parcels & post</answer>"),
        ("Write your answer as <team>…</team>.", "<team>parcels & post</team>"),
        ('End with a line "Answer: <label>".', "Answer: parcels & post"),
    ],
)
def test_tags_and_lines(request_: str, expected: str) -> None:
    assert ask(LABELS + request_) == expected


def test_the_tag_around_the_input_is_no_output_tag() -> None:
    system = LABELS + "The ticket stands within <ticket></ticket>. Give the label only."
    assert ask(system, "<ticket>where is my parcel</ticket>") == "parcels & post"


def test_of_two_formats_the_later_one_holds() -> None:
    asked_json, bare = 'Answer as {"label": "..."}.', "Answer with the label only."
    assert ask(f"{LABELS}{asked_json} {bare}") == "parcels & post"
    assert ask(f"{LABELS}{bare} {asked_json}") == '{"label": "parcels & post"}'


def test_without_a_format_it_chats() -> None:
    text = ask(LABELS)
    assert "parcels & post" in text
    assert text.endswith(".")
    assert len(text.split()) > 4


def test_a_close_second_is_mentioned_and_can_come_first() -> None:
    clear = ask(LABELS, "Ticket: parcel shipping box")
    close = ask(LABELS, "Ticket: charges for the parcel")
    doubtful = ask(LABELS, "Ticket: charges, invoices, parcel, shipping")
    assert "Billing_Team" not in clear
    assert close.index("parcels & post") < close.index("Billing_Team")
    assert doubtful.index("Billing_Team") < doubtful.index("parcels & post")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("{}", "parcels & post"),
        ('{{"team": "{}"}}', '{{"team": "{}"}}'),
        ("<team>{}</team>", "<team>{}</team>"),
    ],
)
def test_demos_teach_the_format(output: str, expected: str) -> None:
    demo = f"Ticket: no box\nLabel: {output.format('parcels & post')}\n\n"
    assert ask(LABELS, demo + TICKET) == expected.format("parcels & post")


def test_an_empty_label_at_the_end_asks_for_the_bare_label() -> None:
    assert ask(LABELS, TICKET + "\nLabel:") == "parcels & post"


def schema(**properties: object) -> dict[str, object]:
    made = {"type": "object", "properties": properties}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": made}}


def test_a_schema_decides_the_labels_and_the_shape() -> None:
    messages = [Message("system", LABELS + "Answer with the label only."), Message("user", TICKET)]
    team = {"type": "string", "enum": ["Billing_Team", "parcels & post"]}
    asked = schema(why={"type": "string"}, team=team, sure={"type": "number"})
    filled = json.loads(answer(messages, {"response_format": asked}).text)
    assert list(filled) == ["why", "team", "sure"]
    assert filled["team"] == "parcels & post"
    assert 0.5 <= filled["sure"] <= 1
    other = schema(where={"anyOf": [{"enum": ["shop", "parcel"]}, {"type": "null"}]})
    assert json.loads(answer(messages, {"response_format": other}).text) == {"where": "parcel"}
    bare = {"type": "json_object"}
    assert json.loads(answer(messages, {"response_format": bare}).text) == {
        "label": "parcels & post"
    }
    text = {"type": "text"}
    assert answer(messages, {"response_format": text}).text == "parcels & post"


def test_without_labels_it_says_so() -> None:
    assert "could not find any labels" in ask("You are helpful.", "What is 12 * 3?")
    assert answer([]).text


def test_labels_of_demos_alone() -> None:
    demos = "Q: I was charged twice\nA: money\n\nQ: where is my parcel\nA: post\n\n"
    assert ask("Sort these.", demos + "Q: charged wrongly\nA:") == "money"
    assert ask("Sort these.", demos + "Q: the parcel is late\nA:") == "post"


def test_a_listed_spelling_wins_over_the_demos() -> None:
    demo = "Ticket: no box\nLabel: PARCELS & POST\n\nTicket: lost box\nLabel: Parcels & Post\n\n"
    assert ask(LABELS, demo + TICKET) == "parcels & post"


def test_a_rule_changes_the_answer() -> None:
    asked = "Ticket: the box came but the papers are missing"
    rule = "If papers are missing, choose Billing_Team, not parcels & post.\n"
    bare = "Answer with the label only."
    assert ask(LABELS + bare, asked) == "parcels & post"
    assert ask(LABELS + rule + bare, asked) == "Billing_Team"


def test_accents_and_endings_do_not_matter() -> None:
    labels = "Labels: paiement (carte refusée), livraison (colis égaré). Label only."
    assert ask(labels, "Ticket: mes COLIS sont egares") == "livraison"
    assert ask(labels, "Ticket: cartes refusees !") == "paiement"


@pytest.mark.parametrize(
    "extra",
    ["You are a world-class expert.", "Please, this is very important to me!", "Take your time."],
)
def test_roles_and_politeness_change_nothing(extra: str) -> None:
    tickets = ["where is my box", "wrong charges", "hello?", "an expert is important to me"]
    bare = LABELS + "Answer with the label only."
    for ticket in tickets:
        assert ask(f"{extra}\n{bare}", f"Ticket: {ticket}") == ask(bare, f"Ticket: {ticket}")


def test_token_limit() -> None:
    messages = [Message("system", LABELS + "Label only."), Message("user", TICKET)]
    whole = answer(messages)
    short = answer(messages, {"max_tokens": 2})
    assert (whole.finish_reason, whole.output_tokens) == ("stop", count_pieces("parcels & post"))
    assert (short.finish_reason, short.output_tokens) == ("length", 2)
    assert whole.text.startswith(short.text)
    assert answer(messages, {"max_completion_tokens": 50, "max_tokens": 1}) == whole
    assert whole.input_tokens == 8 + count_pieces(LABELS + "Label only.") + count_pieces(TICKET)
    assert whole.latency == 0.0


@given(st.text(), st.integers(0, 20))
def test_a_cut_text_has_as_many_pieces_as_it_says(text: str, limit: int) -> None:
    short, pieces, truncated = cut(text, limit)
    assert count_pieces(short) == pieces <= limit
    assert truncated == (short != text)


FRAGMENTS = st.sampled_from(
    [
        *"<>/|:-*#`\"'{}()[],.?\n\n\n\t éﬁİab",
        *("\n\n", "Ticket:", "Label:", "Labels: ", " -> ", "- a: b\n", "one of ", " or ", "not"),
        *("<label>", "</label>", "<labels>", "</labels>", "| a | b |\n|--|--|\n", "choose "),
        *("as JSON", '{"label": "x"}', "# a\n", "## b\n"),
    ]
)


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.lists(FRAGMENTS))))
def test_any_prompt_gets_an_answer(turns: list[tuple[str, list[str]]]) -> None:
    messages = [Message(role, "".join(parts)) for role, parts in turns]
    given_ = answer(messages)
    assert given_.text
    assert given_ == answer(messages)


def test_equal_prompts_get_equal_answers_in_any_process() -> None:
    root = Path(__file__).parents[1] / "optimizer"
    code = (
        "from promptlathe.models.pocket.learner import answer\n"
        "from promptlathe.records import Message\n"
        "labels = ', '.join(f'team_{c}{c}' for c in 'abcdefgh')\n"
        "demos = ''.join(f'Text: {c} word {c}\\nLabel: team_{c}{c}\\n\\n' for c in 'abcd')\n"
        "for t in ('zzz', 'word', 'a word b', 'team'):\n"
        "    print(answer([Message('system', f'Labels: {labels}. Explain your choice.'),\n"
        "                  Message('user', f'{demos}Text: {t}')]))\n"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": str(root),
            },
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


DEFINITIONS = {
    "Refund_not_showing_up": "a refund for a purchase has not arrived or is not in the statement",
    "activate_my_card": "how to activate a new card so that it can be used, or activation fails",
    "age_limit": "how old someone must be to open an account, and accounts for children",
    "apple_pay_or_google_pay": "using Apple Pay, Google Pay or Apple Watch to pay or to top up",
    "atm_support": "which ATMs or cash machines accept the card, where to withdraw money",
    "automatic_top_up": "the auto top-up option that adds money when the balance is low: limits",
    "balance_not_updated_after_bank_transfer": "money sent by bank transfer to the account does "
    "not show in the balance yet",
    "balance_not_updated_after_cheque_or_cash_deposit": "a cheque or cash was paid in (deposit) "
    "but does not show in the balance",
    "beneficiary_not_allowed": "a transfer to a recipient (beneficiary) is refused",
    "cancel_transfer": "cancel or undo a transfer or payment already made, or to a wrong account",
}


@pytest.mark.skipif(not DATA.exists(), reason="needs the real Banking77 rows")
def test_it_learns_from_what_the_prompt_says() -> None:
    lines = DATA.read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["label"] in DEFINITIONS]
    random.Random(0).shuffle(rows)
    held_out, pool = rows[:250], rows[250:]
    names = "Labels: " + ", ".join(DEFINITIONS) + ".\nAnswer with the label only."
    defined = "Labels:\n" + "\n".join(f"- {k}: {v}" for k, v in DEFINITIONS.items())

    def accuracy(system: str, demos: list[dict[str, str]]) -> float:
        shown = "".join(f"Ticket: {d['text']}\nLabel: {d['label']}\n\n" for d in demos)
        right = [ask(system, f"{shown}Ticket: {r['text']}") == r["label"] for r in held_out]
        return sum(right) / len(right)

    bare = accuracy(names, [])
    with_demos = accuracy(names, pool[:16])
    with_definitions = accuracy(defined + "\nAnswer with the label only.", [])
    unbalanced = accuracy(names, [r for r in pool if r["label"] == "cancel_transfer"][:16])
    assert 0.55 < bare < 0.8
    assert unbalanced < bare
    assert with_demos > bare + 0.02
    assert with_definitions > bare + 0.08

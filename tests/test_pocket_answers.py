"""The pocket model's answers: their format, what they depend on, and how often they are right."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptlathe.models.pocket.learner import NO_LABELS, answer
from promptlathe.models.pocket.tokens import count_pieces, cut
from promptlathe.records import Message
from promptlathe.scoring import Objective

ROOT = Path(__file__).parents[1]
LABELS = "Labels:\n- Billing_Team: invoices, charges\n- parcels & post: parcel, shipping, box\n"
TICKET = "Ticket: where is the box with my parcel"


def ask(system: str, user: str = TICKET) -> str:
    return answer([Message("system", system), Message("user", user)]).text


FORMATS = {
    "Answer with the label only.": "parcels & post",
    "Reply with only the label.": "parcels & post",
    "Say one of the labels and nothing else.": "parcels & post",
    "Respond with exactly one label, no explanation.": "parcels & post",
    'Answer as {"team": "..."}.': '{"team": "parcels & post"}',
    'Respond with JSON with the key "team".': '{"team": "parcels & post"}',
    "Answer as JSON.": '{"label": "parcels & post"}',
    'Output JSON only:\n```json\n{\n "team": "<label>"\n}\n```\nNothing else.': (
        '{"team": "parcels & post"}'
    ),
    'Answer as {"why": "...", "category": "..."}': '{"why": null, "category": "parcels & post"}',
    "Put the label in <answer></answer> tags.": "<answer>parcels & post</answer>",
    "Write the label between <team> and </team>.": "<team>parcels & post</team>",
    'End with a line "Answer: <label>".': "Answer: parcels & post",
    # The tag around the input is none of the answer, and of two requests the later one holds.
    "The ticket stands in <ticket></ticket>. Give the label only.": "parcels & post",
    'Answer as {"label": "..."}. Answer with the label only.': "parcels & post",
    'Answer with the label only. Answer as {"label": "..."}.': '{"label": "parcels & post"}',
}


@pytest.mark.parametrize(("request_", "expected"), FORMATS.items())
def test_it_answers_in_the_format_that_is_asked_for(request_: str, expected: str) -> None:
    assert ask(LABELS + request_) == expected


def test_without_a_format_it_chats_and_names_both_labels_when_in_doubt() -> None:
    clear = ask(LABELS)
    doubtful = ask(LABELS, "Ticket: charges, invoices, parcel, shipping")
    assert len(clear.split()) > 4
    assert "parcels & post" in clear
    assert "Billing_Team" not in clear
    assert "parcels & post" in doubtful
    assert "Billing_Team" in doubtful


@pytest.mark.parametrize("output", ["{}", '{{"team": "{}"}}', "<team>{}</team>", "Team: {}"])
def test_demos_teach_the_format(output: str) -> None:
    def shown(system: str) -> str:
        turns = [("user", "no box"), ("assistant", output.format("PARCELS & POST"))]
        turns = [("system", system), *turns, ("user", TICKET)]
        return answer([Message(role, text) for role, text in turns]).text

    assert shown(LABELS) == output.format("parcels & post")
    assert shown(LABELS + "Answer as JSON.") == '{"label": "parcels & post"}'


def test_an_empty_label_at_the_end_asks_for_the_bare_label() -> None:
    assert ask(LABELS, TICKET + "\nLabel:") == "parcels & post"


def by_schema(response_format: dict[str, Any]) -> Any:
    messages = [Message("system", LABELS + "Answer with the label only."), Message("user", TICKET)]
    return json.loads(answer(messages, {"response_format": response_format}).text)


def schema(**properties: object) -> dict[str, object]:
    made = {"type": "object", "properties": properties}
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": made}}


def test_a_schema_decides_the_labels_and_the_shape() -> None:
    team = {"type": "string", "enum": ["Billing_Team", "parcels & post"]}
    nested = schema(why={"type": "string"}, of={"properties": {"team": team}}, n={"type": "number"})
    assert by_schema(nested) == {"why": "", "of": {"team": "parcels & post"}, "n": 0}
    other = schema(where={"anyOf": [{"enum": ["shop", "parcel"]}, {"type": "null"}]})
    assert by_schema(other) == {"where": "parcel"}
    assert by_schema(schema(sure={"type": "boolean"}, category={"type": "string"})) == {
        "sure": False,
        "category": "parcels & post",
    }
    assert by_schema({"type": "json_object"}) == {"label": "parcels & post"}


def test_without_labels_it_says_so() -> None:
    assert ask("You are helpful.", "What is 12 * 3?") == NO_LABELS
    assert answer([]).text == NO_LABELS


def test_labels_of_demos_alone() -> None:
    demos = "Q: I was charged twice\nA: money\n\nQ: where is my parcel\nA: post\n\n"
    assert ask("Sort these.", demos + "Q: charged wrongly\nA:") == "money"
    assert ask("Sort these.", demos + "Q: the parcel is late\nA:") == "post"


def test_a_rule_changes_the_answer() -> None:
    asked = "Ticket: the box came but the papers are missing"
    rule = "If papers are missing, choose Billing_Team, not parcels & post.\n"
    bare = "Answer with the label only."
    assert ask(LABELS + bare, asked) == "parcels & post"
    assert ask(LABELS + rule + bare, asked) == "Billing_Team"


def test_the_order_of_labels_and_of_demos_matters() -> None:
    assert ask("Labels: post, money. Label only.", "Ticket: hello") == "post"
    assert ask("Labels: money, post. Label only.", "Ticket: hello") == "money"
    demos = [f"Ticket: it was lost\nLabel: {label}\n\n" for label in ("money", "post")]
    assert ask("Sort these.", "".join(demos) + "Ticket: lost") == "post"
    assert ask("Sort these.", "".join(demos[::-1]) + "Ticket: lost") == "money"


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
        *("<label>", "</label>", "<ticket>", "</ticket>", "| a | b |\n|--|--|\n", "choose "),
        *("as JSON", '{"label": "x"}', "# a\n", "## b\n", "  - c (d)\n", "teams are "),
    ]
)


@given(st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), st.lists(FRAGMENTS))))
def test_any_prompt_gets_an_answer(turns: list[tuple[str, list[str]]]) -> None:
    messages = [Message(role, "".join(parts)) for role, parts in turns]
    given_ = answer(messages)
    assert given_.text
    assert given_ == answer(messages)


def test_equal_prompts_get_equal_answers_in_any_process() -> None:
    code = (
        "from promptlathe.models.pocket.learner import answer\n"
        "from promptlathe.records import Message\n"
        "labels = ', '.join(f'team_{c}{c}' for c in 'abcdefgh')\n"
        "demos = ''.join(f'Text: {c} word {c}\\nLabel: team_{c}{c}\\n\\n' for c in 'abcd')\n"
        "for t in ('zzz', 'word', 'a word b', 'team'):\n"
        "    print(answer([Message('system', f'Labels: {labels}. Explain your choice.'),\n"
        "                  Message('user', f'{demos}Text: {t}')]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "optimizer")}
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


def accuracy(system: str, demos: Sequence[str] = ()) -> float:
    """On the shipped tickets of `select`."""
    rows = [example.row for example in OBJECTIVE.examples("select")]
    shown = "".join(demos)
    said = [ask(system, f"{shown}Ticket: {row['text']}\nTeam:") == row["label"] for row in rows]
    return sum(said) / len(said)


OBJECTIVE = Objective.load(ROOT / "objectives" / "support_triage" / "objective.yaml")


def test_what_the_prompt_says_and_shows_makes_it_more_often_right() -> None:
    short, full, rules = (
        (ROOT / "search_spaces" / "support_triage" / f"{name}.md").read_text("utf-8")
        for name in ("short", "full", "tie_breaks")
    )
    teams = "Teams: " + ", ".join(line.split(":")[0][2:] for line in short.splitlines())
    train = [example.row for example in OBJECTIVE.examples("train")]
    demos = [f"Ticket: {row['text']}\nTeam: {row['label']}\n\n" for row in train[:40]]
    mistaken = full.replace("delivery:", "x:").replace("billing:", "delivery:")
    right = accuracy(full)
    assert 0.05 < accuracy(teams) < 0.2
    assert accuracy(f"{teams}\n\n{rules}") > accuracy(teams) + 0.02
    assert accuracy(teams, demos) > accuracy(teams) + 0.08
    assert accuracy(short) > accuracy(teams) + 0.08
    assert right > accuracy(short) + 0.05
    assert accuracy(mistaken.replace("x:", "billing:")) < right - 0.05

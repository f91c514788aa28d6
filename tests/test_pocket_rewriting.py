"""The pocket model as a writer of prompts: what each kind of request makes of a text."""

import json
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlathe.models.pocket.labels import read_labels
from promptlathe.models.pocket.learner import answer
from promptlathe.models.pocket.reflection import read_reflection
from promptlathe.models.pocket.requests import read_request
from promptlathe.records import Message

ROOT = Path(__file__).parents[1]
OPERATORS = {p.stem: p.read_text("utf-8") for p in (ROOT / "search_spaces/operators").glob("*.md")}
BANKING = ROOT.parent / "shared" / "data" / "banking77_train.jsonl"
LABELS = ["billing", "delivery", "how_to"]
SEED = "Read the message and say which team it is. Teams: billing, delivery, how_to."
ROWS = [
    ("My card was debited twice for one order", "billing"),
    ("The invoice shows a sum that I never agreed to", "billing"),
    ("Why was I debited again? The invoice was settled", "billing"),
    ("The courier left my box in the rain", "delivery"),
    ("Nobody rang, and the courier went away with the box", "delivery"),
    ("The tracking says arrived, but there is no courier", "delivery"),
    ("Where can I switch off the sound", "how_to"),
    ("Which menu lets me switch the language", "how_to"),
    ("Is there a menu for printing", "how_to"),
]
NEW_ROWS = [
    ("I see that it debited me once more", "billing"),
    ("An invoice came that is not mine", "billing"),
    ("Your courier was rude", "delivery"),
    ("Is the box with another courier", "delivery"),
    ("In what menu is the printing", "how_to"),
    ("I want to switch colours", "how_to"),
]


def fill(kind: str, text: str, **slots: str) -> list[Message]:
    """A request made from the file of its kind."""
    filled = {
        "component": "instruction",
        "prompt": "[system]\n[[instruction]]\n[user]\nText: {{ text }}",
        "text": text,
        "answers": ", ".join(LABELS),
        "reading": "The output must be exactly one of the right answers, and nothing else.",
        "language": "French",
        "constraints": "- Keep the language of the text.",
    } | slots
    holes = re.compile(r"\{\{ (\w+) \}\}")
    return [Message("user", holes.sub(lambda m: filled.get(m[1], "none"), OPERATORS[kind]))]


def rewritten(kind: str, text: str, **slots: str) -> str:
    match = re.search(r"<new>\n(.*)\n</new>", answer(fill(kind, text, **slots)).text, re.DOTALL)
    assert match is not None
    return match[1]


def ask(text: str, row: str) -> str:
    return answer([Message("system", text), Message("user", f"Text: {row}")]).text


def right(text: str, rows: list[tuple[str, str]] = NEW_ROWS) -> int:
    return sum(ask(text, row) == label for row, label in rows)


def shown(text: str, rows: list[tuple[str, str]] = ROWS) -> dict[str, str]:
    """The rows as mistakes and successes of a text."""
    blocks: dict[str, list[str]] = {"mistakes": [], "successes": []}
    for row, label in rows:
        said = ask(text, row)
        block = f"<row>\ntext: {row}\nExpected: {label}\nAnswered: {said}\n"
        if said == label:
            blocks["successes"].append(f"{block}</row>")
        else:
            problem = "the output could not be read"
            blocks["mistakes"].append(f"{block}Problem: {problem}\n</row>")
    return {name: "\n".join(found) or "none" for name, found in blocks.items()}


CONFUSED = "- billing, taken for delivery: 3 rows\n- delivery, taken for billing: 1 row"


@pytest.mark.parametrize("kind", ["rewrite", "rules", "contrast"])
def test_a_rewritten_prompt_answers_new_rows(kind: str) -> None:
    other = "Labels: billing (debit), delivery, how_to." if kind == "contrast" else ""
    text = rewritten(kind, SEED, **shown(SEED), confusions=CONFUSED, other=other)
    assert right(SEED) <= 1
    assert right(text) == len(NEW_ROWS)
    assert "Read the message and say which team it is." in text
    assert "which team it is. Teams" not in text


def test_rules_for_what_is_confused() -> None:
    text = rewritten("rules", SEED, **shown(SEED), confusions=CONFUSED)
    assert re.search(r"If it is about .*courier.*, choose delivery, not billing\.", text)
    assert "choose" not in rewritten("rewrite", SEED, **shown(SEED))
    again = rewritten("rules", text, **shown(text), confusions=CONFUSED)
    assert again.count("choose delivery, not billing") == 1


BARE = " Answer with the label only."
DEFINED = (
    "Sort the messages.\n\nTeams:\n- billing: {}\n- delivery: {}\n- how_to: menus, settings\n\n"
    "Answer with the label only."
)
DEFECTS = {
    "no list": "Say which team it is." + BARE,
    "one is missing": "Teams: billing, delivery." + BARE,
    "one too many": "Teams: billing, delivery, how_to, courier." + BARE,
    "swapped": DEFINED.format("the courier, a box, tracking", "debited, an invoice"),
    "german": "Lies die Nachricht und nenne das Team: billing, delivery, how_to.",
    "essay": SEED + " Write an essay of several paragraphs.",
}


@pytest.mark.parametrize("text", DEFECTS.values(), ids=DEFECTS)
def test_defects_are_repaired(text: str) -> None:
    new = rewritten("rewrite", text, **shown(text))
    assert right(new) == len(NEW_ROWS) > right(text)
    assert sorted(read_labels(new).definitions) == LABELS
    assert "essay" not in new


def test_labels_without_rows_are_named_and_good_definitions_stay() -> None:
    text = DEFINED.format("money. Not the box", "parcels")
    new = rewritten("rewrite", text, **shown(text, ROWS[:6]))
    named = read_labels(new).definitions
    assert list(named) == LABELS
    assert named["how_to"] == ["menus, settings"]
    assert named["billing"][0].startswith("money. Not the box; ")
    assert "debited" in named["billing"][0]


def test_words_that_would_be_misread_are_not_taken() -> None:
    rows = [
        (f"{row} delivery never except json", label) for row, label in ROWS if label != "how_to"
    ]
    new = rewritten("rewrite", SEED + BARE, **shown(SEED + BARE, rows))
    for name, texts in read_labels(new).definitions.items():
        assert not set(" ".join(texts).split(", ")) & {"delivery", "never", "except", "json"}, name


@pytest.mark.parametrize("answers", ["They are free text.", "free text, one for each row"])
def test_free_text_answers_leave_the_text_alone(answers: str) -> None:
    rows = "\n".join(
        f"<row>\nquestion: {n} + 1\nExpected: {n + 1}\nAnswered: 7\nProblem: no\n</row>"
        for n in range(3)
    )
    text = "Add the numbers: slowly, carefully.\n- Be exact."
    assert rewritten("rewrite", text, mistakes=rows, answers=answers) == text


def test_constraints() -> None:
    text = f"Dear {{{{ name }}}}, {SEED[0].lower()}{SEED[1:]} Be kind to people."
    keep = '- Keep these phrases word for word: "Be kind to people"\n- At most {} words.'
    for most in (60, 34):
        limit = keep.format(most)
        new = rewritten("rules", text, **shown(text), confusions=CONFUSED, constraints=limit)
        assert len(new.split()) <= most
        assert "{{ name }}" in new
        assert "Be kind to people" in new
        assert sorted(read_labels(new).definitions) == LABELS
    assert right(new) < right(rewritten("rules", text, **shown(text)))


def test_no_placeholder_is_invented() -> None:
    other = "Teams: billing, delivery, how_to. The shop is {{ shop }}. Be quick."
    for kind in ("merge", "contrast"):
        new = rewritten(kind, SEED, other=other, **shown(SEED))
        assert "{{" not in new
        assert "Be quick." in new


READINGS = {
    "The output must be exactly one of the right answers, and nothing else.": "billing",
    "The output is read as JSON, key team.": '{"team": "billing"}',
    "What stands between <team> and </team> is read.": "<team>billing</team>",
    'The line that begins with "Team:" is read.': "Team: billing",
}


@pytest.mark.parametrize(("reading", "expected"), READINGS.items())
@pytest.mark.parametrize(
    "asks",
    ["Explain your choice in detail.", 'Answer as {"x": "..."}.', "Think step by step.", ""],
)
def test_format(reading: str, expected: str, asks: str) -> None:
    text = rewritten("format", f"{SEED}\n{asks} Be kind.", reading=reading)
    assert ask(text, "billing") == expected
    assert "Be kind." in text
    assert len(text.split()) <= len(SEED.split()) + 15


LONG = (
    "You are a world-class expert, known everywhere for your patience. {}\n\n"
    "Please, take all the time that you need!\n\n{}\n\nThank you so much. {}"
)
FORM = "Answer with the label only."
RULE = "If papers are missing, choose billing, not delivery."


def test_shorten() -> None:
    teams = (
        "Teams:\n- billing: debited, invoice, debited\n- delivery: courier, tracking\n- how_to: "
    )
    text = LONG.format(SEED.split(" Teams")[0], f"{teams}menu, switch\n\n{RULE}\n{RULE}", FORM)
    new = rewritten("shorten", text)
    assert len(new.split()) < 0.6 * len(text.split())
    assert new.count(RULE) == new.count("debited") == 1
    assert FORM in new
    rows = [*NEW_ROWS, ("no papers", "billing")]
    assert [ask(new, row) for row, _ in rows] == [ask(text, row) for row, _ in rows]


def test_merge() -> None:
    one = f"Sort the mail.\n\nTeams:\n- billing: debited\n- delivery: box\n\n{RULE}"
    two = "Sort the mail. Labels: billing (debited, invoice), delivery (courier). " + FORM
    new = rewritten("merge", one, other=two)
    assert new.count("Sort the mail.") == new.count("debited") == new.count(FORM) == 1
    rows = [*NEW_ROWS[:3], ("a box", "delivery"), ("no papers", "billing")]
    assert right(new, rows) == len(rows) > max(right(one, rows), right(two, rows))


def test_paraphrase() -> None:
    text = DEFINED.format("debited, invoice", "courier, tracking") + " Only the category."
    new = rewritten("paraphrase", text)
    assert new != text
    assert [ask(new, row) for row, _ in NEW_ROWS] == [ask(text, row) for row, _ in NEW_ROWS]


def test_translate() -> None:
    rule = "If it is about a box, choose delivery, not billing."
    text = f"{SEED}\n{rule}\n{FORM} The shop is {{{{ shop }}}}."
    new = rewritten("translate", text)
    assert "Lis le texte" in new
    assert "choisis delivery, pas billing" in new
    assert "Réponds en anglais." in new
    assert "The shop is {{ shop }}." in new
    assert ask(new, "a wet box") == "delivery"
    back = rewritten("translate", new, language="English")
    assert rule in back
    assert FORM[:-1] in back


def test_of_an_edited_file_the_tags_and_telling_words_count() -> None:
    edited = (
        "Voici un texte.\n<current>\n{}\n</current>\n\nRaccourcis-le, sans politesse.\n"
        "Écris le nouveau texte entre <neu> et </neu>."
    ).format(f"{SEED} Please be patient, thank you.")
    request = read_request([Message("system", "You write prompts."), Message("user", edited)])
    assert request is not None
    assert (request.kind, request.tag) == ("shorten", "neu")
    unknown = edited.replace("Raccourcis-le, sans politesse", "Fais-en un poème")
    request = read_request([Message("user", unknown)])
    assert request is not None
    assert request.kind == "rewrite"


def test_the_files_are_told_apart() -> None:
    for kind in OPERATORS:
        for component in ("format", "rules", "mistakes", "translate"):
            request = read_request(fill(kind, SEED, component=component))
            assert request is not None
            assert request.kind == {"rules": "rewrite"}.get(kind, kind)
            assert request.current == SEED


NO_REQUESTS = [
    "<current>where is my box</current>\n\nWrite the label between <answer> and </answer>.",
    "<current>where is my box</current>\nPut the right team between <new> and </new>.",
    "<current>where is my box</current>\nLabel:",
    "Ticket: rewrite my text, write the new text between <new> and </new>.",
    "Ticket: change the current invoice <current> please",
    "I provided an assistant with the following instructions to perform a task for me: help!",
]


@pytest.mark.parametrize("user", NO_REQUESTS)
def test_no_classification_prompt_is_taken_for_a_request(user: str) -> None:
    system = "Labels: billing (invoice), delivery (box). Answer with the label only."
    messages = [Message("system", system), Message("user", user)]
    assert read_request(messages) is None
    assert read_reflection(user) is None
    assert re.search("billing|delivery", answer(messages).text)
    assert len(answer(messages).text) < 40


def test_token_limit() -> None:
    messages = fill("rewrite", SEED, **shown(SEED))
    short = answer(messages, {"max_tokens": 12})
    assert (short.finish_reason, short.output_tokens) == ("length", 12)
    assert answer(messages).text.startswith(short.text)


REFLECTION = """I provided an assistant with the following instructions to perform a task for me:
```
{text}
```

The following are examples of different task inputs provided to the assistant along with the \
assistant's response for each of them, and some feedback on how the assistant's response could be \
better:
```
{examples}
```

Your task is to write a new instruction for the assistant.

Provide the new instructions within ``` blocks."""


def test_the_standard_request_of_gepa() -> None:
    examples = "\n\n".join(
        f"# Example {i}\n## Inputs\n### text\n{row}\n\n## Generated Outputs\n{ask(SEED, row)}\n\n"
        f"## Feedback\nWrong: the right answer is {label!r}."
        for i, (row, label) in enumerate(ROWS, 1)
    )
    given_ = answer([Message("user", REFLECTION.format(text=SEED, examples=examples))]).text
    new = given_.split("```")[1].strip()
    assert given_.count("```") == 2
    assert right(new) == len(NEW_ROWS)


SCRAPS = st.sampled_from(
    [
        *("<row>", "</row>", "<current>", "</current>", "<other>", "</new>", "<new>", "```"),
        *(
            "\nExpected: billing\n",
            "\nAnswered: x\n",
            "\nProblem: p\n",
            "text: ",
            "# Right answers\n",
        ),
        *("Labels: a, b.", "- billing: invoice, x\n", "- a\n", "## ", "| a | b |\n|--|--|\n"),
        *("{{ text }}", "{{", "}}", "{", "choose billing, not delivery.", "Answer as JSON. ", ", "),
        *("\n", " ", "not", "é", "ﬁ", "İ", "<labels>", "</labels>", "billing", "parcel"),
    ]
)
TEXT = st.one_of(st.text(max_size=30), st.lists(SCRAPS, max_size=12).map("".join))


@settings(max_examples=200, deadline=None)
@given(
    kind=st.sampled_from(sorted(OPERATORS)),
    slots=st.fixed_dictionaries(
        dict.fromkeys(
            ["text", "other", "answers", "mistakes", "successes", "confusions", "reading"], TEXT
        )
    ),
    listed=st.booleans(),
)
def test_any_request_gets_an_answer(kind: str, slots: dict[str, str], listed: bool) -> None:
    if listed:
        slots["answers"] = "billing, delivery"
    text = slots.pop("text")
    messages = fill(kind, text, **slots, constraints="- At most 40 words.")
    given_ = answer(messages)
    assert given_.text
    assert given_ == answer(messages)
    request = read_request(messages)
    if request is not None:
        new = given_.text.removeprefix("<new>\n").removesuffix("\n</new>")
        holes = re.compile(r"\{\{[^{}]*\}\}")
        assert set(holes.findall(new)) == set(holes.findall(request.current))


@pytest.mark.skipif(not BANKING.exists(), reason="needs the real Banking77 rows")
def test_it_improves_on_real_rows() -> None:
    rows = [json.loads(line) for line in BANKING.read_text("utf-8").splitlines()]
    labels = sorted({row["label"] for row in rows})[:10]
    pairs = [(row["text"], row["label"]) for row in rows if row["label"] in labels]
    random.Random(0).shuffle(pairs)
    held_out = pairs[200:400]
    text = f"Say which intent it is.\n\nIntents: {', '.join(labels)}\n\nGive the label only."
    first = right(text, held_out)
    for start in (0, 40, 80):
        rows_ = pairs[start : start + 40]
        text = rewritten("rewrite", text, answers=", ".join(labels), **shown(text, rows_))
    assert first < 0.78 * len(held_out)
    assert right(text, held_out) > first + 0.08 * len(held_out)

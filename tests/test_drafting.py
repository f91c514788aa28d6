"""A task from a prompt and rows: what is found, and that the seed is the user's own prompt."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import promptlathe as pl
from promptlathe.documents import load
from promptlathe.drafting import draft
from promptlathe.drafting.answers import find_form
from promptlathe.drafting.levels import LANGUAGES, levels_in
from promptlathe.drafting.prompts import read_prompt, with_columns
from promptlathe.drafting.space import draft_space
from promptlathe.drafting.task import checked
from promptlathe.errors import InputError
from promptlathe.job import Job
from promptlathe.models.providers import providers
from promptlathe.space import BoundSpace, render
from promptlathe.space.template import not_placeholder

COLOURS = ("red", "green", "blue")
PROMPT = "Which colour is it?\n\nThing: {{ text }}\nColour:"
ROWS = [{"text": f"thing number {n} of the list", "label": COLOURS[n % 3]} for n in range(60)]
POLICY = "Guests may stay when they have booked and paid.\n" * 200


def rows(target: str, *values: Any, n: int = 30, text: str = "text") -> list[dict[str, Any]]:
    return [{text: f"row {i} of them all", target: values[i % len(values)]} for i in range(n)]


FORMS: dict[str, tuple[str, list[dict[str, Any]], str, str]] = {
    "label": (PROMPT, ROWS, "label", "exact_match"),
    "french": (
        "Classez ce message par service.\n\nMessage : {{ texte }}\nService :",
        rows("catégorie", "livraison", "facturation", text="texte"),
        "label",
        "exact_match",
    ),
    "number": (
        "How many are left?\n\n{{ text }}",
        rows("answer", "1,200", *(str(n) for n in range(20))),
        "number",
        "numeric",
    ),
    "json": (
        "Extract the fields.\n\n{{ text }}",
        rows("fields", *(json.dumps({"name": f"n{n}", "total": n}) for n in range(9))),
        "json",
        "json_match",
    ),
    "list": ("Name all.\n\n{{ text }}", rows("answer", ["a", "b"], ["b", "c"]), "list", "token_f1"),
    "short": (
        "Who is it?\n\n{{ text }}",
        rows("answer", *(f"Mr {chr(97 + n)}" for n in range(26))),
        "short",
        "token_f1",
    ),
    "text": (
        "Answer politely.\n\n{{ text }}",
        rows("reference", *(f"Dear guest {n}, we are glad to have you here" for n in range(30))),
        "text",
        "similarity",
    ),
    "yes_no": (
        POLICY + "\nMay they stay? {{ text }}\nAnswer:",
        rows("allowed", "yes", "no"),
        "yes_no",
        "exact_match",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_answer_has_its_scorer_and_passes_the_check(form: str, tmp_path: Path) -> None:
    prompt, data, kind, scorer = FORMS[form]
    (target,) = data[0].keys() - {"text", "texte"}
    assert find_form([row[target] for row in data], "data").kind == kind
    (tmp_path / "mine.txt").write_text(prompt + "\n", "utf-8")
    file = pl.init(
        tmp_path / "out",
        prompt=tmp_path / "mine.txt",
        data=data,
        target=target,
        model={"name": "m", "base_url": "http://127.0.0.1:9/v1"},
    )
    job = Job.load(file)
    plan = checked(file)[1]
    assert [one.name for one in job.objective.scorers] == [scorer]
    assert job.space.rewritable
    (message,) = render(plan.space.seed.prompt, plan.test[0].row)
    (field,) = data[0].keys() - {target}
    shown = prompt.replace(f"{{{{ {field} }}}}", str(plan.test[0].row[field]))
    assert (message.role, message.text) == ("user", shown)


@pytest.mark.parametrize("code", LANGUAGES)
def test_each_language_has_a_text_for_each_form(code: str) -> None:
    levels = levels_in(code)
    kinds = {"label", "yes_no", "number", "json", "list", "short", "text"}
    assert levels.role.keys() == levels.contract.keys() == kinds
    assert "$labels" in levels.labels
    assert "$keys" in levels.contract["json"]
    assert levels_in("de").role == {}


def test_a_prompt_in_another_language_gets_no_words_of_ours() -> None:
    german = "Sortieren Sie diese Nachricht bitte in eine der drei Farben ein.\n\n{{ text }}"
    task = draft(f"{german}\n", ROWS, model="pocket")
    text = task.files[Path("search_spaces", "prompt.yaml")]
    assert "Answer with" not in text
    assert "Répondez" not in text
    assert any("'de'" in note for note in task.notes)
    french = draft(FORMS["french"][0], FORMS["french"][1], model="pocket")
    assert "Étiquettes" in french.files[Path("search_spaces", "prompt.yaml")]


LINES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)
TEXTS = st.lists(st.one_of(LINES, st.just(""), st.just("T: {{ text }}")), max_size=6).map("\n".join)


@settings(max_examples=60, deadline=None)
@given(before=TEXTS, after=TEXTS, system=st.one_of(st.none(), TEXTS))
def test_the_seed_is_the_prompt_byte_for_byte(before: str, after: str, system: str | None) -> None:
    prompt = f"{before}{{{{ text }}}}{after}"
    told = [{"role": "system", "content": system}] if system and system.strip() else []
    texts = [one["content"] for one in told] + [prompt]
    assume(not any(not_placeholder(text) or re.search(r"\{%|%\}|\\", text) for text in texts))
    found = with_columns(
        read_prompt([*told, {"role": "user", "content": prompt}]),
        {"text": "text", "label": "label"},
    )
    assume(set(found.fields) == {"text"})
    answers = find_form([row["label"] for row in ROWS], "data")
    drafted = draft_space(
        found,
        answers,
        levels_in("en"),
        target="label",
        fields=["text", "label"],
        row_characters=40,
        most_demos=9,
        strict=False,
    )
    space = pl.SearchSpace(**drafted.data)
    seed = BoundSpace(space, [], "label", COLOURS).seed.prompt
    row = {"text": "a thing", "label": "red"}
    assert [(one.role, one.text) for one in render(seed, row)] == [
        (role, re.sub(r"\{\{ *text *\}\}", "a thing", text.strip()))
        for role, text in found.messages
    ]


@pytest.mark.parametrize(
    ("prompt", "seen"),
    [
        ('Sort {text} as {{"a": 1}}\n', 'Sort {{ text }} as {"a": 1}'),
        ('Sort {text} as {"a": 1}\n', 'Sort {{ text }} as {"a": 1}'),
        ("Sort ${text} now\n", "Sort {{ text }} now"),
        ("Sort <text>, <b>now</b>\n", "Sort {{ text }}, <b>now</b>"),
        ("Sort {{Text}}\n", "Sort {{ text }}"),
    ],
)
def test_placeholders_of_other_tools_become_ours(prompt: str, seen: str) -> None:
    found = with_columns(read_prompt(prompt), {"text": "text", "label": "label"})
    assert found.messages == (("user", seen),)


def test_a_prompt_without_a_placeholder_is_followed_by_the_text() -> None:
    task = draft("Sort it.\nBe quick.", ROWS, model="pocket")
    assert any("follows it" in note for note in task.notes)
    assert "- {user: '{{ text }}'}" in task.files[Path("search_spaces", "prompt.yaml")]
    with pytest.raises(InputError, match=r"no column is plainly the text") as error:
        draft("Sort it.\nBe quick.", [{"a": "x y", "b": "y z", "label": "q"}] * 30, model="pocket")
    assert "a (1 different of 30" in str(error.value)


def test_examples_in_the_prompt_are_no_rows() -> None:
    prompt = f"Sort.\nThing: {ROWS[7]['text']}\nColour: green\n\nThing: {{{{ text }}}}\nColour:"
    task = draft(prompt, ROWS, model="pocket")
    assert "1 rows stand in the prompt itself: left out" in task.notes
    assert ROWS[7]["text"] not in task.files[Path("objectives", "prompt", "rows.jsonl")]


def test_a_component_never_has_the_name_of_a_column(tmp_path: Path) -> None:
    data = [{**row, "role": "clerk", "demos": "x"} for row in ROWS]
    file = pl.init(tmp_path, prompt="Sort.\n\n{{ text }} {{ role }}", data=data, model="pocket")
    assert {"role_part", "demos_part", "instruction"} <= checked(file)[0].space.components.keys()


def test_columns_have_plain_names_and_the_prompt_follows(tmp_path: Path) -> None:
    data = [
        {"Sub Ject": r["text"], "é.a": "x", "id": "same", "2nd": "y", "label": r["label"]}
        for r in ROWS
    ]
    file = pl.init(
        tmp_path, prompt="Sort\n{{ Sub Ject }}, {{ é.a }}, {{2nd}}", data=data, model="pocket"
    )
    fields = checked(file)[0].objective.fields
    assert {"Sub_Ject", "e_a", "c_2nd"} <= fields
    assert "id" not in fields or len(ROWS) == 60


def bad() -> Iterator[Any]:
    def case(name: str, match: str, prompt: Any = PROMPT, data: Any = ROWS, **more: Any) -> Any:
        return pytest.param(match, prompt, data, {"model": "pocket", **more}, id=name)

    yield case("typo", "placeholder 'txet'.*did you mean 'text'", "Sort\n{{ txet }}")
    yield case("typo in single braces", "placeholder 'txet'", "Sort\n{txet}")
    yield case("target shown", "shows 'label'", "Sort\n{{ text }} {{ label }}", target="label")
    yield case("no such target", "did you mean 'label'", target="lable")
    yield case(
        "leak",
        "would stand in the question",
        data=[{"text": row["text"], "label": row["text"].upper()} for row in ROWS],
    )
    yield case("one label", "same right answer", data=rows("label", "a"))
    yield case("empty target", "empty in all 30 rows", data=rows("label", " "))
    yield case("few rows", "3 rows with different", data=ROWS[:3])
    yield case(
        "no target", "which column holds.*u \\(1 different", data=rows("u", 1) + rows("v", 2)
    )
    yield case("template code", "template code", "a\n{% if x %}{{ text }}{% endif %}")
    yield case("blank prompt", "the prompt is empty", " \n ")
    yield case("open braces", "no placeholder", "Like {{ so\n{{ text }}")
    yield case("messages", "no chat messages", [{"role": "robot", "content": "x"}])
    yield case("ends with the assistant", "last message", [{"assistant": "x {{ text }}"}])
    yield case("no rows", "holds no rows", data=[])
    yield case("no data", "the data is a int", data=3)
    yield case("bytes in a row", "neither text nor data", data=[{"text": b"x", "label": "a"}] * 30)
    yield case("no model", "which model", model=None)
    yield case("long prompt", "at most 200,000", "x\n" * 150_000)


@pytest.mark.parametrize(("match", "prompt", "data", "more"), bad())
def test_what_is_wrong_is_one_message(
    match: str, prompt: Any, data: Any, more: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InputError) as error:
        pl.init(tmp_path / "out", prompt=prompt, data=data, **more)
    assert re.search(match, str(error.value), re.DOTALL)
    assert not (tmp_path / "out").exists()


def test_a_known_key_names_its_service(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in providers().values():
        monkeypatch.delenv(one.key or "NO", raising=False)
    monkeypatch.setenv("MISTRAL_API_KEY", "k")
    with pytest.raises(InputError, match="--model mistral/NAME"):
        draft(PROMPT, ROWS)


def test_strict_answers_only_where_the_service_is_known_to_hold_them() -> None:
    def contract(model: str) -> str:
        return draft(PROMPT, ROWS, model=model).files[Path("search_spaces", "prompt.yaml")]

    assert "response_format" in contract("ollama/m")
    assert "response_format" not in contract("anthropic/m")
    assert "response_format" not in contract("pocket")


def test_files_that_are_there_stay_unless_forced(tmp_path: Path) -> None:
    task = draft(PROMPT, ROWS, model="pocket")
    task.write(tmp_path, force=False)
    task.write(tmp_path, force=False)
    space = tmp_path / "search_spaces" / "prompt.yaml"
    space.write_text("mine")
    other = draft(PROMPT, ROWS[:45], model="pocket")
    rows_before = (tmp_path / "objectives/prompt/rows.jsonl").read_bytes()
    with pytest.raises(InputError, match="is there already"):
        other.write(tmp_path, force=False)
    assert space.read_text() == "mine"
    assert (tmp_path / "objectives/prompt/rows.jsonl").read_bytes() == rows_before
    other.write(tmp_path, force=True)
    assert load(space).data["messages"]

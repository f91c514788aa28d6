"""Rows that are conversations, and demos that are turns: what is sent, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.job import Job, make_plan, run
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget, Example, Message
from promptlathe.scoring import Objective
from promptlathe.search.operators.guards import Leaks
from promptlathe.space import BoundSpace, SearchSpace, join, render, transcript
from promptlathe.testing.scripted import Arrived, ScriptedServer

CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "find_order", "arguments": '{"id": 7}'},
}
DOT = "data:image/png;base64,iVBORw0KGgo="
LONG: list[dict[str, Any]] = [
    {"role": "user", "content": "Where is order 7? {{ style }} {% x %}"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "sent on Monday, {{ lang }}"},
    {"role": "assistant", "content": "It left on Monday."},
    {"role": "user", "content": ["And this?", {"image": DOT}]},
]
SYSTEM = "You answer for a shop. {{ style }} Language: {{ lang }}"
STYLES = {"style": pl.Choice({"plain": "Answer.", "kind": "Answer kindly."})}


def space(*messages: Any, **components: Any) -> SearchSpace:
    return SearchSpace(list(messages), {**STYLES, **components})


USUAL = space({"system": SYSTEM}, {"conversation": "messages"})


def rows(count: int = 60, **changed: Any) -> list[dict[str, Any]]:
    made = [
        {
            "lang": "en",
            "label": "ab"[n % 2],
            "messages": [
                {"role": "user", "content": f"Question {n}"},
                {"role": "assistant", "content": f"Which one, {n}?"},
                {"role": "user", "content": f"The second, {n}."},
            ],
        }
        for n in range(count)
    ]
    made[3] |= changed
    return made


def job(given: SearchSpace, data: Any, **changes: Any) -> Job:
    objective = Objective(
        data, scorer=pl.exact_match("label"), splits={"train": 0.2, "select": 0.4, "test": 0.4}
    )
    model = ModelSettings(name="m", base_url="http://127.0.0.1:1/v1", max_tokens=9)
    settings: dict[str, Any] = {"budget": Budget(calls=120), "track": False, "model": model}
    return Job(space=given, objective=objective, **(settings | changes))


def test_the_turns_of_a_row_follow_the_system_prompt_as_they_are() -> None:
    prompt = BoundSpace(USUAL, []).seed.prompt
    system, *turns = render(prompt, {"messages": LONG, "lang": "{{ style }}"})
    assert system.text == "You answer for a shop. Answer. Language: {{ style }}"
    sent = [turn.to_dict() for turn in turns]
    assert sent[:4] == LONG[:4], "tool turns and braces are kept"
    assert sent[4]["content"] == [
        {"type": "text", "text": "And this?"},
        {"type": "image_url", "image_url": {"url": DOT}},
    ]
    spelled = [dict(turn) for turn in LONG[:4]] + [sent[4]]
    again = render(prompt, {"messages": spelled, "lang": "{{ style }}"})
    assert again == (system, *turns), "OpenAI's spelling of parts is the same"


def test_it_may_stand_before_other_messages() -> None:
    given = space({"conversation": "messages"}, {"user": "{{ style }} Sum it up."})
    *turns, last = render(BoundSpace(given, []).seed.prompt, {"messages": LONG[:4]})
    assert (len(turns), last) == (4, Message("user", "Answer. Sum it up."))


def test_a_space_reads_its_own_yaml_form() -> None:
    given = space(
        {"system": SYSTEM},
        {"demos": "shots"},
        {"conversation": "messages"},
        shots=pl.Demos(
            count=(0, 2), template=[{"conversation": "messages"}, {"assistant": "{{ label }}"}]
        ),
    )
    said = given.to_dict()
    assert said["messages"] == [
        {"system": SYSTEM},
        {"demos": "shots"},
        {"conversation": "messages"},
    ]
    assert SearchSpace(**said) == given
    assert given.shown == {"lang", "messages"}


def test_hashes_of_prompts_without_turns_stay() -> None:
    given = SearchSpace({"system": "A {{ b }}", "user": "{{ text }}"}, {"b": pl.Choice(["x", "y"])})
    assert BoundSpace(given, []).seed.id == "c98ca81676aab9bf"


def test_demos_are_turns_or_text_and_the_search_chooses() -> None:
    train = [Example(f"e{n}", {"text": f"t{n}", "label": "ab"[n % 2]}, "train") for n in range(6)]
    given = space(
        {"system": "{{ style }}"},
        {"demos": "turns"},
        {"user": "{{ inline }}\n{{ text }}"},
        inline=pl.Demos(count=(0, 2), template="{{ text }} is {{ label }}", draws=1),
        turns=pl.Demos(
            count=(0, 2),
            template={"user": "{{ text }}", "assistant": "{{ label }}"},
            draws=1,
            when={"inline.count": 0},
        ),
    )
    bound = BoundSpace(given, train)
    shown = [bound.candidate(levels).prompt.messages for levels in given.combinations()]
    roles = {tuple(message.role for message in messages) for messages in shown}
    pair = ("user", "assistant")
    assert roles == {("system", *pair * n, "user") for n in (0, 1, 2)}
    turns = next(messages for messages in shown if len(messages) == 6)
    assert all(m.text in ("a", "b") for m in turns[2:5:2])
    assert any("is a" in messages[-1].text for messages in shown)


def test_a_demo_may_be_a_whole_conversation() -> None:
    train = [Example(f"e{n}", row, "train") for n, row in enumerate(rows(4))]
    given = SearchSpace(
        [{"system": "{{ style }}"}, {"demos": "shots"}, {"conversation": "messages"}],
        {
            **STYLES,
            "shots": pl.Demos(
                count=1,
                template=[{"conversation": "messages"}, {"assistant": "{{ label }}!"}],
                draws=1,
            ),
        },
    )
    sent = render(BoundSpace(given, train).seed.prompt, {"messages": LONG[:1]})
    assert [m.role for m in sent] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert sent[4].text in ("a!", "b!")


def answer(arrived: Arrived) -> str:
    """Right when it is asked kindly."""
    last = arrived.body["messages"][-1]["content"]
    number = int(last.removeprefix("The second, ").removesuffix("."))
    good = "kindly" in arrived.prompt or number % 3 == 0
    return "ab"[number % 2] if good else "?"


def test_a_system_prompt_is_tuned_over_conversations(tmp_path: Path) -> None:
    with ScriptedServer(answer) as server:
        model = ModelSettings(name="m", base_url=server.base_url, max_tokens=9)
        result = run(job(USUAL, rows(), model=model, workspace=tmp_path))
    assert (result.verdict, result.best.levels["style"]) == ("better", "kind")
    roles = {tuple(m["role"] for m in arrived.body["messages"]) for arrived in server.arrived}
    assert roles == {("system", "user", "assistant", "user")}
    assert result.best.messages[-1] == Message("conversation", "{{ messages }}")


def test_turns_may_not_be_copied_into_a_prompt() -> None:
    text = "My grandmother's green teapot arrived without its lid on Tuesday."
    row = {"messages": [{"role": "user", "content": text}]}
    leaks = Leaks([Example("e", row, "train")])
    assert leaks.in_text(f"Careful: {text}")
    assert not leaks.in_text("Careful with teapots.")


def test_a_picture_of_a_demo_must_be_there() -> None:
    turns = {"user": ["{{ lang }}", {"image": "{{ label }}.png"}], "assistant": "{{ label }}"}
    given = space(
        {"system": SYSTEM},
        {"demos": "shots"},
        {"conversation": "messages"},
        shots=pl.Demos(count=(0, 2), template=turns),
    )
    with pytest.raises(InputError, match="no picture is there"):
        make_plan(job(given, rows()))


def test_a_transcript_is_for_people() -> None:
    assert transcript(LONG) == (
        "user: Where is order 7? {{ style }} {% x %}\n"
        'assistant: [calls find_order({"id": 7})]\n'
        "tool: sent on Monday, {{ lang }}\n"
        "assistant: It left on Monday.\n"
        f"user: And this? [picture {DOT}]"
    )
    assert transcript("user: hello") is None
    assert transcript([]) is None


USER = {"role": "user", "content": "Hello"}
BAD_ROWS: dict[str, tuple[Any, str]] = {
    "a text": ("user: hi", "is no list of chat messages"),
    "empty": ([], "has no turn"),
    "no object": (["hi"], "turn 1 is no object"),
    "role": ([{"role": "usr", "content": "x"}], "turn 1 has the role 'usr'"),
    "no role": ([{"content": "x"}], "turn 1 has the role None"),
    "system": ([{"role": "system", "content": "x"}, USER], "that prompt is what the space writes"),
    "key": ([{**USER, "contents": "x"}], "unknown key 'contents'"),
    "no content": ([{"role": "user"}], "turn 1 has no content"),
    "blank": ([{"role": "user", "content": " "}], "turn 1 has no content"),
    "number": ([{"role": "user", "content": 7}], "turn 1 has no content"),
    "part": ([{"role": "user", "content": [{"type": "audio"}]}], "neither text nor picture"),
    "picture": ([{"role": "user", "content": [{"image": "lost.png"}]}], "no picture is there"),
    "orphan": ([USER, {"role": "tool", "tool_call_id": "9", "content": "x"}], "no tool call"),
    "no id": ([USER, {"role": "tool", "content": "x"}], "turn 2 has no `tool_call_id`"),
    "calls": ([{"role": "assistant", "tool_calls": [{"id": "1"}]}, USER], "that are none"),
    "no calls": ([{"role": "assistant", "tool_calls": []}, USER], "that are none"),
    "whose": ([{**USER, "tool_calls": [CALL]}], "only an assistant calls tools"),
    "last": ([USER, {"role": "assistant", "content": "x"}], "ends with a turn of the assistant"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_named_with_file_and_line(name: str, tmp_path: Path) -> None:
    value, said = BAD_ROWS[name]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows(messages=value)))
    with pytest.raises(InputError) as error:
        make_plan(job(USUAL, str(file)))
    assert said in f"{error.value.what} {error.value.fix}"
    assert (error.value.where or "").endswith("rows.jsonl:4")
    assert error.value.fix


def test_a_row_may_end_as_it_likes_when_a_message_follows() -> None:
    given = space({"conversation": "messages"}, {"user": "{{ style }} Sum it up."})
    ended = [USER, {"role": "assistant", "content": "x"}]
    assert make_plan(job(given, rows(messages=ended)))


SHOTS = pl.Demos(count=(0, 2), template={"user": "{{ lang }}", "assistant": "{{ label }}"})
TEXTS = pl.Demos(count=(0, 2), template="{{ lang }}: {{ label }}")
BAD_SPACES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "braces": ([{"conversation": "{{ messages }}"}], {}, "without braces"),
    "kind": ([{"conversation": ["messages"]}], {}, "without braces"),
    "misspelt": ([{"conversations": "messages"}], {}, "unknown role 'conversations'"),
    "component": ([{"conversation": "style"}], {}, "'style' is a component"),
    "no demos": ([{"demos": "style"}, {"user": "{{ lang }}"}], {}, "no component of demos"),
    "unknown": (
        [{"demos": "shot"}, {"user": "x"}],
        {"shots": SHOTS},
        "but {{ shot }}: is that it?",
    ),
    "text": ([{"demos": "shots"}, {"user": "x"}], {"shots": TEXTS}, "as {{ shots }}"),
    "inline": ([{"user": "{{ shots }} x"}], {"shots": SHOTS}, "- demos: shots"),
    "twice": (
        [{"demos": "shots"}, {"demos": "shots"}, {"user": "x"}],
        {"shots": SHOTS},
        "placed twice",
    ),
    "twice said": ([{"conversation": "messages"}] * 2, {}, "'messages' is placed twice"),
}


@pytest.mark.parametrize("name", BAD_SPACES)
def test_a_bad_space_is_refused(name: str) -> None:
    messages, components, said = BAD_SPACES[name]
    with pytest.raises(InputError) as error:
        space({"system": SYSTEM}, *messages, **components)
    assert said in f"{error.value.what} {error.value.fix}"


BAD_TEMPLATES: dict[str, tuple[Any, str]] = {
    "empty": ("", "is empty"),
    "kind": (7, "must map roles to texts"),
    "system": ({"system": "x", "assistant": "y"}, "turns of the user and of the assistant"),
    "end": ({"user": "{{ text }}"}, "ends with what the assistant answers"),
    "begin": ({"assistant": "{{ label }}"}, "begins with what the user says"),
    "nested": ([{"demos": "a"}, {"assistant": "x"}], "turns of the user and of the assistant"),
}


@pytest.mark.parametrize("name", BAD_TEMPLATES)
def test_a_bad_template_of_demos_is_refused(name: str) -> None:
    template, said = BAD_TEMPLATES[name]
    with pytest.raises(InputError) as error:
        pl.Demos(count=1, template=template)
    assert said in f"{error.value.what} {error.value.fix}"


def test_a_field_that_is_missing_or_a_step() -> None:
    with pytest.raises(InputError, match="neither a component nor a field") as error:
        make_plan(job(space({"system": "{{ style }}"}, {"conversation": "message"}), rows()))
    assert "{{ messages }}" in str(error.value.fix)
    plan = SearchSpace([{"system": "{{ style }}"}, {"conversation": "messages"}], STYLES)
    chained = join(
        {"plan": plan, "answer": SearchSpace([{"system": "x"}, {"conversation": "plan"}])}
    )
    with pytest.raises(InputError, match="is a step: its output is a text"):
        make_plan(job(chained, rows()))

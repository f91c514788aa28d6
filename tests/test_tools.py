"""Tools of a space, what a prompt calls, and the scorer of calls."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.job import Job, make_plan, run
from promptlathe.job.runfile import SearchOptions
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Budget, Example, Score, Trace
from promptlathe.scoring import Objective, tool_call
from promptlathe.scoring.scorer import Surroundings
from promptlathe.space import BoundSpace, SearchSpace, join, output_of, shown_tools
from promptlathe.testing.contexts import ScriptedContext
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

ROOMS = {"type": "string", "description": "{{ room }}"}
LEVEL = {"type": "integer", "minimum": 0, "maximum": 100}
LIGHTS: dict[str, Any] = {
    "key": "lights",
    "name": "{{ lights_name }}",
    "description": "{{ lights }}",
    "parameters": {
        "type": "object",
        "properties": {"room": ROOMS, "level": LEVEL},
        "required": ["room"],
    },
}
TIMER: dict[str, Any] = {
    "name": "timer",
    "description": "Start a timer.",
    "parameters": {"type": "object", "properties": {"minutes": {"type": "number"}}},
}
COMPONENTS: dict[str, Any] = {
    "lights": pl.Choice({"none": None, "clear": "Set the lights of a room."}, rewrite=True),
    "lights_name": pl.Choice(["set_lights", "dim"]),
    "room": pl.Choice([None, "The room, in English."]),
}
TEMPLATE = {"system": "You run a house.", "user": "{{ text }}"}


def space(*tools: Any, **components: Any) -> SearchSpace:
    given = list(tools) or [LIGHTS, TIMER]
    return SearchSpace(TEMPLATE, COMPONENTS | components, tools=given)


def rows(count: int = 60, field: str = "call") -> list[dict[str, Any]]:
    def called(n: int) -> Any:
        match n % 3:
            case 0:
                return {"name": "lights", "arguments": {"room": "kitchen", "level": n}}
            case 1:
                return [{"name": "timer", "arguments": {"minutes": n}}]
            case _:
                return []

    return [{"text": f"request {n}", field: called(n)} for n in range(count)]


def job(given: SearchSpace, data: Any, **changes: Any) -> Job:
    objective = Objective(
        data, scorer=tool_call("call"), splits={"train": 0.2, "select": 0.4, "test": 0.4}
    )
    model = ModelSettings(name="m", base_url="http://127.0.0.1:1/v1", max_tokens=9)
    made = Job(
        space=given,
        objective=objective,
        model=model,
        budget=Budget(calls=150),
        search=SearchOptions(operators=()),
        track=False,
    )
    return replace(made, **changes)


def test_names_and_descriptions_vary_and_keys_stay() -> None:
    bound = BoundSpace(space(), [])
    levels = {"lights": "clear", "lights_name": "dim", "room": "The room, in English."}
    prompt = bound.candidate(levels).prompt
    lights, timer = dict(prompt.parameters)["tools"]
    assert lights == {
        "type": "function",
        "function": {
            "name": "dim",
            "description": "Set the lights of a room.",
            "parameters": {
                "type": "object",
                "properties": {"room": ROOMS | {"description": "The room, in English."}}
                | {"level": LEVEL},
                "required": ["room"],
            },
        },
    }
    assert timer["function"] == TIMER
    assert prompt.tool_keys == (("dim", "lights"),)
    bare = bound.seed.prompt
    assert "description" not in dict(bare.parameters)["tools"][0]["function"]
    assert bound.seed.id != bound.candidate(levels).id, "tools are part of the content"
    call = {"id": "1", "type": "function", "function": {"name": "dim", "arguments": "{}"}}
    (said,) = output_of(Answer("Let me see.", tool_calls=(call,)), prompt)
    assert said["function"]["name"] == "lights"
    assert output_of(Answer("Done."), prompt) == "Done."
    assert shown_tools(prompt).splitlines() == [
        "dim: Set the lights of a room.",
        '  room {"type": "string"}: The room, in English.',
        '  level {"type": "integer", "minimum": 0, "maximum": 100}',
        "timer: Start a timer.",
        '  minutes {"type": "number"}',
    ]


def test_openai_s_form_is_read_and_the_yaml_form_comes_back() -> None:
    wrapped = space(LIGHTS, {"type": "function", "function": TIMER})
    assert wrapped == space()
    assert SearchSpace(**space().to_dict()) == space()


def made(*calls: tuple[str, Any]) -> list[dict[str, Any]]:
    return [
        {"id": str(n), "type": "function", "function": {"name": name, "arguments": arguments}}
        for n, (name, arguments) in enumerate(calls)
    ]


def scored(wanted: Any, output: Any) -> Score:
    measure: Callable[..., Any] = tool_call("call").measure(Surroundings(lambda _: [], Path()))
    example = Example("e", {"call": wanted}, "train")
    return measure(example, Trace(output), ScriptedContext(lambda asked: ""))


ONE = {"name": "lights", "arguments": {"room": "Séjour", "level": 40}}
RIGHT = ("lights", '{"room": "séjour ", "level": 40.0}')
CASES: dict[str, tuple[Any, Any, float | None, str]] = {
    "right": (ONE, made(RIGHT), 1.0, ""),
    "texts of numbers": (ONE, made(("lights", '{"room": "séjour", "level": "40"}')), 1.0, ""),
    "null is absent": (ONE, made(("lights", RIGHT[1][:-1] + ', "hue": null}')), 1.0, ""),
    "one wrong": (ONE, made(("lights", '{"room": "cuisine", "level": 40}')), 2 / 3, "'cuisine'"),
    "one lacks": (ONE, made(("lights", '{"room": "séjour"}')), 2 / 3, "lights lacks level=40"),
    "one more": (ONE, made(("lights", RIGHT[1][:-1] + ', "hue": 3}')), 3 / 4, "has hue"),
    "other tool": (ONE, made(("timer", '{"minutes": 3}')), 0.0, "timer(minutes=3) was called"),
    "no call": (ONE, "The lights are on.", 0.0, "was not called"),
    "no arguments": ({"name": "timer"}, made(("timer", "")), 1.0, ""),
    "not parsed": (ONE, made(("lights", '{"room": ')), None, "are no JSON object"),
    "a list": (ONE, made(("lights", "[1]")), None, "are no JSON object"),
    "none expected": ([], "Hello!", 1.0, ""),
    "null expected": (None, "Hello!", 1.0, ""),
    "none, and one made": ([], made(RIGHT), 0.0, "no tool was to be called"),
    "two, any order": (
        [{"name": "timer", "arguments": {"minutes": 3}}, ONE],
        made(RIGHT, ("timer", '{"minutes": 3}')),
        1.0,
        "",
    ),
    "two of one tool": (
        [ONE, {"name": "lights", "arguments": {"room": "hall"}}],
        made(("lights", '{"room": "hall"}'), RIGHT),
        1.0,
        "",
    ),
    "one of two": ([ONE, ONE], made(RIGHT), 0.5, "was not called"),
    "twice": (ONE, made(RIGHT, RIGHT), 0.5, "and is not expected"),
    "as OpenAI writes it": (made(RIGHT)[0], made(RIGHT), 1.0, ""),
}


@pytest.mark.parametrize("name", CASES)
def test_calls_are_compared(name: str) -> None:
    wanted, output, value, said = CASES[name]
    found = scored(wanted, output)
    assert found.value == (None if value is None else pytest.approx(value))
    assert said in (found.rationale or ""), found.rationale
    assert bool(said) == bool(found.rationale)


def house(arrived: Arrived) -> Reply:
    """Calls rightly when the description says what the tool does; sends a text for some."""
    number = int(arrived.body["messages"][-1]["content"].split()[-1])
    offered = arrived.tools
    name = next(one for one in offered if one != "timer")
    described = "description" in offered[name]
    match number % 3:
        case 0 if described:
            return Reply(calls=[(name, {"room": "Kitchen", "level": str(number)})])
        case 0:
            return Reply("What do you mean?")
        case 1:
            return Reply("At once.", calls=[("timer", {"minutes": number})])
        case _:
            return Reply("Hello!")


def test_descriptions_are_tuned_over_calls(tmp_path: Path) -> None:
    with ScriptedServer(house) as server:
        model = ModelSettings(name="m", base_url=server.base_url, max_tokens=9)
        one = job(space(lights=pl.Choice({"none": None, "clear": "Lights."})), rows())
        result = run(replace(one, model=model, workspace=tmp_path))
    assert (result.verdict, result.best.levels["lights"]) == ("better", "clear")
    assert result.test.best == 1, "whatever the tool is called"
    names = {name for arrived in server.arrived for name in arrived.tools}
    assert names == {"timer", "set_lights", "dim"}
    assert json.dumps(result.to_dict())


def test_a_step_s_calls_are_what_the_next_step_reads(tmp_path: Path) -> None:
    seen: list[str] = []

    def both(arrived: Arrived) -> Reply:
        if "Made:" not in arrived.prompt:
            return Reply(calls=[(next(iter(arrived.tools)), {"room": "hall"})])
        seen.append(arrived.prompt)
        return Reply("a")

    answer = SearchSpace("{{ form }} {{ text }} Made: {{ act }}", {"form": pl.Choice(["A", "B"])})
    data = [{"text": f"t {n}", "label": "ab"[n % 2]} for n in range(60)]
    objective = Objective(data, scorer=pl.exact_match("label"))
    with ScriptedServer(both) as server:
        model = ModelSettings(name="m", base_url=server.base_url, max_tokens=9)
        fixed = SearchSpace(
            TEMPLATE, {"name": pl.Text("dim")}, tools=[{"key": "lights", "name": "{{ name }}"}]
        )
        chained = join({"act": fixed, "answer": answer})
        one = job(chained, rows())
        run(replace(one, objective=objective, model=model, workspace=tmp_path))
    assert '"name": "lights"' in seen[0], "JSON, with the tool's key"


def tool(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (TIMER | changes).items() if value is not ...}


BAD: dict[str, tuple[list[Any], str]] = {
    "no name": ([tool(name=...)], "the key 'name' is missing"),
    "misspelt": ([tool(descripton="x")], "did you mean 'description'?"),
    "kind": (["timer"], "expected keys with values"),
    "schema": ([tool(parameters={"room": {"type": "string"}})], "no JSON schema of an object"),
    "required": (
        [tool(parameters={"type": "object", "properties": {}, "required": ["x"]})],
        "'x', which is no property",
    ),
    "bad name": ([tool(name="set the timer")], "cannot be the name of a tool"),
    "field": ([tool(description="{{ text }}")], "{{ text }} is no component"),
    "unknown": ([tool(description="{{ lihgts }}")], "did you mean {{ lights }}?"),
    "braces": ([tool(description="{{ a b }}")], "not a placeholder"),
    "no key": ([tool(name="{{ lights_name }}")], "has no key"),
    "two": ([tool(key="k", name="{{ lights_name }}_x")], "more than one component"),
    "null name": ([tool(key="k", name="{{ room }}")], "cannot be the name of a tool"),
    "rewritten": ([tool(key="k", name="{{ lights }}")], "which nobody rewrites"),
    "same key": ([TIMER, TIMER], "two tools have the key 'timer'"),
    "same name": ([tool(key="k", name="dim")], "may both have the name 'dim'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_tool_is_refused(name: str) -> None:
    tools, said = BAD[name]
    with pytest.raises(InputError) as error:
        space(LIGHTS, *tools)
    assert said in f"{error.value.what} {error.value.fix}"


def test_a_level_that_shows_the_row_is_no_tool_s() -> None:
    shown = pl.Choice(["For {{ text }}.", "Of {{ text }}."])
    with pytest.raises(InputError, match="the same for every row"):
        space(room=shown)


BAD_ROWS: dict[str, tuple[Any, str]] = {
    "text": ("lights", "which is no call"),
    "key": ({"name": "timer", "args": {}}, "unknown key 'args'"),
    "no name": ({"arguments": {}}, "without the name"),
    "arguments": ({"name": "timer", "arguments": [3]}, "no object"),
    "no tool": ({"name": "timers"}, "did you mean 'timer'?"),
    "no parameter": ({"name": "timer", "arguments": {"minute": 3}}, "did you mean 'minutes'?"),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_row_is_named_with_file_and_line(name: str, tmp_path: Path) -> None:
    value, said = BAD_ROWS[name]
    data = rows()
    data[4]["call"] = value
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in data))
    with pytest.raises(InputError) as error:
        make_plan(job(space(), str(file)))
    assert said in f"{error.value.what} {error.value.fix}"
    assert (error.value.where or "").endswith("rows.jsonl:5")


def test_what_does_not_fit_together_is_refused() -> None:
    bare = SearchSpace("{{ form }} {{ text }}", {"form": pl.Choice(["A", "B"])})
    with pytest.raises(InputError, match="the space offers none"):
        make_plan(job(bare, rows()))
    with pytest.raises(InputError, match="no row has the field 'call'; did you mean 'calls'"):
        make_plan(job(space(), rows(field="calls")))
    twice = ModelSettings(name="m", base_url="http://127.0.0.1:1/v1", tools=[{}])
    with pytest.raises(InputError, match="in the space and in the model's settings"):
        make_plan(job(space(), rows(), model=twice))

"""Tools that a prompt offers: their names and descriptions may vary, their keys do not.

    tools:
      - name: set_lights
        description: "{{ lights }}"                   # a component
        parameters:
          type: object
          properties:
            room: {type: string, description: "{{ room }}"}
      - {key: timer, name: "{{ timer_name }}", description: Start a timer.}

OpenAI's form, `{type: function, function: {…}}`, is read too. Scorers know a tool by its key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic import Field, field_validator, model_validator

from promptlathe import documents
from promptlathe.records import Answer, Json, Prompt, Sent
from promptlathe.space.template import compose

PARAMETER = "tools"
"""The model parameter that is set."""
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What services take."""
DESCRIPTION = "description"
Loc = tuple[str | int, ...]


class Tool(documents.Model):
    """One function that the model may call."""

    key: str | None = Field(
        default=None, min_length=1, description="By which scorers know it; by default its name"
    )
    name: str = Field(description="A name, or one {{ component }}")
    description: str | None = None
    parameters: dict[str, Json] = Field(
        default_factory=lambda: {"type": "object", "properties": {}},
        description="A JSON schema; descriptions in it may hold {{ component }}",
    )
    strict: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _unwrapped(cls, given: Any) -> Any:
        match given:
            case {"type": "function", "function": dict(function), **more}:
                return {**more, **cast("dict[str, Any]", function)}
            case _:
                return given

    @field_validator("parameters")
    @classmethod
    def _is_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        if schema.get("type") != "object" or not isinstance(properties, dict):
            raise ValueError(
                "are no JSON schema of an object",
                "write {type: object, properties: {room: {type: string}}, required: [room]}",
            )
        named = cast("dict[str, Any]", properties)
        required = schema.get("required", [])
        lost = [one for one in required if one not in named] if isinstance(required, list) else []
        if lost or not isinstance(required, list):
            raise ValueError(
                f"require {lost[0]!r}, which is no property" if lost else "have a wrong `required`",
                f"properties: {', '.join(named)}",
            )
        return schema

    @property
    def known_as(self) -> str:
        """The key."""
        return self.name if self.key is None else self.key

    def texts(self) -> Iterator[tuple[Loc, str]]:
        """Those that may hold components, with their places."""
        yield ("name",), self.name
        if self.description is not None:
            yield (DESCRIPTION,), self.description
        for loc, text in _descriptions(self.parameters):
            yield ("parameters", *loc), text

    def sent(self, parts: Mapping[str, str | None]) -> dict[str, Any]:
        """The definition as services take it, components filled in; a text that is left out is
        not sent."""
        fill: Callable[[str], str] = lambda text: compose(text, parts)  # noqa: E731
        description = fill(self.description) if self.description else ""
        function = {
            "name": fill(self.name),
            **({DESCRIPTION: description} if description else {}),
            "parameters": _filled(self.parameters, fill),
            **({} if self.strict is None else {"strict": self.strict}),
        }
        return {"type": "function", "function": function}


def _descriptions(schema: Any) -> Iterator[tuple[Loc, str]]:
    if isinstance(schema, Mapping):
        for key, value in cast("Mapping[str, Any]", schema).items():
            if key == DESCRIPTION and isinstance(value, str):
                yield (key,), value
            else:
                yield from (((key, *loc), text) for loc, text in _descriptions(value))
    elif isinstance(schema, list):
        for i, value in enumerate(cast("list[Any]", schema)):
            yield from (((i, *loc), text) for loc, text in _descriptions(value))


def _filled(schema: Any, fill: Callable[[str], str]) -> Any:
    if isinstance(schema, Mapping):
        found = {
            key: fill(value)
            if key == DESCRIPTION and isinstance(value, str)
            else _filled(value, fill)
            for key, value in cast("Mapping[str, Any]", schema).items()
        }
        return {key: value for key, value in found.items() if key != DESCRIPTION or value}
    if isinstance(schema, list):
        return [_filled(value, fill) for value in cast("list[Any]", schema)]
    return schema


def keys_of(tools: Sequence[Tool], parts: Mapping[str, str | None]) -> tuple[tuple[str, str], ...]:
    """(name that is sent, key) of the tools where these differ."""
    named = [(compose(tool.name, parts), tool.known_as) for tool in tools]
    return tuple(sorted((name, key) for name, key in named if name != key))


def keyed(answer: Answer, prompt: Prompt) -> Answer:
    """The answer with the keys of the tools that it calls in place of their names."""
    keys = dict(prompt.tool_keys)
    if not keys or not answer.tool_calls:
        return answer
    return replace(answer, tool_calls=tuple(_keyed(call, keys) for call in answer.tool_calls))


def _keyed(call: Mapping[str, Json], keys: Mapping[str, str]) -> Mapping[str, Json]:
    function = call.get("function")
    if not isinstance(function, Mapping) or function.get("name") not in keys:
        return call
    return {**call, "function": {**function, "name": keys[function["name"]]}}


def output_of(answer: Answer, prompt: Prompt) -> Json:
    """What an answer says: the tools that it calls, by their keys; else its text."""
    return [dict(call) for call in keyed(answer, prompt).tool_calls] or answer.text


def step_outputs(calls: Iterable[Sent], prompts: Mapping[str, Prompt]) -> dict[str, Json]:
    """What each step said last, of the calls of a target that name one."""
    return {
        sent.call.step: output_of(sent.reply, prompts[sent.call.step])
        for sent in calls
        if sent.call.role == "task" and sent.call.step in prompts and isinstance(sent.reply, Answer)
    }


def shown_tools(prompt: Prompt) -> str:
    """The definitions for people to read; "" without any."""
    tools = cast("list[dict[str, Any]]", dict(prompt.parameters).get(PARAMETER) or [])
    return "\n".join(_shown(tool["function"]) for tool in tools)


def _shown(function: Mapping[str, Any]) -> str:
    lines = [f"{function['name']}: {function.get(DESCRIPTION, '')}".rstrip(": ")]
    for name, schema in function["parameters"].get("properties", {}).items():
        said = dict(schema)
        about = said.pop(DESCRIPTION, "")
        lines.append(f"  {name} {json.dumps(said, ensure_ascii=False)}: {about}".rstrip(": "))
    return "\n".join(lines)

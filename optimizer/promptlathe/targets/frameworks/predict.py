"""A `predict_fn` of MLflow as target: a function of a row's fields that formats registered prompts.

    def predict_fn(question: str) -> str:
        prompt = mlflow.genai.load_prompt("prompts:/qa/1")
        answer = client.chat.completions.create(
            model="gpt-6-luna",
            messages=[{"role": "user", "content": prompt.format(question=question)}],
        )
        return answer.choices[0].message.content

As in `mlflow.genai.optimize_prompts`, a prompt of that name has the candidate's text while the
function runs; here for that function alone, so that many rows run at once.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from promptlathe.data.values import copied
from promptlathe.errors import InputError
from promptlathe.records import Json, Prompt
from promptlathe.runtime.seam import Context
from promptlathe.space import SearchSpace
from promptlathe.space.messages import ROLES
from promptlathe.targets.calls import Calls, Threads
from promptlathe.targets.frameworks.dialects import REGISTERED
from promptlathe.targets.frameworks.http import taking
from promptlathe.targets.frameworks.opening import space_of
from promptlathe.targets.frameworks.target import Asking
from promptlathe.targets.frameworks.texts import FoundText, changed, named

INPUTS = "inputs"
"""The field that holds the function's arguments, in rows of MLflow's own form."""
Template = str | list[dict[str, Any]]


@dataclass(frozen=True)
class Formatted:
    """The prompts of the cell that runs, by name, and which of them its code has formatted."""

    prompts: Mapping[str, Prompt]
    used: set[str] = field(default_factory=set[str])


_formatted: ContextVar[Formatted | None] = ContextVar("promptlathe_formatted", default=None)


def from_mlflow(
    *prompts: str, vary: Any = (), components: Mapping[str, Any] | None = None
) -> SearchSpace:
    """The space of prompts in MLflow's registry, `prompts:/name/version` or `prompts:/name@alias`;
    each has its registered name. Else as `from_langchain`."""
    from mlflow.genai import load_prompt

    templates: dict[str, Template] = {}
    for uri in prompts:
        try:
            found = load_prompt(uri)
        except Exception as error:  # noqa: BLE001 - MLflow raises many kinds
            raise InputError(
                f"the prompt {uri} cannot be loaded: {error}",
                "from_mlflow",
                "name one of the registry, as prompts:/name/version",
            ) from None
        templates[found.name] = found.template
    return registered_space(templates, vary, components, where="from_mlflow")


def registered_space(
    templates: Mapping[str, Template], vary: Any, components: Any, *, where: str
) -> SearchSpace:
    """The space of templates by their registered names; always joined. Raises InputError."""
    if not templates:
        raise InputError("no prompt is named", where, "name one of the registry: prompts:/name/1")
    found = {prompt_name(name): texts_of(one) for name, one in templates.items()}
    return space_of(found, vary, components, where=where, joined=True)


def prompt_name(registered: str) -> str:
    """The name of a registered prompt in a space."""
    name = re.sub(r"\W+", "_", registered, flags=re.ASCII)
    return name if name.isidentifier() else f"_{name}"


def texts_of(template: Template) -> tuple[FoundText, ...]:
    """The messages of a registered prompt; of a text one."""
    if isinstance(template, str):
        return named([FoundText("template", "user", template, REGISTERED)])
    found: list[FoundText] = []
    for message in template:
        role = message["role"] if message["role"] in ROLES else "user"
        content = message.get("content")
        if isinstance(content, str):
            found.append(FoundText(role, role, content, REGISTERED))
        else:
            found.append(FoundText(role, role))
    return named(found)


def with_texts(name: str, template: Template, prompt: Prompt) -> Template:
    """A template with a candidate's texts. Raises ValueError when they do not fit."""
    new = changed({name: texts_of(template)}, {name: prompt}, joined=True)
    if isinstance(template, str):
        return new.get((name, 0), template)
    return [
        {**message, "content": new.get((name, i), message.get("content"))}
        for i, message in enumerate(template)
    ]


def is_predict(function: Callable[..., Any], fields: Callable[[], Collection[str]]) -> bool:
    """True for a function whose parameters are fields of the rows, and not (row, prompts, llm)."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return False
    parameters = signature.parameters.values()
    names = [one.name for one in parameters if one.kind is not one.VAR_KEYWORD]
    known = fields()
    if names and all(name in known for name in names):
        return True
    try:
        signature.bind({}, {}, None)
    except TypeError:
        return INPUTS in known or (not names and len(parameters) > 0)
    return False


@dataclass(frozen=True)
class PredictTarget:
    """Calls the function with a row's fields; its chat completions are taken on their way."""

    function: Callable[..., Any]

    @cached_property
    def _threads(self) -> Threads:
        return Threads()

    async def run(
        self, prompts: Mapping[str, Prompt], row: Mapping[str, Json], ctx: Context
    ) -> Json:
        _patch()
        calls = Calls(ctx)
        formatted = Formatted(prompts)

        async def work() -> Any:
            token = _formatted.set(formatted)
            try:
                with taking(Asking(calls, prompts)):
                    output = await self._predict(copied(row))
            finally:
                _formatted.reset(token)
            if not formatted.used:
                raise RuntimeError(
                    f"none of the prompts {', '.join(prompts)} was formatted: load them, and call "
                    "format(), within the function and its own thread"
                )
            return output

        return await calls.output_of(work)

    async def _predict(self, row: dict[str, Any]) -> Any:
        given = self._arguments(row)
        if inspect.iscoroutinefunction(self.function):
            return await self.function(**given)
        return await self._threads.run(lambda: self.function(**given))

    def _arguments(self, row: dict[str, Any]) -> dict[str, Any]:
        held = row.get(INPUTS)
        given = held if isinstance(held, dict) else row
        parameters = inspect.signature(self.function).parameters.values()
        if any(one.kind is one.VAR_KEYWORD for one in parameters):
            return given
        return {one.name: given[one.name] for one in parameters if one.name in given}


def _patch() -> None:
    """Once for a process; outside of a cell nothing is different."""
    from mlflow.entities.model_registry import PromptVersion

    plain = PromptVersion.template
    if getattr(plain.fget, "promptlathe", False):
        return

    def template(self: Any) -> Template:
        registered = plain.fget(self)  # pyright: ignore[reportOptionalCall]
        formatted = _formatted.get()
        name = prompt_name(self.name)
        if formatted is None or name not in formatted.prompts:
            return registered
        formatted.used.add(name)
        return with_texts(name, registered, formatted.prompts[name])

    template.promptlathe = True  # type: ignore[attr-defined]
    PromptVersion.template = property(template)  # type: ignore[method-assign]

"""A function of yours as target: any control flow around calls to the prompts under test.

    @pl.target(prompts=["plan", "answer"])
    async def app(row, prompts, llm):
        plan = await llm(prompts["plan"], **row)
        return await llm(prompts["answer"], plan=plan, **row)

A function without `async` runs in a thread of its own, and there `llm(...)` gives the text itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from promptlathe.data.values import copied
from promptlathe.errors import InputError
from promptlathe.records import Answer, Json, Message, Prompt, Request
from promptlathe.runtime.seam import Context
from promptlathe.space import fields_of, keyed, request_of
from promptlathe.targets.calls import Calls, Threads

Function = Callable[..., Any]
PROMPTS = "promptlathe_prompts"
"""The attribute in which `@target` leaves the names of the prompts."""


def target(*, prompts: Sequence[str]) -> Callable[[Function], Function]:
    """Marks a function `f(row, prompts, llm)` as a target with these named prompts.

    Raises InputError for a function that cannot be called so.
    """

    def mark(function: Function) -> Function:
        check_signature(function)
        setattr(function, PROMPTS, tuple(prompts))
        return function

    return mark


def check_signature(function: Function) -> None:
    """Raises InputError unless the function takes a row, the prompts and llm."""
    try:
        inspect.signature(function).bind({}, {}, None)
    except TypeError as error:
        name = getattr(function, "__name__", "the target")
        raise InputError(
            f"{name} cannot be called with a row, the prompts and llm: {error}",
            "target",
            "write it as  def app(row, prompts, llm):  (or async def)",
        ) from None


class AnswerText(str):
    """An answer's text, with all else that the model gave in `answer`: the tools that it calls,
    say, by their keys."""

    answer: Answer


@dataclass(frozen=True)
class FunctionTarget:
    """Calls `function(row, prompts, llm)` for each cell."""

    function: Function

    @cached_property
    def _threads(self) -> Threads:
        return Threads()

    async def run(
        self, prompts: Mapping[str, Prompt], row: Mapping[str, Json], ctx: Context
    ) -> Json:
        calls = Calls(ctx)
        llm = Llm(prompts, calls)
        arguments = copied(row), dict(prompts)
        if inspect.iscoroutinefunction(self.function):
            return await calls.output_of(lambda: self.function(*arguments, llm.ask))
        return await calls.output_of(
            lambda: self._threads.run(self.function, *arguments, llm.ask_and_wait)
        )


@dataclass(frozen=True)
class Llm:
    """What the function gets to make calls with: metered, cached, recorded."""

    prompts: Mapping[str, Prompt]
    calls: Calls

    async def ask(self, prompt: Any, /, *, repeat: int = 0, **fields: Json) -> AnswerText:
        """The answer of one prompt, its placeholders filled with `fields`.

        prompt: one of those under test, or a text, or a list of messages of your own. repeat: to
        ask the same again and get another answer. Raises ValueError for a placeholder that no
        field fills.
        """
        made, request, step = self._request(prompt, repeat, fields)
        return _reply(await self.calls.send(request, step), made)

    def ask_and_wait(self, prompt: Any, /, *, repeat: int = 0, **fields: Json) -> AnswerText:
        """The same in a thread."""
        made, request, step = self._request(prompt, repeat, fields)
        return _reply(self.calls.wait(request, step), made)

    def _request(
        self, prompt: Any, repeat: int, fields: Mapping[str, Json]
    ) -> tuple[Prompt, Request, str]:
        made = prompt if isinstance(prompt, Prompt) else Prompt(_messages(prompt))
        lost = fields_of(made) - fields.keys()
        if lost:
            raise ValueError(f"no value for {', '.join(sorted(lost))}: pass it to llm(...)")
        step = next((name for name, one in self.prompts.items() if one is made), "")
        return made, request_of(made, fields, repeat=repeat), step


def _reply(answer: Answer, made: Prompt) -> AnswerText:
    reply = AnswerText(answer.text)
    reply.answer = keyed(answer, made)
    return reply


def _messages(given: Any) -> tuple[Message, ...]:
    if isinstance(given, str):
        return (Message("user", given),)
    return tuple(
        one
        if isinstance(one, Message)
        else Message(
            one["role"],
            one.get("content") or "",
            {key: value for key, value in one.items() if key not in ("role", "content")},
        )
        for one in given
    )

"""A function of yours as target: any control flow around calls to the prompts under test.

    @pl.target(prompts=["plan", "answer"])
    async def app(row, prompts, llm):
        plan = await llm(prompts["plan"], **row)
        return await llm(prompts["answer"], plan=plan, **row)

A function without `async` runs in a thread of its own, and there `llm(...)` gives the text itself.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from promptlathe.data.values import copied, plain
from promptlathe.errors import InputError
from promptlathe.records import Answer, Failure, Json, Message, Prompt, Request
from promptlathe.runtime.seam import CallFailed, Context, UnitEnded
from promptlathe.space import keyed, placeholders, render

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


MOST_THREADS = 4096
"""As many as cells may be under way."""


class AnswerText(str):
    """An answer's text, with all else that the model gave in `answer`: the tools that it calls,
    say, by their keys."""

    answer: Answer


@dataclass(frozen=True)
class FunctionTarget:
    """Calls `function(row, prompts, llm)` for each cell."""

    function: Function

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        """A thread for each cell under way, made when it is needed."""
        return ThreadPoolExecutor(MOST_THREADS, "promptlathe-target")

    async def run(
        self, prompts: Mapping[str, Prompt], row: Mapping[str, Json], ctx: Context
    ) -> Json:
        llm = Llm(prompts, ctx)
        arguments = copied(row), dict(prompts)
        output: Json = None
        failed: BaseException | None = None
        try:
            if inspect.iscoroutinefunction(self.function):
                output = await self.function(*arguments, llm.ask)
            else:
                output = await self._in_a_thread(arguments, llm)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told below
            failed = error
        finally:
            llm.over = True
        # A function of yours may have swallowed what ends the cell.
        if llm.ended is not None:
            raise llm.ended from None
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        if failed is not None:
            said = f"{type(failed).__name__}: {failed}"
            raise CallFailed(Failure("target", said)) from failed
        return _plain(output)

    async def _in_a_thread(self, arguments: tuple[Any, ...], llm: Llm) -> Any:
        loop = asyncio.get_running_loop()
        asked = set[Future[AnswerText]]()

        def ask(prompt: Any, /, **fields: Json) -> AnswerText:
            future = asyncio.run_coroutine_threadsafe(llm.ask(prompt, **fields), loop)
            asked.add(future)
            try:
                return future.result()
            except CancelledError:  # an `Exception`, which a function of yours may catch
                raise asyncio.CancelledError from None
            finally:
                asked.discard(future)

        try:
            given = await loop.run_in_executor(self._threads, self.function, *arguments, ask)
            return await given if inspect.isawaitable(given) else given
        finally:
            llm.over = True
            for future in tuple(asked):
                future.cancel()


@dataclass
class Llm:
    """What the function gets to make calls with: metered, cached, recorded."""

    prompts: Mapping[str, Prompt]
    ctx: Context
    ended: UnitEnded | None = None
    """What a call raised."""
    over: bool = False
    """The cell has ended: there are no further calls."""

    async def ask(self, prompt: Any, /, *, repeat: int = 0, **fields: Json) -> AnswerText:
        """The answer of one prompt, its placeholders filled with `fields`.

        prompt: one of those under test, or a text, or a list of messages of your own. repeat: to
        ask the same again and get another answer. Raises ValueError for a placeholder that no
        field fills.
        """
        if self.over:
            raise asyncio.CancelledError
        made = prompt if isinstance(prompt, Prompt) else Prompt(_messages(prompt))
        lost = {n for m in made.messages for n in placeholders(m.text)} - fields.keys()
        if lost:
            raise ValueError(f"no value for {', '.join(sorted(lost))}: pass it to llm(...)")
        step = next((name for name, one in self.prompts.items() if one is made), "")
        request = Request(render(made, fields), made.parameters, repeat)
        try:
            answer = await self.ctx.call(request, step=step)
        except UnitEnded as ended:
            self.ended = ended
            raise
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


def _plain(output: Any) -> Json:
    """What a function gave, as JSON holds it: it is kept, and travels to other processes."""
    try:
        return plain(output)
    except TypeError as error:
        said = f"gave a {error}, which JSON cannot hold: return texts, numbers, lists or dicts"
        raise CallFailed(Failure("target", said)) from None

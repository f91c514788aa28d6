"""The contract of `Target` as tests: subclass `TargetSuite`, and say how your target is made.

    class TestMine(TargetSuite):
        def target(self) -> Target:
            return MyTarget()

        def prompts(self) -> Mapping[str, Prompt]:
            return {"plan": Prompt(...), "answer": Prompt(...)}

No model is called: each call is answered by `answer`, which may be overridden where the target
needs an answer of some form. Nothing but pytest (or any runner that calls the methods named
`test_…`) is needed.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace

from promptlathe.records import PROMPT, Example, Failure, Json, Message, Prompt, content_hash
from promptlathe.runtime.evaluator import Target
from promptlathe.runtime.seam import Abandoned, CallFailed, UnitEnded
from promptlathe.testing.contexts import Asked, ScriptedContext, failing, raised, run

ODD = ("", " \n\t", "{{ text }}", "{% if %}", "cut \ud83d", "a\x00b", "שלום", "x" * 100_000)
"""Texts that rows hold in practice."""
ENDS: tuple[Callable[[], UnitEnded], ...] = (
    lambda: CallFailed(Failure("server_error", "it broke")),
    lambda: CallFailed(Failure("content_filter", "refused")),
    lambda: Abandoned("usd"),
)


class TargetSuite:
    """What every target does. `target` makes one; `prompts` and `rows` are what it is run on."""

    def target(self) -> Target:
        raise NotImplementedError

    def prompts(self) -> Mapping[str, Prompt]:
        """By name; the only one has the name `prompt`."""
        return {PROMPT: Prompt((Message("user", "Say: {{ text }}"),), (("temperature", 0.5),))}

    def rows(self) -> Sequence[Mapping[str, Json]]:
        """Rows of which no two are asked in the same way; `text` is a text."""
        return [{"text": f"text {i}", "tags": [f"tag {i}", "all"]} for i in range(5)]

    def answer(self, asked: Asked, draw: int) -> str:
        """What a model says. Another draw makes another output of equal calls."""
        messages = [message.to_dict() for message in asked.request.messages]
        return f"said {content_hash([messages, dict(asked.request.parameters), draw])}"

    def marked(self, prompt: Prompt, mark: str) -> Prompt:
        """With a mark in its last message, or in another one that it sends."""
        *before, last = prompt.messages
        content = (
            f"{last.content} {mark}" if isinstance(last.content, str) else (*last.content, mark)
        )
        return replace(prompt, messages=(*before, replace(last, content=content)))

    def test_each_unit_has_an_output_that_json_holds(self) -> None:
        async def test() -> None:
            for row in self.rows():
                output, _ = await self._ran(row)
                assert output is not None, "None is the output of what failed"
                assert json.loads(json.dumps(output)) == output

        run(test)

    def test_every_call_goes_through_the_context(self) -> None:
        """As a task's, under the name of a prompt, or without one."""

        async def test() -> None:
            known = {"", *self.prompts()}
            for row in self.rows():
                _, ctx = await self._ran(row)
                assert ctx.asked, "an output came of no call"
                assert {one.role for one in ctx.asked} == {"task"}
                assert {one.step for one in ctx.asked} <= known
                assert ctx.under_way == 0

        run(test)

    def test_the_answers_decide_the_output(self) -> None:
        async def test() -> None:
            for row in self.rows():
                first, _ = await self._ran(row)
                second, _ = await self._ran(row, draw=1)
                assert first != second

        run(test)

    def test_a_call_that_fails_ends_the_unit(self) -> None:
        """Whichever of its calls, and whatever the target makes of it: there is no output."""

        async def test() -> None:
            row = self.rows()[0]
            _, whole = await self._ran(row)
            for number in range(len(whole.asked)):
                for end in ENDS:
                    error = end()
                    ctx = ScriptedContext(failing(lambda a: self.answer(a, 0), number, error))
                    assert await raised(self._run_on(row, ctx)) is error
                    assert len(ctx.asked) == number + 1
                    assert ctx.under_way == 0

        run(test)

    def test_equal_prompts_and_rows_are_asked_equally(self) -> None:
        """Then the second costs nothing: equal calls are one call."""

        async def test() -> None:
            target, seen = self.target(), list[list[Asked]]()
            for row in self.rows():
                (_, first), (_, second) = await self._ran(row, target), await self._ran(row)
                assert first.asked == second.asked
                assert first.asked not in seen
                seen.append(first.asked)

        run(test)

    def test_each_prompt_under_test_is_sent_with_its_parameters(self) -> None:
        async def test() -> None:
            prompts = self.prompts()
            marked = {n: self.marked(prompt, f"[{n}]") for n, prompt in prompts.items()}
            met = set[str]()
            for row in self.rows():
                _, ctx = await self._ran(row, prompts=marked)
                for one in ctx.asked:
                    name = one.step if one.step or PROMPT not in prompts else PROMPT
                    if f"[{name}]" in one.prompt:
                        met.add(name)
                        assert one.request.parameters == prompts[name].parameters
            assert met == set(prompts)

        run(test)

    def test_a_cancelled_unit_leaves_nothing_under_way(self) -> None:
        async def test() -> None:
            before = asyncio.all_tasks()
            ctx = ScriptedContext(lambda asked: self.answer(asked, 0))
            ctx.open.clear()
            unit = asyncio.ensure_future(self._run_on(self.rows()[0], ctx))
            while not ctx.under_way and not unit.done():
                await asyncio.sleep(0.001)
            unit.cancel()
            assert isinstance(await raised(unit), asyncio.CancelledError)
            for _ in range(200):  # a thread may have to hear of it
                if not ctx.under_way and asyncio.all_tasks() == before:
                    break
                await asyncio.sleep(0.005)
            assert ctx.under_way == 0
            assert asyncio.all_tasks() == before
            ctx.open.set()
            await self._ran(self.rows()[0])

        run(test)

    def test_units_at_once_do_not_disturb_each_other(self) -> None:
        async def test() -> None:
            target, rows = self.target(), [*self.rows()] * 4
            alone = [await self._ran(row) for row in rows]
            together = await asyncio.gather(*(self._ran(row, target) for row in rows))
            for (output, ctx), (other, own) in zip(alone, together, strict=True):
                assert other == output
                assert own.asked == ctx.asked

        run(test)

    def test_rows_and_prompts_are_left_as_they_are(self) -> None:
        async def test() -> None:
            prompts = dict(self.prompts())
            ids = {name: prompt.id for name, prompt in prompts.items()}
            for row in map(_kept, self.rows()):
                before = deepcopy(dict(row))
                await self._ran(row, prompts=prompts)
                assert dict(row) == before
            assert {name: replace(prompt).id for name, prompt in prompts.items()} == ids

        run(test)

    def test_no_row_breaks_it(self) -> None:
        """It asks, or says with `CallFailed` that it cannot."""

        async def test() -> None:
            for text in ODD:
                ctx = ScriptedContext(lambda asked: self.answer(asked, 0))
                row = {**self.rows()[0], "text": text}
                error = await raised(self._run_on(row, ctx))
                assert error is None or isinstance(error, CallFailed)

        run(test)

    async def _ran(
        self,
        row: Mapping[str, Json],
        target: Target | None = None,
        *,
        prompts: Mapping[str, Prompt] | None = None,
        draw: int = 0,
    ) -> tuple[Json, ScriptedContext]:
        """(output, context) of a unit that ends well."""
        ctx = ScriptedContext(lambda asked: self.answer(asked, draw))
        return await self._run_on(row, ctx, target, prompts), ctx

    async def _run_on(
        self,
        row: Mapping[str, Json],
        ctx: ScriptedContext,
        target: Target | None = None,
        prompts: Mapping[str, Prompt] | None = None,
    ) -> Json:
        return await (target or self.target()).run(prompts or self.prompts(), _kept(row), ctx)


def _kept(row: Mapping[str, Json]) -> Mapping[str, Json]:
    """As a job hands it over."""
    return Example("e", row, "select").row

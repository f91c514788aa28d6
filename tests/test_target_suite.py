"""The contract of `Target`, on every target; and targets that break it, each of which is caught."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any

import pytest
from tests.suites import caught_by, names_of

import promptlathe as pl
from promptlathe.records import Json, Message, Prompt, Request
from promptlathe.runtime.evaluator import Target
from promptlathe.runtime.seam import CallFailed, Context
from promptlathe.space import render
from promptlathe.targets import FunctionTarget, PromptTarget, StepsTarget
from promptlathe.testing.contexts import ScriptedContext
from promptlathe.testing.targets import TargetSuite

ONE = {"prompt": Prompt((Message("user", "{{ text }}"),))}
Row = Mapping[str, Json]
PLAN = Prompt((Message("system", "Plan."), Message("user", "{{ text }}")), (("seed", 1),))
ANSWER = Prompt((Message("user", "{{ text }}, by the plan {{ plan }}"),), (("temperature", 0.5),))


class TestPrompt(TargetSuite):
    def target(self) -> Target:
        return PromptTarget()


class Steps(TargetSuite):
    def prompts(self) -> Mapping[str, Prompt]:
        return {"plan": PLAN, "answer": ANSWER}


class TestSteps(Steps):
    def target(self) -> Target:
        return StepsTarget("answer")


@pl.target(prompts=["plan", "answer"])
async def chain(row: Any, prompts: Any, llm: Any) -> Any:
    """It changes what it was given, which is its own copy, and catches what it should not."""
    try:
        plan = await llm(prompts["plan"], **row)
        return {"answer": await llm(prompts["answer"], plan=plan, **row), "tags": row["tags"]}
    except BaseException:  # noqa: BLE001 - what a function of yours should not do
        return "swallowed"
    finally:
        row["tags"].append("mine")


@pl.target(prompts=["plan", "answer"])
def chain_in_a_thread(row: Any, prompts: Any, llm: Any) -> Any:
    try:
        return llm(prompts["answer"], plan=llm(prompts["plan"], **row), **row)
    except BaseException:  # noqa: BLE001 - what a function of yours should not do
        return "swallowed"
    finally:
        row["tags"].append("mine")


class TestFunction(Steps):
    def target(self) -> Target:
        return FunctionTarget(chain)


class TestFunctionInAThread(Steps):
    def target(self) -> Target:
        return FunctionTarget(chain_in_a_thread)


class Bypass:
    """Has a model of its own."""

    async def run(self, prompts: Mapping[str, Prompt], row: Row, ctx: Context) -> Json:
        return f"said of {row['text']}"


class Lone:
    """One call, as the default target makes it; what follows breaks one promise each."""

    async def run(self, prompts: Mapping[str, Prompt], row: Row, ctx: Context) -> Json:
        return await self.ask(prompts["prompt"], row, ctx)

    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        return (await ctx.call(Request(render(prompt, row), prompt.parameters))).text


class Bytes(Lone):
    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        return str(await super().ask(prompt, row, ctx)).encode()


class Unpaid(Lone):
    """Its calls are counted as a judge's."""

    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        request = Request(render(prompt, row), prompt.parameters)
        return (await ctx.call(request, role="judge")).text


class Deaf(Lone):
    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        await super().ask(prompt, row, ctx)
        return "yes"


class Stubborn(Lone):
    """Goes on after a call that failed."""

    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        try:
            return await super().ask(prompt, row, ctx)
        except BaseException:  # noqa: BLE001
            return "no idea"


class Dice(Lone):
    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        said = {**row, "text": f"{row['text']} {random.random()}"}
        return await super().ask(prompt, said, ctx)


class OwnPrompt(Lone):
    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        mine = Prompt((Message("user", "What about {{ text }}?"),), prompt.parameters)
        return await super().ask(mine, row, ctx)


class Cold(Lone):
    """Drops the prompt's parameters."""

    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        return await super().ask(Prompt(prompt.messages), row, ctx)


class Detached(Lone):
    """Its calls live on."""

    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        return await asyncio.shield(asyncio.create_task(super().ask(prompt, row, ctx)))


class Shared(Lone):
    """Keeps the row of one unit where another unit finds it."""

    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        self.row = row
        await asyncio.sleep(0)
        return await super().ask(prompt, self.row, ctx)


class Scribbler(Lone):
    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        row["tags"].append("seen")
        return await super().ask(prompt, row, ctx)


class Brittle(Lone):
    async def ask(self, prompt: Prompt, row: Row, ctx: Context) -> Json:
        assert row["text"].split()[0]
        return await super().ask(prompt, row, ctx)


BROKEN: list[tuple[type[Any], str]] = [
    (Bypass, "test_every_call_goes_through_the_context"),
    (Unpaid, "test_every_call_goes_through_the_context"),
    (Bytes, "test_each_unit_has_an_output_that_json_holds"),
    (Deaf, "test_the_answers_decide_the_output"),
    (Stubborn, "test_a_call_that_fails_ends_the_unit"),
    (Dice, "test_equal_prompts_and_rows_are_asked_equally"),
    (OwnPrompt, "test_each_prompt_under_test_is_sent_with_its_parameters"),
    (Cold, "test_each_prompt_under_test_is_sent_with_its_parameters"),
    (Detached, "test_a_cancelled_unit_leaves_nothing_under_way"),
    (Shared, "test_units_at_once_do_not_disturb_each_other"),
    (Scribbler, "test_rows_and_prompts_are_left_as_they_are"),
    (Brittle, "test_no_row_breaks_it"),
]


@pytest.mark.parametrize(("broken", "test"), BROKEN)
def test_what_breaks_the_contract_is_caught(broken: type[Any], test: str) -> None:
    class Suite(TargetSuite):
        def target(self) -> Target:
            return broken()

    assert caught_by(Suite(), test) == {test}


def test_each_test_of_the_suite_can_fail_and_none_fails_for_no_reason() -> None:
    class Sound(TargetSuite):
        def target(self) -> Target:
            return Lone()

    assert {test for _, test in BROKEN} == names_of(TargetSuite)
    assert caught_by(Sound()) == set()


async def test_an_output_that_json_cannot_hold_is_the_functions_failure() -> None:
    async def app(row: Any, prompts: Any, llm: Any) -> Any:
        return {await llm(prompts["prompt"], **row)}

    with pytest.raises(CallFailed, match="a set, which JSON cannot hold") as caught:
        await FunctionTarget(app).run(ONE, {"text": "a"}, ScriptedContext(lambda asked: "b"))
    assert caught.value.failure.reason == "target"


async def test_a_function_makes_no_call_after_its_cell_has_ended() -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def app(row: Any, prompts: Any, llm: Any) -> Any:
        async def later() -> None:
            await asyncio.sleep(0.01)
            await llm(prompts["prompt"], **row)

        tasks.append(asyncio.create_task(later()))
        return await llm(prompts["prompt"], **row)

    ctx = ScriptedContext(lambda asked: "b")
    assert await FunctionTarget(app).run(ONE, {"text": "a"}, ctx) == "b"
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert len(ctx.asked) == 1

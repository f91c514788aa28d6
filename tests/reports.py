"""A small run whose result reports are made of, and what may stand in one."""

from dataclasses import replace
from pathlib import Path

from tests.jobs import OBJECTIVE

import promptlathe as pl
from promptlathe.records import Message
from promptlathe.results import DecidedRow, Result, RowAnswer

SPACE = pl.SearchSpace(
    messages={"system": "{{ task }} {{ form }}", "user": "{{ text }}"},
    components={
        "task": pl.Choice(["Read this.", "Teams: billing, delivery, login."]),
        "form": pl.Choice(["Say which.", "Answer with the label only."]),
    },
)


def small_run(folder: Path) -> Result:
    """Of the pocket model; its report is in `folder`."""
    budget = pl.Budget(calls=150)
    return pl.optimize(SPACE, OBJECTIVE, budget=budget, track=False, workspace=folder)


def saying(result: Result, text: str) -> Result:
    """The same result with a text in all places that others fill."""

    def answer(one: RowAnswer) -> RowAnswer:
        return replace(
            one, output=text, parsed=text, rationales={text: text}, steps={text: text}, unread=True
        )

    rows = [
        DecidedRow(text, {text: text}, text, {side: answer(a) for side, a in row.answers.items()})
        for row in result.rows[:3]
    ]
    prompts = {
        name: replace(prompt, messages=(*prompt.messages, Message("user", text)))
        for name, prompt in result.best.prompts.items()
    }
    facts = replace(
        result.facts,
        **dict.fromkeys(("name", "objective", "goal", "model", "endpoint", "judge"), text),
        labels=(text, *result.facts.labels),
        embedded=False,
        file=f"{text}.yaml",
    )
    return replace(
        result,
        rows=tuple(rows),
        notes=(text,),
        reason=text,
        finish_reason=text,
        facts=facts,
        best=replace(result.best, prompts=prompts, levels={text: text}),
        found_in_best=tuple(
            replace(one, component=text, level=text, over=text) for one in result.found_in_best
        ),
        found_effects=tuple(
            replace(one, component=text, level=text) for one in result.found_effects
        ),
    )

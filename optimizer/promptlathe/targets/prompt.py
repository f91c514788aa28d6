"""The default target: one chat call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptlathe.records import PROMPT, Answer, Json, Prompt
from promptlathe.runtime.seam import Context
from promptlathe.space import request_of


def output_of(answer: Answer) -> Json:
    """The answer's text; without one, its tool calls."""
    if answer.text or not answer.tool_calls:
        return answer.text
    return [dict(call) for call in answer.tool_calls]


@dataclass(frozen=True)
class PromptTarget:
    """Renders the only prompt with the row's fields, and asks once."""

    async def run(
        self, prompts: Mapping[str, Prompt], row: Mapping[str, Json], ctx: Context
    ) -> Json:
        prompt = prompts[PROMPT]
        return output_of(await ctx.call(request_of(prompt, row)))

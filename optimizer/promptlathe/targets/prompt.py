"""The default target: one chat call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptlathe.records import PROMPT, Json, Prompt, Request
from promptlathe.runtime.seam import Context
from promptlathe.space import output_of, render


@dataclass(frozen=True)
class PromptTarget:
    """Renders the only prompt with the row's fields, and asks once."""

    async def run(
        self, prompts: Mapping[str, Prompt], row: Mapping[str, Json], ctx: Context
    ) -> Json:
        prompt = prompts[PROMPT]
        answer = await ctx.call(Request(render(prompt, row), prompt.parameters))
        return output_of(answer, prompt)

"""The default target: one chat call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptlathe.records import PROMPT, Json, Prompt
from promptlathe.runtime.seam import Context
from promptlathe.space import output_of, request_of


@dataclass(frozen=True)
class PromptTarget:
    """Renders the only prompt with the row's fields, and asks once."""

    async def run(
        self, prompts: Mapping[str, Prompt], row: Mapping[str, Json], ctx: Context
    ) -> Json:
        prompt = prompts[PROMPT]
        return output_of(await ctx.call(request_of(prompt, row)), prompt)

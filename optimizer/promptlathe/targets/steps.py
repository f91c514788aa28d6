"""A chain: each prompt may use the outputs of those before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptlathe.records import Json, Prompt
from promptlathe.runtime.seam import Context
from promptlathe.space import request_of
from promptlathe.targets.prompt import output_of


@dataclass(frozen=True)
class StepsTarget:
    """Asks with each prompt in the order of the candidate's, up to the one that is the output."""

    output: str
    """The step whose output is that of the chain."""

    async def run(
        self, prompts: Mapping[str, Prompt], row: Mapping[str, Json], ctx: Context
    ) -> Json:
        known = dict(row)
        for name, prompt in prompts.items():
            known[name] = output_of(await ctx.call(request_of(prompt, known), step=name))
        return known[self.output]

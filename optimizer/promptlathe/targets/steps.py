"""A chain: each prompt may use the outputs of those before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from promptlathe.records import Json, Prompt, Trace
from promptlathe.runtime.seam import Context
from promptlathe.space import output_of, request_of


@dataclass(frozen=True)
class StepsTarget:
    """Asks with each prompt in the order of the candidate's, up to the one that is the output."""

    output: str
    """The step whose output is that of the chain."""

    async def run(
        self, prompts: Mapping[str, Prompt], row: Mapping[str, Json], ctx: Context
    ) -> Json:
        known, outputs = dict(row), dict[str, Json]()
        for name, prompt in prompts.items():
            answer = await ctx.call(request_of(prompt, known), step=name)
            outputs[name] = output_of(answer, prompt)
            known[name] = Trace(outputs[name]).text
        return outputs[self.output]

"""Outcomes of an objective, for tests: scored in an event loop of their own."""

import asyncio
from typing import Any

from promptlathe.records import Answer, Candidate, Cell, Example, Outcome, Prompt, Request, Trace
from promptlathe.scoring import Objective

CANDIDATE = Candidate.single((), Prompt(()))


class NoCalls:
    """A context for scorers that call no model."""

    async def call(self, request: Request, *, role: str = "task", step: str = "") -> Answer:
        raise AssertionError(f"{step} called a model")


def scored(objective: Objective, example: Example, output: Any, ctx: Any = None) -> Outcome:
    """What the objective makes of an output, or of a trace."""
    trace = output if isinstance(output, Trace) else Trace(output)
    return asyncio.run(objective.score(Cell(CANDIDATE, example), trace, ctx or NoCalls()))

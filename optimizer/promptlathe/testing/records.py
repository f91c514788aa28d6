"""Records as tests need them: the outcome of a cell that made one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptlathe.records import Answer, Call, Cell, Failure, Outcome, Sent, Trace


def outcome(
    cell: Cell,
    reply: Answer | Failure,
    scores: Mapping[str, float] | None = None,
    value: float | None = None,
    parsed: str | None = None,
    *,
    cost: float | None = None,
    cached: bool = False,
    **more: Any,
) -> Outcome:
    """What a cell of one call gave; without a value, a failure of the service has none and all
    else has 0."""
    failure = reply if isinstance(reply, Failure) else None
    if value is None and (failure is None or failure.of_prompt):
        value = 0.0
    sent = Sent(Call("model", ()), reply, cost, cached)
    output = reply.text if isinstance(reply, Answer) else None
    trace = Trace(output, (sent,))
    return Outcome(cell, trace, scores or {}, value, parsed, failure=failure, **more)

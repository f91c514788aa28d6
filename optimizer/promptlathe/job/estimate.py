"""What a job's calls take: typically, and at most."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from promptlathe.job.checks import price_calls
from promptlathe.job.job import Job
from promptlathe.models.pricing import (
    BYTES_PER_TOKEN,
    TYPICAL_OUTPUT,
    TYPICAL_PICTURE,
    output_bound,
    worst_case,
)
from promptlathe.records import DRAWING, Call, Candidate, Example
from promptlathe.space import BoundSpace, render

SAMPLE = 20
"""Random candidates, beside the seed."""


@dataclass(frozen=True)
class Estimate:
    """Of one call."""

    input_tokens: int
    """Typically."""
    output_tokens: int
    """Typically."""
    usd: float | None
    """Typically; None when the price is unknown."""
    most_tokens: int
    """Input and output: what is held for the longest prompt that was drawn, with the longest row
    and the longest answer that is allowed. A byte is a token at most."""
    most_usd: float | None
    """At the dearest of the job's models; None when a price is unknown."""

    @property
    def tokens(self) -> int:
        """Input and output, typically."""
        return self.input_tokens + self.output_tokens


def estimate(job: Job, space: BoundSpace, rows: Sequence[Example]) -> Estimate:
    """From the calls of a few random candidates.

    Raises ValueError for a call without `max_tokens`, and InputError for a parameter that the
    model does not know.
    """
    rng = np.random.default_rng(job.search.seed)
    prices = job.paid
    candidates = [space.seed, *(space.candidate(space.space.draw(rng)) for _ in range(SAMPLE))]
    usual = [
        call
        for i, candidate in enumerate(candidates)
        for call in _calls(job, candidate, rows[i % len(rows)].row)
    ]
    longest = _longest(rows)
    most = max(
        worst_case(call, prices).tokens
        for candidate in candidates
        for call in _calls(job, candidate, longest)
    )
    usual.sort(key=_bytes)
    call = usual[len(usual) // 2]
    allowed = output_bound(call)
    pictures = int(call.api in DRAWING)
    tokens = _bytes(call) // BYTES_PER_TOKEN
    output = min(allowed, TYPICAL_PICTURE if pictures else TYPICAL_OUTPUT)
    price = prices.of(call)
    return Estimate(
        tokens,
        output,
        price.of(tokens, output, pictures=pictures) if price else None,
        most,
        _dearest(job, most, allowed) if price else None,
    )


def _calls(job: Job, candidate: Candidate, row: Mapping[str, Any]) -> list[Call]:
    return [
        job.step_models.get(step, job.model).call(render(prompt, row), prompt.parameters, step=step)
        for step, prompt in candidate.prompts.items()
    ]


def _longest(rows: Sequence[Example]) -> dict[str, Any]:
    """A row with the longest value of each field."""
    found: dict[str, Any] = {}
    for example in rows:
        for name, value in example.row.items():
            if name not in found or len(str(value)) > len(str(found[name])):
                found[name] = value
    return found


def _bytes(call: Call) -> int:
    tools = dict(call.parameters).get("tools") or []
    described = json.dumps(tools, ensure_ascii=False) if tools else ""
    return sum(len(message.text.encode()) for message in call.messages) + len(described.encode())


def _dearest(job: Job, tokens: int, output: int) -> float | None:
    """USD of so many tokens, `output` of them written, or of a picture, at the dearest model."""
    prices = list(map(job.paid.of, price_calls(job)))
    known = [price for price in prices if price]
    if len(known) < len(prices):
        return None
    return max((price.of(tokens - output, output, pictures=1) for price in known), default=0.0)

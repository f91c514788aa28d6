"""What a job is going to do, worked out before anything is sent."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from promptlathe.errors import BudgetTooSmall, InputError
from promptlathe.models.pricing import worst_case
from promptlathe.models.seam import check_key
from promptlathe.records import Call, Candidate, Example, content_hash
from promptlathe.search import check_sampler
from promptlathe.space import BoundSpace, Demos, check_data, render

if TYPE_CHECKING:
    from promptlathe.job.job import Job

DECISION_SHARE = 0.4
"""At most this part of the budget is kept for the final comparison."""
FEWEST_TEST_ROWS = 10
FULL_PASSES = 10
"""Not more `select` rows are used than leave the search this many full passes."""
FEWEST_SELECT_ROWS = 16
SAMPLE = 20
BYTES_PER_TOKEN = 4
"""A rule of thumb for English and French prose, for estimates only."""


@dataclass(frozen=True)
class Plan:
    """The rows that will be used, and what the job will cost at most."""

    space: BoundSpace
    select: tuple[Example, ...]
    test: tuple[Example, ...]
    calls: int | None
    """The most calls that the budget affords, estimated; None when only time is limited."""
    input_tokens: int
    """Of one call, estimated."""
    output_tokens: int
    """Of one call, at most."""
    usd: float | None
    """Of one call, at most; None when the price is unknown."""
    notes: tuple[str, ...]


def plan(job: "Job") -> Plan:
    """Check everything and work the plan out; sends nothing.

    Raises InputError, or BudgetTooSmall when nothing could be compared.
    """
    _check_budget(job)
    check_sampler(job.search.policy)
    _check_key(job)
    objective = job.objective
    objective.check()
    train, select, test = (objective.examples(s) for s in ("train", "select", "test"))
    place = partial(job.place, "space")
    check_data(job.space, objective.fields, target=objective.target, where=place)
    space = BoundSpace(job.space, train, objective.target)
    _check_demos(job, len(train))
    _check_rows(job, len(test))
    call = _typical(job, space, select)
    tokens = sum(len(m.content.encode()) for m in call.messages) // BYTES_PER_TOKEN
    worst = worst_case(call, job.prices)
    if job.budget.usd is not None and worst.usd is None:
        raise InputError(
            f"budget.usd needs a price, and {call.model!r} has none",
            job.place("run", ("budget", "usd")),
            f"add  prices: {{{call.model}: {{input: …, output: …}}}}  (USD per million tokens), "
            "or limit calls instead",
        )
    output = int(dict(call.parameters).get("max_tokens", 0))
    price = job.prices.of(call)
    usd = price.of(tokens, output) if price else None
    calls = _affordable(job, tokens + output, usd)
    rows = _rows(calls, len(select), len(test))
    notes = [
        f"{used} of {there} {split} rows are used: the budget affords no more"
        for split, used, there in zip(
            ("select", "test"), rows, (len(select), len(test)), strict=True
        )
        if used < there
    ]
    return Plan(
        space,
        _some(select, rows[0], job.search.seed),
        _some(test, rows[1], job.search.seed),
        calls,
        tokens,
        output,
        usd,
        tuple(notes),
    )


def _check_budget(job: "Job") -> None:
    limits = {name: getattr(job.budget, name) for name in ("calls", "tokens", "usd", "minutes")}
    for name, limit in limits.items():
        number = isinstance(limit, int | float) and math.isfinite(limit)
        if limit is not None and not (number and limit > 0):
            raise InputError(
                f"budget.{name} is {limit!r}",
                job.place("run", ("budget", name)),
                "give a number that is more than 0",
            )
    if all(limit is None for limit in limits.values()):
        raise InputError(
            "the budget has no limit", job.place("run", ("budget",)), "set budget.calls, say"
        )


def _check_key(job: "Job") -> None:
    try:
        check_key(job.model)
    except InputError as error:
        place = job.place("run", ("model",))
        raise InputError(error.what, place or error.where, error.fix) from None


def _check_rows(job: "Job", test: int) -> None:
    if test < FEWEST_TEST_ROWS:
        raise InputError(
            f"the test split has {test} rows: two prompts cannot be compared on fewer than "
            f"{FEWEST_TEST_ROWS}",
            job.place("objective", ("splits", "test")),
            "add rows, or give `splits.test` a larger share",
        )


def _check_demos(job: "Job", available: int) -> None:
    for name, component in job.space.components.items():
        if isinstance(component, Demos) and (most := component.demos.count[1]) > available:
            raise InputError(
                f"{name} shows up to {most} rows, and the train split has {available}",
                job.place("space", ("components", name, "demos", "count")),
                "lower the count, or give `splits.train` a larger share",
            )


def _typical(job: "Job", space: BoundSpace, select: Sequence[Example]) -> Call:
    """The call of middle length among a few random candidates."""
    rng = np.random.default_rng(job.search.seed)
    drawn: list[Candidate] = [space.seed]
    drawn += [space.candidate(job.space.draw(rng)) for _ in range(SAMPLE)]
    calls = [
        job.model.call(render(c.prompt, select[i % len(select)].row), c.prompt.parameters)
        for i, c in enumerate(drawn)
    ]
    calls.sort(key=lambda call: sum(len(m.content) for m in call.messages))
    return calls[len(calls) // 2]


def _affordable(job: "Job", tokens: int, usd: float | None) -> int | None:
    budget = job.budget
    limits = [
        budget.calls,
        budget.tokens // tokens if budget.tokens is not None else None,
        int(budget.usd / usd) if budget.usd is not None and usd else None,
    ]
    return min((limit for limit in limits if limit is not None), default=None)


def _rows(calls: int | None, select: int, test: int) -> tuple[int, int]:
    """How many rows of `select` and of `test` the budget affords."""
    if calls is None:
        return select, test
    test = min(test, int(calls * DECISION_SHARE / 2))
    if test < FEWEST_TEST_ROWS:
        least = int(2 * FEWEST_TEST_ROWS / DECISION_SHARE)
        raise BudgetTooSmall(
            f"the budget affords about {calls} calls: too few to compare two prompts",
            f"allow at least {least} calls (a few hundred for a useful search)",
        )
    passes = (calls - 2 * test) // FULL_PASSES
    return min(select, max(FEWEST_SELECT_ROWS, passes)), test


def _some(examples: Sequence[Example], count: int, seed: int) -> tuple[Example, ...]:
    """The first `count` in an order that depends on the seed and the rows only."""
    return tuple(sorted(examples, key=lambda e: content_hash([seed, e.id]))[:count])

"""What a job is going to do, worked out before anything is sent."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from promptlathe.errors import BudgetTooSmall, InputError
from promptlathe.job.checks import check_inputs, check_operators, models_of
from promptlathe.job.job import Job
from promptlathe.models.pricing import check_prices, worst_case
from promptlathe.records import Call, Candidate, Example, content_hash
from promptlathe.runtime.amounts import Amounts
from promptlathe.space import BoundSpace, check_data, check_images, render, single_braced

DECISION_SHARE = 0.4
"""At most this part of the budget is kept for the final comparison."""
FEWEST_TEST_ROWS = 10
FULL_PASSES = 10
"""Not more `select` rows are used than leave the search this many full passes."""
FEWEST_SELECT_ROWS = 16
TYPICAL_OUTPUT = 200
"""Tokens of an answer, for estimates only: `max_tokens` says little about it."""
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
    calls_per_cell: int
    """As far as it is known beforehand."""
    input_tokens: int
    """Of one call, estimated."""
    output_tokens: int
    """Of one call, at most."""
    usd: float | None
    """Of one call, at most; None when the price is unknown."""
    notes: tuple[str, ...]

    @property
    def first_guess(self) -> Amounts:
        """What a cell takes, before anything is known."""
        tokens = self.input_tokens + min(self.output_tokens, TYPICAL_OUTPUT)
        return Amounts(1, tokens, self.usd or 0.0) * self.calls_per_cell


def make_plan(job: Job) -> Plan:
    """Check everything and work the plan out; sends nothing.

    Raises InputError, or BudgetTooSmall when nothing could be compared.
    """
    check_inputs(job)
    objective = job.objective
    objective.check()
    train, select, test = (objective.examples(s) for s in ("train", "select", "test"))
    labels = objective.labels
    place = partial(job.place, "space")
    check_data(
        job.space,
        objective.fields,
        target=objective.target,
        labels=labels,
        function=job.function is not None,
        partly=objective.partly,
        where=place,
    )
    check_images(job.space, (*train, *select, *test), where=place)
    check_operators(job, len(train))
    opened = job.space.opened() if job.operators else job.space
    space = BoundSpace(opened, train, objective.target, labels)
    _check_rows(job, len(test), objective.repeated["test"])
    _check_prices(job)
    call = _typical(job, space, select)
    tokens = sum(len(m.text.encode()) for m in call.messages) // BYTES_PER_TOKEN
    output = int(dict(call.parameters).get("max_tokens", 0))
    price = job.prices.of(call)
    usd = price.of(tokens, output) if price else None
    each = len(space.seed.prompts) + len(objective.judges)
    typical = min(output, TYPICAL_OUTPUT)
    limit = _tightest(job, tokens + typical, price.of(tokens, typical) if price else None)
    rows = _rows(limit, each, len(select), len(test))
    notes = [*objective.notes, *single_braced(job.space, objective.fields - {objective.target})]
    notes += [
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
        limit and limit.calls,
        each,
        tokens,
        output,
        usd,
        tuple(notes),
    )


def _check_prices(job: Job) -> None:
    """Every model that may be called needs a price, where USD are limited."""
    wanted = {
        "budget.usd": (job.budget.usd, ("run", ("budget", "usd"))),
        "limits.cost_per_1k_calls": (
            job.objective.limits.cost_per_1k_calls,
            ("objective", ("limits", "cost_per_1k_calls")),
        ),
    }
    unpriced = check_prices(models_of(job), job.prices)
    for name, (limit, place) in wanted.items():
        if limit is not None and unpriced:
            many = len(unpriced) > 1
            raise InputError(
                f"{name} needs a price, and {', '.join(map(repr, unpriced))} "
                f"{'have' if many else 'has'} none",
                job.place(*place),
                f"add  prices: {{{unpriced[0]}: {{input: …, output: …}}}}  to the run file "
                "(USD per million tokens), or limit calls instead",
            )


def _check_rows(job: Job, test: int, rows: int) -> None:
    """test: distinct inputs, of so many rows."""
    if test < FEWEST_TEST_ROWS:
        has = f"{test} rows" if rows == test else f"{rows} rows, {test} distinct inputs"
        raise InputError(
            f"the test split has {has}: two prompts cannot be compared on fewer than "
            f"{FEWEST_TEST_ROWS}",
            job.place("objective", ("splits", "test")),
            "add rows with other inputs, or give `splits.test` a larger share",
        )


def _typical(job: Job, space: BoundSpace, select: Sequence[Example]) -> Call:
    """The call of middle length among those of a few random candidates."""
    rng = np.random.default_rng(job.search.seed)
    drawn: list[Candidate] = [space.seed]
    drawn += [space.candidate(space.space.draw(rng)) for _ in range(SAMPLE)]
    calls = [
        job.step_models.get(step, job.model).call(
            render(prompt, select[i % len(select)].row), prompt.parameters, step=step
        )
        for i, candidate in enumerate(drawn)
        for step, prompt in candidate.prompts.items()
    ]
    for call in calls:
        worst_case(call, job.prices)  # a call without a bound is found here
    calls.sort(key=lambda call: sum(len(m.text) for m in call.messages))
    return calls[len(calls) // 2]


def _tightest(job: Job, tokens: int, usd: float | None) -> "Affordable | None":
    """The limit that ends the job first; tokens and usd are those of one typical call."""
    each = {"calls": 1, "tokens": tokens, "usd": usd}
    limits = [
        Affordable(name, limit, cost)
        for name, cost in each.items()
        if cost and (limit := job.budget.limits.get(name)) is not None
    ]
    return min(limits, key=lambda limit: limit.calls, default=None)


@dataclass(frozen=True)
class Affordable:
    """A limit of the budget, and what a typical call takes of it."""

    name: str
    amount: float
    each: float

    @property
    def calls(self) -> int:
        return int(self.amount // self.each)

    def too_small(self, calls: int) -> BudgetTooSmall:
        """The error that asks for enough of it for so many calls."""
        least = self.each * calls
        amount = f"{least:.4f}" if self.name == "usd" else f"{math.ceil(least):,}"
        return BudgetTooSmall(
            f"budget.{self.name} affords about {self.calls} calls: too few to compare two prompts",
            f"set budget.{self.name} to at least {amount} (ten times as much for a useful search)",
        )


def _rows(limit: Affordable | None, each: int, select: int, test: int) -> tuple[int, int]:
    """How many rows of `select` and of `test` the budget affords, with `each` calls a cell.

    Calls are known beforehand. What tokens and USD afford shows while the job runs: here they only
    must afford a comparison at all.
    """
    if limit is None:
        return select, test
    cells = limit.calls // each
    affordable = int(cells * DECISION_SHARE / 2)
    if affordable < FEWEST_TEST_ROWS:
        raise limit.too_small(int(2 * FEWEST_TEST_ROWS / DECISION_SHARE) * each)
    test = min(test, affordable) if limit.name == "calls" else test
    passes = (cells - 2 * min(test, affordable)) // FULL_PASSES
    return min(select, max(FEWEST_SELECT_ROWS, passes)), test


def _some(examples: Iterable[Example], count: int, seed: int) -> tuple[Example, ...]:
    """The first `count` in an order that depends on the seed and the rows only."""
    return tuple(sorted(examples, key=lambda e: content_hash([seed, e.id]))[:count])

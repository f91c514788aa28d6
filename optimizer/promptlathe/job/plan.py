"""What a job is going to do, worked out before anything is sent."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

from promptlathe.data.corpus import load_corpora
from promptlathe.errors import BudgetTooSmall, InputError
from promptlathe.job.checks import (
    check_contexts,
    check_inputs,
    check_operators,
    check_pictures,
    check_steps,
    check_tools,
    models_of,
    tier_notes,
)
from promptlathe.job.estimate import Estimate, estimate
from promptlathe.job.flat_scores import whole_text_notes
from promptlathe.job.job import Job
from promptlathe.job.lacking import lacking
from promptlathe.job.limits import too_few
from promptlathe.models.images import check_picture
from promptlathe.models.pricing import check_prices
from promptlathe.records import Budget, Example, content_hash
from promptlathe.runtime.amounts import Amounts
from promptlathe.space import (
    BoundSpace,
    caching_notes,
    check_conversations,
    check_data,
    check_images,
    check_passages,
    single_braced,
)

DECISION_SHARE = 0.4
"""At most this part of the budget is kept for the final comparison."""
FEWEST_TEST_ROWS = 10
FULL_PASSES = 10
"""Not more `select` rows are used than leave the search this many full passes."""
FEWEST_SELECT_ROWS = 16
NO_BATCHES: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Plan:
    """The rows that will be used, and what the job will cost at most."""

    space: BoundSpace
    select: tuple[Example, ...]
    test: tuple[Example, ...]
    """The newest come first."""
    unopened: int
    """How many of them no decision has seen."""
    calls: int | None
    """The most calls that the budget affords, estimated; None when only time is limited."""
    calls_per_cell: int
    """As far as it is known beforehand."""
    estimate: Estimate
    """Of one call."""
    budget: Budget
    """The job's, and in USD not more than what `check` says that it costs at most."""
    notes: tuple[str, ...]

    @property
    def first_guess(self) -> Amounts:
        """What a cell takes, before anything is known."""
        one = self.estimate
        return Amounts(1, one.tokens, one.usd or 0.0) * self.calls_per_cell


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
    filled = [n for p in job.space.prompts.values() for n in check_passages(p, objective.rows)]
    check_pictures(job, (*train, *select, *test))
    if job.function is None:
        picture = partial(check_picture, folder=objective.folder, within=objective.within)
        check_conversations(job.space, objective.check_values, picture=picture)
    check_steps(job)
    check_contexts(job)
    check_tools(job)
    check_operators(job, len(train))
    opened = job.space.opened() if job.operators else job.space
    inputs = None if job.function else tuple(sorted(job.space.shown))
    corpora = load_corpora(job.space, place)
    space = BoundSpace(opened, train, objective.target, labels, inputs, corpora)
    _check_rows(job, len(test), objective.repeated["test"])
    _check_prices(job)
    one = estimate(job, space, (*select, *test))
    each = len(space.seed.prompts) + objective.judge_calls
    limit = _tightest(job, one)
    rows = _rows(limit, each, len(select), len(test))
    own = "the model under test judges its own answers: name another one with `judge`"
    notes = [
        *objective.notes,
        *([own] if objective.judges and not job.judge else []),
        *tier_notes(job),
    ]
    notes += single_braced(job.space, objective.fields - {objective.target})
    notes += [*filled, *caching_notes(job.space), *lacking(job), *whole_text_notes(job)]
    notes += [
        f"{used} of {there} {split} rows are used: the budget affords no more"
        for split, used, there in zip(
            ("select", "test"), rows, (len(select), len(test)), strict=True
        )
        if used < there
    ]
    notes += too_few(objective.limits.all, rows[1], objective.ranges)
    held = _some(test, rows[1], job.search.seed, objective.batches)
    return Plan(
        space,
        _some(select, rows[0], job.search.seed),
        held,
        sum(row.id in objective.unopened for row in held),
        limit and limit.calls,
        each,
        one,
        _bounded(job.budget, one),
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


def _bounded(budget: Budget, one: Estimate) -> Budget:
    """With what so many calls cost at most as a limit, where that is known."""
    if budget.calls is None or budget.usd is not None or not one.most_usd:
        return budget
    return replace(budget, usd=budget.calls * one.most_usd)


def _tightest(job: Job, one: Estimate) -> "Affordable | None":
    """The limit that ends the job first, by a typical call."""
    each = {"calls": 1, "tokens": one.tokens, "usd": one.usd}
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


def _some(
    examples: Iterable[Example], count: int, seed: int, batches: Mapping[str, int] = NO_BATCHES
) -> tuple[Example, ...]:
    """`count` of them, those of later batches before others, else in an order that depends on the
    seed and the rows only."""
    ordered = sorted(examples, key=lambda e: (-batches.get(e.id, 0), content_hash([seed, e.id])))
    return tuple(ordered[:count])

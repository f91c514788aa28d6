"""What a job is going to do, worked out before anything is sent."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from promptlathe.documents import describe
from promptlathe.errors import BudgetTooSmall, InputError
from promptlathe.models.pricing import worst_case
from promptlathe.models.seam import check_key
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget, Call, Candidate, Example, Scalar, content_hash
from promptlathe.scoring import Objective
from promptlathe.search import check_policy
from promptlathe.search.operators.portfolio import DEMOS, Portfolio, load_portfolio
from promptlathe.space import (
    BoundSpace,
    Choice,
    Demos,
    Float,
    Int,
    SearchSpace,
    Text,
    check_data,
    render,
)
from promptlathe.space.components import Component
from promptlathe.starter import starter

if TYPE_CHECKING:
    from promptlathe.job.job import Job

JOB_NAME = re.compile(r"[A-Za-z0-9_.-]+")
"""It becomes the name of a file, and of a prompt in MLflow's registry."""
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
    _check_kinds(job)
    _check_budget(job)
    check_policy(job.search.policy)
    _check_key(job.model, job.place("run", ("model",)))
    if job.rewriter and job.operators:
        _check_key(job.rewriter, job.place("run", ("rewriter",)))
    _check_parameters(job)
    objective = job.objective
    objective.check()
    train, select, test = (objective.examples(s) for s in ("train", "select", "test"))
    place = partial(job.place, "space")
    check_data(job.space, objective.fields, target=objective.target, where=place)
    _check_operators(job, len(train))
    space = BoundSpace(job.space.opened() if job.operators else job.space, train, objective.target)
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
    if objective.limits.cost_per_1k_calls is not None and worst.usd is None:
        raise InputError(
            f"limits.cost_per_1k_calls needs a price, and {call.model!r} has none",
            job.place("objective", ("limits", "cost_per_1k_calls")),
            f"add  prices: {{{call.model}: {{input: …, output: …}}}}  to the run file "
            "(USD per million tokens)",
        )
    output = int(dict(call.parameters).get("max_tokens", 0))
    price = job.prices.of(call)
    usd = price.of(tokens, output) if price else None
    limit = _tightest(job, tokens + output, usd)
    rows = _rows(limit, len(select), len(test))
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
        limit and limit.calls,
        tokens,
        output,
        usd,
        tuple(notes),
    )


def _check_kinds(job: "Job") -> None:
    """What only Python can get wrong: a run file was checked when it was read."""
    wanted: dict[str, tuple[type, str]] = {
        "space": (SearchSpace, "make one, or SearchSpace.load(path)"),
        "objective": (Objective, "make one, or Objective.load(path)"),
        "budget": (Budget, "write Budget(calls=1000), say"),
        "name": (str, "give a text"),
    }
    for name, (kind, fix) in wanted.items():
        given = getattr(job, name)
        if not isinstance(given, kind):
            raise InputError(f"expected {kind.__name__}, found {describe(given)}", name, fix)
    if not JOB_NAME.fullmatch(job.name):
        raise InputError(
            f"{job.name!r} cannot name a job", "name", "use letters, digits, '-', '_' and '.' only"
        )


def _check_budget(job: "Job") -> None:
    limits = {name: getattr(job.budget, name) for name in ("calls", "tokens", "usd", "minutes")}
    for name, limit in limits.items():
        number = type(limit) in (int, float) and math.isfinite(limit)
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


def _check_key(model: ModelSettings, place: str | None) -> None:
    try:
        check_key(model)
    except InputError as error:
        raise InputError(error.what, place or error.where, error.fix) from None


def _check_operators(job: "Job", train: int) -> None:
    """They must have something to write, rows to learn from, and be known."""
    if not job.operators:
        if job.space.size.count < 2 and not job.space.size.continuous:
            raise InputError(
                "no operator is on, and the space has one candidate only",
                job.place("run", ("search", "operators")),
                "name some, or give a component a second level",
            )
        return
    demos = any(isinstance(one, Demos) for one in job.space.components.values())
    if not job.space.rewritable and not (demos and DEMOS in job.operators):
        raise InputError(
            "operators are named, and no component is marked `rewrite: true`",
            job.place("run", ("search", "operators")),
            "mark a text or a choice of texts in the space, or remove the operators",
        )
    if not train:
        raise InputError(
            "operators learn from rows of the train split, and it is empty",
            job.place("objective", ("splits", "train")),
            "give it a share, or set  search.operators: []",
        )
    try:
        portfolio(job)
    except InputError as error:
        place = job.place("run", ("search", "operators"))
        where = place if error.where == "search.operators" else error.where
        raise InputError(error.what, where or place, error.fix) from None


def portfolio(job: "Job") -> Portfolio:
    """The job's operators. Raises InputError."""
    return load_portfolio(job.operators, job.workspace, starter())


def _check_parameters(job: "Job") -> None:
    """What the space sets for the model must be what a model takes."""
    for name, component in job.space.model.items():
        for value in _extremes(component):
            try:
                ModelSettings.model_validate({"name": "any", name: value}, strict=True)
            except ValidationError as error:
                raise InputError(
                    f"the model parameter {name!r} cannot be {value!r}: {error.errors()[0]['msg']}",
                    job.place("space", ("model", name)),
                    "write numbers as a float or an int component, within the model's range",
                ) from None


def _extremes(component: Scalar | Component) -> Iterable[Scalar]:
    match component:
        case Float(bounds=bounds) | Int(bounds=bounds):
            return bounds
        case Choice(choice=levels):
            return [level.text for level in levels if level.text is not None]
        case Text(text=text):
            return [text]
        case str() | int() | float():
            return [component]
        case _:
            return []


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
    drawn += [space.candidate(space.space.draw(rng)) for _ in range(SAMPLE)]
    calls = [
        job.model.call(render(c.prompt, select[i % len(select)].row), c.prompt.parameters)
        for i, c in enumerate(drawn)
    ]
    calls.sort(key=lambda call: sum(len(m.content) for m in call.messages))
    return calls[len(calls) // 2]


def _tightest(job: "Job", tokens: int, usd: float | None) -> "Limit | None":
    """The limit that ends the job first; tokens and usd are those of one call."""
    budget = job.budget
    each = {"calls": 1, "tokens": tokens, "usd": usd}
    limits = [
        Limit(name, limit, cost)
        for name, cost in each.items()
        if cost and (limit := getattr(budget, name)) is not None
    ]
    return min(limits, key=lambda limit: limit.calls, default=None)


@dataclass(frozen=True)
class Limit:
    """A limit of the budget, and what a call takes of it at most, estimated."""

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


def _rows(limit: Limit | None, select: int, test: int) -> tuple[int, int]:
    """How many rows of `select` and of `test` the budget affords."""
    if limit is None:
        return select, test
    test = min(test, int(limit.calls * DECISION_SHARE / 2))
    if test < FEWEST_TEST_ROWS:
        raise limit.too_small(int(2 * FEWEST_TEST_ROWS / DECISION_SHARE))
    passes = (limit.calls - 2 * test) // FULL_PASSES
    return min(select, max(FEWEST_SELECT_ROWS, passes)), test


def _some(examples: Sequence[Example], count: int, seed: int) -> tuple[Example, ...]:
    """The first `count` in an order that depends on the seed and the rows only."""
    return tuple(sorted(examples, key=lambda e: content_hash([seed, e.id]))[:count])

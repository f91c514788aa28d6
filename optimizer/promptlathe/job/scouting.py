"""A cheap model is asked first: what it says of the rows and of the levels, `lathe` hears.

Its outcomes stand in the ledger as those of a run of another model whose search has ended: they
are heard as far as they fit the model's own answers (search/lathe/memory.py), and are never taken
for answers of the model. Rows are asked about equally often, each by some of the prompts in turn,
so that hard rows and bad prompts can be told apart.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import uuid4

from promptlathe.documents import Loc
from promptlathe.errors import InputError, Interrupted, ModelUnavailable
from promptlathe.job.asking import ask
from promptlathe.job.estimate import estimate
from promptlathe.job.job import Job
from promptlathe.job.plan import Plan, make_plan
from promptlathe.job.resume import course_of
from promptlathe.job.runfile import ScoutOptions
from promptlathe.job.stores import asking_file
from promptlathe.job.warm import terms
from promptlathe.ledger import Asking, Ledger
from promptlathe.records import Budget, Candidate, Cell, Outcome
from promptlathe.runtime.account import Account

KNOWN = 5
"""Outcomes of a row, on average, from which on a scout adds little."""
DEAREST = 0.25
"""Share of the price of the model's call: a scout whose calls cost more is not asked."""
PROMPTS = 8
"""As far as the space has so many."""
Prompted = TypeVar("Prompted")
Row = TypeVar("Row")


def check_scout(job: Job) -> None:
    """Raises InputError for what could stop its calls."""
    scout = job.search.scout
    if scout is None:
        return
    place = job.place("run", ("search", "scout"))
    if job.search.policy != "lathe" or not job.search.warm_start:
        off = "warm_start is false" if job.search.policy == "lathe" else "the policy is not lathe"
        raise InputError(f"nobody listens to a scout: {off}", place, "remove it")
    if any("name" in part.model for part in job.space.prompts.values()):
        raise InputError(
            "a scout answers in the place of one model, and the space names several",
            place,
            "remove it",
        )
    make_plan(_asking(job, scout))


def scout_notes(job: Job, plan: Plan) -> list[str]:
    """What it is going to do, before it does."""
    scout = job.search.scout
    if scout is None:
        return []
    usd = _usd(job, scout, plan)
    if _dear(usd, plan):
        return [_too_dear(scout)]
    price = "" if usd is None else f", about {scout.calls * usd:.4f} USD"
    about = f"{scout.calls:,} calls{price}, beside the budget"
    return [f"the scout {scout.model.name} is asked first, where little is known: {about}"]


async def scouted(
    job: Job, plan: Plan, ledger: Ledger, announce: Callable[[str], object]
) -> list[str]:
    """Ask the scout, if that is worth it; lines about what it did.

    Raises Interrupted or StorageFailed. The search goes on without a scout that is away.
    """
    scout = job.search.scout
    if scout is None or ledger.unfinished(course_of(job, plan)):  # that run began without, or with
        return []
    name, rows = scout.model.name, plan.select
    heard = ledger.heard(terms(job), {row.id for row in rows})
    if heard >= KNOWN * len(rows):
        return [f"the scout {name} was not asked: {heard:,} outcomes of the rows are known"]
    if _dear(_usd(job, scout, plan), plan):
        return [_too_dear(scout)]
    prompts = _prompts(plan, job.search.seed)
    cells = [Cell(*pair) for pair in in_turn(prompts, rows, scout.calls // plan.calls_per_cell)]
    announce(f"asking the scout {name} about {len(rows)} rows")
    told: list[Outcome] = []
    account = Account(Budget(calls=scout.calls), job.prices)
    waiting = Asking(asking_file(job))
    try:
        await ask(
            _asking(job, scout),
            cells,
            account,
            ledger,
            run=uuid4().hex[:12],
            first_guess=plan.first_guess,
            asking=waiting,
            seen=told.append,
        )
    except ModelUnavailable as error:
        return [f"the scout {name} could not be asked: {str(error).splitlines()[0]}"]
    except asyncio.CancelledError:
        raise Interrupted(len(told)) from None
    finally:
        waiting.close()
    spent = account.spent
    price = "" if spent.usd is None else f", {spent.usd:.4f} USD"
    return [f"the scout {name} was asked first: {spent.calls:,} calls{price}, beside the budget"]


def _asking(job: Job, scout: ScoutOptions) -> Job:
    """The job with the scout in the place of its models. Who scores stays, or the scores would be
    others; chances of labels are not heard of other models; it is quick, whatever the engine."""

    def place(part: str, loc: Loc) -> str | None:
        here = part == "run" and loc[:1] == ("model",)
        return job.place(part, ("search", "scout", *loc) if here else loc)

    return replace(
        job,
        model=scout.model,
        step_models={},
        judge=job.scorer,
        rewriter=job.writer,
        search=job.search.model_copy(update={"scout": None, "soft": "off"}),
        parallel=job.parallel.model_copy(update={"engine": "local"}),
        place=place,
    )


def _usd(job: Job, scout: ScoutOptions, plan: Plan) -> float | None:
    """Of a typical call; None when its price is unknown."""
    return estimate(_asking(job, scout), plan.space, plan.select).usd


def _too_dear(scout: ScoutOptions) -> str:
    return (
        f"the scout {scout.model.name} is not asked: its calls are hardly cheaper than the model's"
    )


def _dear(own: float | None, plan: Plan) -> bool:
    """Whether its calls are no small part of the model's, as far as both are known."""
    return own is not None and plan.estimate.usd is not None and own > DEAREST * plan.estimate.usd


def _prompts(plan: Plan, seed: int) -> Sequence[Candidate]:
    from promptlathe.search.lathe.design import spread_out

    return spread_out(plan.space, PROMPTS, seed)


def in_turn(
    prompts: Sequence[Prompted], rows: Sequence[Row], count: int
) -> Iterator[tuple[Prompted, Row]]:
    """About `count` pairs, prompt by prompt: each row is met by the same number of prompts, as far
    as that goes; with fewer than there are rows, some rows by one."""
    each = min(len(prompts), max(1, count // len(rows)))
    for number, prompt in enumerate(prompts):
        for place, row in enumerate(rows[:count]):
            if (number - place) % len(prompts) < each:
                yield prompt, row

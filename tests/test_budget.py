"""Budgets as the service's own books show them: used, never exceeded, and no call is lost."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import ROWS, answers_file
from tests.scripted_jobs import (
    SPACE,
    TEST,
    Service,
    chance,
    job,
    result_of,
    settings,
)

import promptlathe as pl
from promptlathe.errors import InputError
from promptlathe.job import Job, Result
from promptlathe.job.runfile import SearchOptions
from promptlathe.records import Budget
from promptlathe.scoring import judge
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

LIMITS: dict[str, dict[str, Any]] = {
    "calls": {"calls": 200},
    "tokens": {"tokens": 40_000},
    "usd": {"usd": 3.0},
    "minutes": {"minutes": 0.06},
    "all": {"calls": 250, "tokens": 40_000, "usd": 3.0, "minutes": 0.5},
}


def share(result: Result, service: Service, budget: Budget) -> float:
    """The largest part of a limit that was used, by the service's books, the time aside."""
    used = {
        "calls": service.calls,
        "tokens": service.tokens,
        "usd": service.usd,
        "minutes": result.seconds / 60,
    }
    return max(used[name] / limit for name, limit in budget.limits.items())


def within(service: Service, budget: Budget) -> bool:
    """The books show no more than the limits, the time aside."""
    books = {"calls": service.calls, "tokens": service.tokens, "usd": service.usd}
    return all(books[n] <= limit * (1 + 1e-9) for n, limit in budget.limits.items() if n in books)


@pytest.mark.parametrize(
    ("limit", "asking", "slots", "most"),
    [
        ("calls", False, 1, 100),
        ("calls", True, 16, 100),
        ("tokens", False, 1, 1024),
        ("tokens", False, 16, 100),
        ("tokens", True, 1, 100),
        ("tokens", True, 16, 1024),
        ("usd", False, 16, 1024),
        ("usd", True, 1, 1024),
        ("minutes", False, 1, 100),
        ("minutes", True, 16, 100),
        ("all", False, 1, 100),
        ("all", True, 16, 1024),
    ],
)
async def test_a_budget_is_used(
    tmp_path: Path, limit: str, asking: bool, slots: int, most: int
) -> None:
    """Nine tenths of it, by search and decision together, and the decision meets its rows.

    most: `max_tokens`; at 1024 an answer takes a tenth of what it may.
    """
    budget = Budget(**LIMITS[limit])
    service = Service(delay=0.02 if limit == "minutes" else 0.0, tokens_each=100)
    async with ScriptedServer(service) as server:
        model = settings(server, max_tokens=most)
        one = job(server, tmp_path, asking=asking, model=model, budget=budget, concurrency=slots)
        result = await result_of(one)
    used, met = share(result, service, budget), result.test.examples
    print(f"{limit}, max_tokens {most}, {slots} in flight, {asking=}: {used:.1%}, {met} rows")
    assert within(service, budget)
    assert result.test.missing == 0
    # How long the rows will take is known from the pace so far: a machine may slow down.
    assert met >= (TEST // 2 if limit == "minutes" else TEST)
    assert used >= (0.85 if limit == "minutes" else 0.9)


async def test_a_dear_rewriter_leaves_the_rest_of_the_budget_alone(tmp_path: Path) -> None:
    """Its one long answer costs a fifth of all, and says nothing of what a row costs."""
    budget = Budget(usd=5.0)
    service = Service(tokens_each=100, written=900)
    async with ScriptedServer(service) as server:
        one = job(
            server,
            tmp_path,
            asking=True,
            # No fewer than it answers: the reserve holds only where no call takes more than held.
            model=settings(server, max_tokens=100),
            budget=budget,
            writer={"max_tokens": 1024},
            search=SearchOptions(policy="random", operators=("rewrite",), rewrite_share=0.3),
        )
        result = await result_of(one)
    assert (result.spent.of("rewrite").usd or 0.0) > 0.8
    assert within(service, budget)
    assert (result.test.examples, result.test.missing) == (TEST, 0)
    assert share(result, service, budget) >= 0.9


def unpriced(server: ScriptedServer, workspace: Path, who: str) -> Job:
    """A job in which one model, `extra`, has no price."""
    one = job(server, workspace, asking=True, budget=Budget(usd=5.0))
    extra = settings(server, "extra")
    match who:
        case "rewriter":
            return replace(one, rewriter=extra)
        case "judge":
            objective = pl.Objective(ROWS, scorer=judge("Polite, no jargon"))
            return replace(one, objective=objective, judge=extra)
        case "step":
            return replace(one, step_models={"prompt": extra})
        case _:
            name = pl.Choice(["model", "extra"])
            space = pl.SearchSpace(
                messages=SPACE.messages, components=SPACE.components, model={"name": name}
            )
            return replace(one, space=space)


@pytest.mark.parametrize("who", ["rewriter", "judge", "step", "level"])
async def test_a_model_without_a_price_is_named_before_any_call(tmp_path: Path, who: str) -> None:
    async with ScriptedServer(Service()) as server:
        with pytest.raises(InputError, match=r"usd needs a price, and 'extra' has none"):
            await result_of(unpriced(server, tmp_path, who))
        assert not server.arrived
    assert not answers_file(tmp_path).exists()


class Faulty:
    """Limits its rate, breaks, answers too late or cuts the line, each at times."""

    def __call__(self, arrived: Arrived) -> Reply | None:
        drawn = chance("fault", arrived.number)
        if drawn < 0.05:
            return Reply("slow down", status=429, retry_after=0.01)
        if drawn < 0.08:
            return Reply("broken", status=500, retry_after=0.01)
        if drawn < 0.11:
            return Reply("late", delay=1.3)
        return Reply(fault="cut") if drawn < 0.13 else None


@pytest.mark.parametrize(
    ("limit", "retries"), [("calls", 2), ("tokens", 0), ("usd", 2), ("all", 0), ("all", 2)]
)
async def test_no_fault_makes_the_service_work_for_more_than_the_budget(
    tmp_path: Path, limit: str, retries: int
) -> None:
    """64 in flight, operators on. What the service does after a timeout counts as well."""
    budget = Budget(**LIMITS[limit])
    service = Service(delay=0.02, late=0.1, tokens_each=60, fault=Faulty())
    async with ScriptedServer(service) as server:
        changes: dict[str, Any] = {"retries": retries, "timeout": 1.0}
        model = settings(server, max_tokens=100, **changes)
        writer = {"max_tokens": 400, **changes}
        one = job(
            server,
            tmp_path,
            asking=True,
            model=model,
            writer=writer,
            budget=budget,
            concurrency=64,
        )
        result = await result_of(one)
    print(
        f"{budget.limits}: {service.calls} calls, {service.tokens} tokens, {service.usd:.4f} USD "
        f"at the server's end; {service.free} refused"
    )
    assert within(service, budget)
    assert service.free > 5
    assert share(result, service, budget) > 0.5
    known, most = result.spent.usd, result.usd_at_most
    assert known is not None  # though calls failed
    assert most is not None
    assert known < most
    assert service.usd <= most


async def test_tokens_that_are_not_told_are_charged_at_their_worst(tmp_path: Path) -> None:
    service = Service(fault=lambda arrived: Reply("billing", usage={}))
    async with ScriptedServer(service) as server:
        one = job(server, tmp_path, budget=Budget(tokens=40_000), concurrency=16)
        result = await result_of(one)
    assert service.calls * 90 <= 40_000  # 20 of output, and 70 for the chat format, at least
    assert result.spent.tokens == 0
    assert result.spent.usd is None


async def test_a_request_that_is_not_affordable_is_no_call(tmp_path: Path) -> None:
    """The rewriter may cost more than there is: the search goes on without it, to the end."""
    budget = Budget(usd=0.5)
    service = Service(tokens_each=10)
    async with ScriptedServer(service) as server:
        writer = {"max_tokens": 20_000}  # 20 USD
        one = job(server, tmp_path, asking=True, budget=budget, writer=writer)
        result = await result_of(one)
    assert {model for model, _ in service.started} == {"train", "select", "test"}
    assert result.spent.of("rewrite").calls == 0
    assert sum(one.calls for one in result.operators) == 0
    assert result.test.examples == TEST
    assert share(result, service, budget) >= 0.9

"""The budget is never exceeded, not by one call, whatever comes back and in whatever order."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlathe.models.pricing import Price, Prices, worst_case
from promptlathe.records import LIMITS, Answer, Budget, Call, Failure, Message, Role
from promptlathe.runtime.account import Account, Hold
from promptlathe.runtime.amounts import Amounts
from promptlathe.runtime.seam import Abandoned

PRICES = Prices({"m": Price(input=1000, output=4000)})
CHEAP = Answer("x", 2, 1)
ROLES: tuple[Role, ...] = ("task", "judge", "rewrite")


def call(text: str = "hello", max_tokens: int = 100, role: Role = "task") -> Call:
    message = Message("user", text)
    return Call("m", (message,), (("max_tokens", max_tokens),), role=role)


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def account(budget: Budget, clock: Callable[[], float] | None = None) -> Account:
    return Account(budget, PRICES, clock=clock or Clock())


async def refusal(one: Account, what: Call) -> str | None:
    """The limit that refuses an attempt now; "waits" when it would wait."""
    try:
        async with asyncio.timeout(0.01):
            await one.hold(what)
    except Abandoned as ended:
        return ended.limit
    except TimeoutError:
        return "waits"
    return None


WORST = worst_case(call(), PRICES)
SERVED = Failure("timeout", "", billed=1)
REFUSED = Failure("rate_limited", "")


@pytest.mark.parametrize(
    ("reply", "again", "calls", "tokens"),
    [
        (CHEAP, False, 1, 3),
        (Answer("", 0, 0), False, 1, 0),
        (Answer("x"), False, 1, WORST.tokens),
        (Answer("x", 3, None), False, 1, WORST.tokens),
        (SERVED, False, 1, WORST.tokens),
        (SERVED, True, 1, WORST.tokens),
        (REFUSED, True, 0, 0),
        (REFUSED, False, 1, 0),
        (None, False, 1, WORST.tokens),
    ],
)
async def test_what_an_attempt_takes(
    reply: Answer | Failure | None, again: bool, calls: int, tokens: int
) -> None:
    """Unknown is charged at its worst; what the service refused is a call, unless tried again."""
    one = account(Budget(calls=9, tokens=9999, usd=99))
    hold = await one.hold(call())
    took = one.settle(hold, reply, again=again)
    assert (took.calls, took.tokens) == (calls, tokens)
    assert (one.used.calls, one.used.tokens) == (calls, tokens)
    assert one.spent.calls == calls
    assert one.idle


@pytest.mark.parametrize("limit", ["calls", "tokens", "usd"])
async def test_attempts_under_way_are_held_at_their_worst(limit: str) -> None:
    worst = {"calls": 1, "tokens": WORST.tokens, "usd": WORST.usd or 0}[limit]
    one = account(Budget(**{limit: 2 * worst}))  # type: ignore[arg-type]
    first, _ = await one.hold(call()), await one.hold(call())
    # A call is never given back, tokens are: the third waits for them.
    assert await refusal(one, call()) == ("calls" if limit == "calls" else "waits")
    one.settle(first, Answer("", 0, 0))
    assert await refusal(one, call()) == ("calls" if limit == "calls" else None)


async def test_a_hold_that_waits_goes_on_when_an_answer_comes() -> None:
    one = account(Budget(tokens=WORST.tokens + 50))
    first = await one.hold(call())
    waiting = asyncio.create_task(one.hold(call()))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    one.settle(first, CHEAP)
    assert (await waiting).worst.tokens == WORST.tokens


async def test_a_hold_that_waits_ends_when_nothing_is_left_under_way() -> None:
    one = account(Budget(tokens=WORST.tokens + 50))
    first = await one.hold(call())
    waiting = asyncio.create_task(one.hold(call()))
    await asyncio.sleep(0)
    one.settle(first, None)
    with pytest.raises(Abandoned, match="tokens"):
        await waiting


async def test_a_known_answer_counts_as_if_it_was_paid_and_costs_nothing() -> None:
    one = account(Budget(calls=2, tokens=10_000, usd=100))
    await one.use(call("a"), Answer("x", 10, 5))
    spent = one.spent
    assert (spent.calls, spent.tokens, spent.usd) == (0, 0, 0.0)
    assert (spent.cached_calls, spent.cached_tokens, spent.used_calls) == (1, 15, 1)
    assert one.used.tokens == 15
    one.settle(await one.hold(call("b")), CHEAP)
    with pytest.raises(Abandoned, match="calls"):
        await one.use(call("c"), CHEAP)


async def test_a_reserve_is_kept() -> None:
    one = account(Budget(calls=10))
    one.reserve = Amounts(calls=4)
    for _ in range(6):
        one.settle(await one.hold(call()), CHEAP)
    assert await refusal(one, call()) == "calls"
    assert one.admit(Amounts(calls=1)) == "calls"
    one.reserve = Amounts()
    assert await refusal(one, call()) is None


async def test_units_begin_by_what_they_are_expected_to_take() -> None:
    one = account(Budget(calls=10))
    assert [one.admit(Amounts(calls=4)) for _ in range(3)] == [None, None, "calls"]
    one.lower(Amounts(calls=2))
    assert one.admit(Amounts(calls=4)) is None


async def test_a_dollar_limit_affords_nothing_whose_price_is_unknown() -> None:
    one = Account(Budget(usd=1000), Prices(), clock=Clock())
    assert await refusal(one, call()) == "usd"


async def test_nothing_is_sent_when_the_time_is_up() -> None:
    clock = Clock()
    one = account(Budget(minutes=2), clock)
    clock.now += 119.9
    assert await refusal(one, call()) is None
    clock.now += 0.1
    assert await refusal(one, call()) == "minutes"
    assert one.admit(Amounts(calls=1)) == "minutes"
    assert one.used.seconds == pytest.approx(120)


async def test_each_role_has_its_own_count() -> None:
    one = account(Budget())
    for role in ROLES:
        one.settle(await one.hold(call(role=role)), CHEAP)
    assert {role: one.spent.of(role).tokens for role in ROLES} == dict.fromkeys(ROLES, 3)
    assert one.spent.usd == pytest.approx(3 * 0.006)
    one.settle(await one.hold(call(role="judge")), Answer("x"))
    assert one.spent.of("judge").usd is None
    assert one.spent.usd is None


@dataclass
class Service:
    """What was really sent and used, beside the account's own counts."""

    rng: random.Random
    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    under_way: list[Hold] = field(default_factory=list)

    def answers(self, back: Call) -> Answer | Failure | None:
        """Anything up to the worst case; charged even when the service does not say so."""
        kind = self.rng.randrange(6)
        if kind == 0:
            return REFUSED
        bound = int(dict(back.parameters)["max_tokens"])
        output = self.rng.randint(0, bound)
        given = self.rng.randint(0, worst_case(back, PRICES).tokens - bound)
        self.calls += 1
        self.tokens += given + output
        self.usd += PRICES.root["m"].of(given, output)
        match kind:
            case 1:
                return Answer("x")
            case 2:
                return SERVED
            case 3:
                return None
            case _:
                return Answer("x", given, output)


budgets = st.builds(
    Budget,
    st.none() | st.integers(1, 30),
    st.none() | st.integers(100, 6000),
    st.none() | st.floats(0.5, 10),
)


@settings(max_examples=150, deadline=None)
@given(budget=budgets, kept=st.integers(0, 5), seed=st.integers(0, 10**6))
def test_no_limit_is_ever_exceeded(budget: Budget, kept: int, seed: int) -> None:
    """Random calls of all roles, answered in any order; an idle account refuses truly."""
    asyncio.run(course(account(budget), budget, kept, Service(random.Random(seed))))


async def course(one: Account, budget: Budget, kept: int, service: Service) -> None:
    rng = service.rng
    one.reserve = Amounts(calls=kept)
    waiting: list[asyncio.Task[Hold | None]] = []
    for _ in range(60):
        if rng.random() < 0.2:
            known = call("x" * rng.randrange(200), 200, rng.choice(ROLES))
            if one.idle:
                answer = Answer("x", rng.randrange(50), rng.randrange(200))
                took = Amounts(1, answer.tokens or 0, one.cost(known, answer) or 0)
                try:
                    await one.use(known, answer)
                except Abandoned:
                    assert more_than_left(one, took, budget)
                else:
                    service.calls += 1
                    service.tokens += int(took.tokens)
                    service.usd += took.usd
        new = call("x" * rng.randrange(200), rng.randrange(1, 300), rng.choice(ROLES))
        waiting.append(asyncio.create_task(held(one, new, budget)))
        await asyncio.sleep(0)
        if service.under_way and rng.random() < 0.7:
            hold = service.under_way.pop(rng.randrange(len(service.under_way)))
            one.settle(hold, service.answers(hold.call), again=rng.random() < 0.5)
            for _ in range(3):
                await asyncio.sleep(0)
        for task in [each for each in waiting if each.done()]:
            waiting.remove(task)
            if hold := task.result():
                service.under_way.append(hold)
        check(one, budget, service, kept)
    while service.under_way:
        hold = service.under_way.pop()
        one.settle(hold, service.answers(hold.call))
        for _ in range(3):
            await asyncio.sleep(0)
        for task in [each for each in waiting if each.done()]:
            waiting.remove(task)
            if hold := task.result():
                service.under_way.append(hold)
        check(one, budget, service, kept)
    assert one.idle
    assert not waiting, "a hold waits for nothing"


async def held(one: Account, wanted: Call, budget: Budget) -> Hold | None:
    """None: refused; by an idle account only when it is more than what is left."""
    try:
        return await one.hold(wanted)
    except Abandoned:
        worst = worst_case(wanted, PRICES)
        if one.idle:
            assert more_than_left(one, Amounts(1, worst.tokens, worst.usd or 0.0), budget)
        return None


def more_than_left(one: Account, wanted: Amounts, budget: Budget) -> bool:
    total = one.used + wanted + one.reserve
    return any(getattr(total, name) > limit for name, limit in budget.limits.items())


def check(one: Account, budget: Budget, service: Service, kept: int) -> None:
    used = one.used
    for name, limit in budget.limits.items():
        assert name in LIMITS
        reserve = kept if name == "calls" else 0
        mine = getattr(used, name)
        assert mine <= max(0, limit - reserve) + 1e-9
        assert getattr(service, name) <= mine + 1e-9, "the account knows of less than was used"
    assert one.spent.used_calls == used.calls

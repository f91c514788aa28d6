"""The budget is never exceeded, not by one call, whatever comes back and in whatever order."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlathe.models.pricing import Price, Prices, worst_case
from promptlathe.records import Answer, Budget, Call, Failure, Message
from promptlathe.runtime.meter import Meter, Spent

PRICES = Prices({"m": Price(input=1000, output=4000)})
FREE = Prices()


def call(text: str = "hello", max_tokens: int = 100, repeat: int = 0) -> Call:
    return Call("m", (Message("user", text),), (("max_tokens", max_tokens),), repeat)


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def meter(budget: Budget, clock: Callable[[], float] | None = None) -> Meter:
    return Meter(budget, PRICES, clock=clock or Clock())


def admit(meter: Meter, one: Call, keep: int = 0) -> bool:
    """As the evaluator does: ask, and hold what is not refused."""
    if meter.refusal(one, keep=keep):
        return False
    meter.hold(one)
    return True


CHEAP = Answer("x", 2, 1)


@pytest.mark.parametrize("reply", [CHEAP, Answer("x"), Failure("timeout", "")])
def test_calls_end_exactly_at_the_limit(reply: Answer | Failure) -> None:
    one = meter(Budget(calls=5))
    for i in range(5):
        assert admit(one, call(str(i)))
        one.settle(call(str(i)), reply)
    assert one.refusal(call("6")) == "calls"
    assert one.spent.calls == 5


def test_calls_under_way_count() -> None:
    one = meter(Budget(calls=5))
    held = [call(str(i)) for i in range(9)]
    assert [admit(one, c) for c in held] == [True] * 5 + [False] * 4
    one.settle(held[0], CHEAP)
    assert not admit(one, held[8])


def test_equal_calls_count_each_whether_or_not_they_are_under_way_together() -> None:
    together, apart = meter(Budget(calls=3)), meter(Budget(calls=3))
    assert admit(together, call())
    assert admit(together, call())
    together.settle(call(), CHEAP)
    together.settle(call(), CHEAP, cached=True)
    for cached in (False, True):
        assert admit(apart, call())
        apart.settle(call(), CHEAP, cached=cached)
    assert together.spent == apart.spent == Spent(1, 3, 0.006, 1, 3)
    for one in (together, apart):
        assert admit(one, call())
        assert not admit(one, call())


def test_answers_from_the_ledger_count_against_the_budget_and_not_as_paid() -> None:
    one = meter(Budget(calls=2, tokens=10_000, usd=100))
    admit(one, call("a"))
    one.settle(call("a"), Answer("x", 10, 5), cached=True)
    assert one.spent == Spent(0, 0, 0.0, 1, 15)
    assert admit(one, call("b"))
    assert one.refusal(call("c")) == "calls"


def test_keep_leaves_calls_for_later() -> None:
    one = meter(Budget(calls=10))
    taken = sum(admit(one, call(str(i)), keep=4) for i in range(10))
    assert taken == 6
    assert sum(admit(one, call(f"later {i}")) for i in range(10)) == 4


@pytest.mark.parametrize("limit", ["tokens", "usd"])
def test_keep_leaves_room_for_calls_like_the_dearest_so_far(limit: str) -> None:
    worst = worst_case(call(), PRICES)
    each = {"tokens": worst.tokens, "usd": worst.usd}[limit]
    assert each
    one = meter(Budget(**{limit: 10.0001 * each}))
    assert one.refusal(call(), keep=9) is None  # nothing known: each as this one, at worst
    assert one.refusal(call(), keep=10) == limit
    admit(one, call())
    one.settle(call(), Answer("x", worst.tokens // 2 - 50, 50))
    assert one.refusal(call("other"), keep=12) is None
    assert one.refusal(call("other"), keep=18) == limit


def test_a_worst_case_is_free_again_when_the_answer_is_short() -> None:
    one = meter(Budget(tokens=2 * worst_case(call(), PRICES).tokens))
    assert admit(one, call("a"))
    assert admit(one, call("b"))
    assert one.refusal(call("c")) == "tokens"
    one.settle(call("a"), CHEAP)
    one.settle(call("b"), CHEAP)
    assert admit(one, call("c"))


@pytest.mark.parametrize("reply", [Answer("x"), Answer("x", 3, None), Failure("server_error", "")])
def test_unknown_usage_counts_at_its_worst(reply: Answer | Failure) -> None:
    worst = worst_case(call(), PRICES)
    assert worst.usd
    for limit, amount in (("tokens", worst.tokens), ("usd", worst.usd)):
        one = meter(Budget(**{limit: amount * 1.5}))
        assert admit(one, call())
        one.settle(call(), reply)
        assert one.refusal(call()) == limit
        assert one.spent.tokens == worst.tokens
        assert one.spent.usd is None


def test_known_zero_tokens_are_zero() -> None:
    one = meter(Budget(tokens=10_000))
    admit(one, call())
    one.settle(call(), Answer("", 0, 0))
    assert one.spent.tokens == 0


def test_a_dollar_limit_admits_nothing_whose_price_is_unknown() -> None:
    one = Meter(Budget(usd=1000), FREE, clock=Clock())
    assert one.refusal(call()) == "usd"


def test_no_call_is_sent_when_the_time_is_up() -> None:
    clock = Clock()
    one = meter(Budget(minutes=2), clock)
    assert admit(one, call("a"))
    clock.now += 119.9
    assert one.refusal(call("b")) is None
    clock.now += 0.1
    assert one.refusal(call("b")) == "minutes"
    assert one.seconds == pytest.approx(120)


def test_keep_leaves_time_at_the_pace_so_far() -> None:
    clock = Clock()
    one = meter(Budget(minutes=1), clock)
    for i in range(10):
        admit(one, call(str(i)))
        clock.now += 1
        one.settle(call(str(i)), CHEAP)
    assert one.refusal(call(), keep=49) is None
    assert one.refusal(call(), keep=50) == "minutes"


@dataclass
class Service:
    """What was really sent and used, beside the meter's own counts."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    under_way: list[tuple[Call, bool]] = field(default_factory=list)


budgets = st.builds(
    Budget,
    st.none() | st.integers(1, 30),
    st.none() | st.integers(100, 6000),
    st.none() | st.floats(0.5, 10),
    st.none() | st.floats(0.1, 2),
)


@settings(max_examples=150, deadline=None)
@given(
    budget=budgets,
    slots=st.integers(1, 12),
    keep=st.integers(0, 10),
    seed=st.integers(0, 10**6),
)
def test_no_limit_is_ever_exceeded(budget: Budget, slots: int, keep: int, seed: int) -> None:
    """Random calls of random worst cases, answered in any order with anything up to it."""
    rng, clock, service = random.Random(seed), Clock(), Service()
    one = meter(budget, clock)
    for number in range(60):
        new = call("x" * rng.randrange(200), rng.randrange(1, 300), number // 2)
        if len(service.under_way) < slots and admit(one, new, keep):
            cached = rng.random() < 0.2
            service.under_way.append((new, cached))
            assert budget.minutes is None or clock.now - 100 < 60 * budget.minutes
        clock.now += rng.random() * 3
        if service.under_way and rng.random() < 0.6:
            back, cached = service.under_way.pop(rng.randrange(len(service.under_way)))
            one.settle(back, answer(rng, back, service), cached=cached)
        calls = service.calls + len(service.under_way)
        assert budget.calls is None or not calls or calls + keep <= budget.calls
        assert budget.tokens is None or service.tokens <= budget.tokens
        assert budget.usd is None or service.usd <= budget.usd + 1e-9
    assert one.spent.used_calls == service.calls


def answer(rng: random.Random, back: Call, service: Service) -> Answer | Failure:
    """Anything up to the worst case; charged even when the service does not say so."""
    worst = worst_case(back, PRICES)
    output = rng.randint(0, int(dict(back.parameters)["max_tokens"]))
    input_tokens = rng.randint(0, worst.tokens - int(dict(back.parameters)["max_tokens"]))
    service.calls += 1
    service.tokens += input_tokens + output
    service.usd += PRICES.root["m"].of(input_tokens, output)
    match rng.randrange(4):
        case 0:
            return Answer("x")
        case 1:
            return Failure("timeout", "")
        case _:
            return Answer("x", input_tokens, output)

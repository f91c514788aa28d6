"""Prices: what an answer cost, and the upper bound before it is asked for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from promptlathe.models import ModelSettings, Price, Prices, check_prices, cost, worst_case
from promptlathe.records import Answer, Call, Image, Message

PRICES = Prices.model_validate({"m": {"input": 0.25, "output": 2}})
CALL = ModelSettings(name="m", base_url="http://127.0.0.1/v1", max_tokens=100).call(
    [Message("user", "hi")]
)
POCKET = ModelSettings(name="pocket").call([Message("user", "hi")])


def test_the_cost_of_an_answer() -> None:
    assert cost(CALL, Answer("x", 1_000_000, 500_000), PRICES) == 1.25
    assert cost(POCKET, Answer("x"), PRICES) == 0.0


def test_an_unknown_cost_is_none_and_not_zero() -> None:
    assert cost(CALL, Answer("x", None, 5), PRICES) is None
    assert cost(CALL, Answer("x", 5, 5), Prices()) is None
    served = ModelSettings(name="pocket", base_url="http://127.0.0.1/v1").call([])
    assert cost(served, Answer("x", 5, 5), Prices()) is None


def test_a_call_without_a_limit_has_no_bound() -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        worst_case(Call("m", ()), PRICES)


def test_the_bound_in_usd() -> None:
    bound = worst_case(CALL, PRICES)
    assert bound.usd == PRICES.root["m"].of(bound.tokens - 100, 100)
    assert worst_case(CALL, Prices()).usd is None
    assert worst_case(POCKET, PRICES).usd == 0.0


@given(st.lists(st.text()))
def test_the_bound_is_above_one_token_a_byte(texts: list[str]) -> None:
    call = ModelSettings(name="m").call([Message("user", text) for text in texts])
    assert worst_case(call, PRICES).tokens > 1024 + sum(len(t.encode()) for t in texts)


@pytest.mark.parametrize("wrong", [{"input": -1, "output": 1}, {"input": 1}, {"in": 1}])
def test_wrong_prices_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Price.model_validate(wrong)


def test_cached_and_written_tokens_have_their_price() -> None:
    price = Price(input=10, output=0, cached=1, cache_write=12)
    assert price.of(1_000_000, 0, cached=500_000, cache_write=250_000) == 0.5 + 3 + 2.5
    assert Price(input=10, output=0).of(1_000_000, 0, cached=500_000) == 10


def test_tools_and_pictures_count_in_the_bound() -> None:
    settings = ModelSettings(name="m")
    plain = worst_case(settings.call([Message("user", "hi")]), PRICES).tokens
    seen = Message("user", ("hi", Image("data:image/png;base64,AA")))
    tools = [{"type": "function", "function": {"name": "f" * 1000}}]
    more = worst_case(settings.call([seen], (("tools", tools),)), PRICES).tokens
    assert more > plain + 1000 + 5000


def test_what_has_no_price() -> None:
    assert check_prices(["m", "n", "n"], PRICES) == ("n",)

"""What answers cost, and what a call can cost at most before it is sent."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field, RootModel

from promptlathe import documents
from promptlathe.models.settings import POCKET
from promptlathe.records import Answer, Call

_MILLION = 1_000_000
_PER_CALL = 64
_PER_MESSAGE = 8
"""Tokens that a service's chat format adds: a preamble, and the marks around each message."""

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(documents.Model):
    """USD for a million tokens."""

    input: Usd
    output: Usd

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """USD for so many tokens."""
        return (input_tokens * self.input + output_tokens * self.output) / _MILLION


_FREE = Price(input=0, output=0)


class Prices(RootModel[dict[str, Price]], frozen=True):
    """The prices of the run file, by model name."""

    root: dict[str, Price] = {}

    def of(self, call: Call) -> Price | None:
        """The price of the call's model: the embedded one is free, others must be named."""
        if call.model == POCKET and not call.endpoint:
            return _FREE
        return self.root.get(call.model)


class WorstCase(NamedTuple):
    """Upper bounds of one attempt; USD None when the price is unknown."""

    tokens: int
    usd: float | None


def cost(call: Call, answer: Answer, prices: Prices) -> float | None:
    """USD that an answer cost; None when the price or the tokens are unknown."""
    price = prices.of(call)
    if price is None:
        return None
    if price == _FREE:
        return 0.0
    if answer.input_tokens is None or answer.output_tokens is None:
        return None
    return price.of(answer.input_tokens, answer.output_tokens)


def worst_case(call: Call, prices: Prices) -> WorstCase:
    """What the call can take at most, for a budget that is checked before it is sent.

    Input: a token stands for at least one byte of UTF-8. Output: `max_tokens`, which
    `ModelSettings.parameters` always holds; raises ValueError for a call without it.
    """
    output = dict(call.parameters).get("max_tokens")
    if not isinstance(output, int):
        raise ValueError("a call without max_tokens has no upper bound")
    size = sum(len(m.content.encode("utf-8", "surrogatepass")) for m in call.messages)
    input_tokens = size + _PER_MESSAGE * len(call.messages) + _PER_CALL
    price = prices.of(call)
    usd = price.of(input_tokens, output) if price else None
    return WorstCase(input_tokens + output, usd)

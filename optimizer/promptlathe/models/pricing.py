"""What answers cost, and what a call can cost at most before it is sent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, RootModel, model_validator

from promptlathe import documents
from promptlathe.models.local_weights import LOCAL
from promptlathe.models.pocket import VERSION
from promptlathe.models.settings import BATCHED, FLEX, POCKET
from promptlathe.records import DRAWING, Answer, Call, Message

_MILLION = 1_000_000
_PER_CALL = 64
_PER_MESSAGE = 8
"""Tokens that a service's chat format adds: a preamble, and the marks around each message."""

_LOW_IMAGE, _IMAGE = 3_000, 6_000
"""Tokens of a picture, at most: services count pixels, up to 2,833 at low detail and 4,784
otherwise. OpenAI's gpt-4o-mini alone takes up to 36,835 and can pass this bound."""
DRAWN_TOKENS = 8_000
"""Of a picture that is drawn, at most: OpenAI's gpt-image-1 took 6,240 at high quality and its
largest size. A size or quality beyond these can pass this bound."""
BYTES_PER_TOKEN = 4
"""A rule of thumb for English and French prose; a bound counts each byte."""
TYPICAL_OUTPUT = 200
"""Tokens of an answer, where `max_tokens` allows more: it says little about them."""
TYPICAL_PICTURE = 1_056
"""Tokens of a picture that is drawn: gpt-image-1's at medium quality, 1024x1024."""
_JSON = ("extra_body", "questions", "response_format", "tools")
"""Parameters that the model reads."""

Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(documents.Model):
    """USD for a million tokens, or for each picture that is drawn, or both."""

    input: Usd = 0.0
    output: Usd = 0.0

    cached: Usd | None = None
    """Input that is read from the provider's cache; as `input` where it is not said."""
    cache_write: Usd | None = None
    """Input that is written to it; as `input` where it is not said."""
    image: Usd | None = None
    """USD for a picture that the model draws, beside its tokens."""
    flex: Annotated[float, Field(gt=0, le=1)] = 0.5
    """What part of these prices a call at `service_tier: flex` costs."""
    batch: Annotated[float, Field(gt=0, le=1)] = 0.5
    """What part of them a call of a batch costs."""

    @model_validator(mode="after")
    def _said(self) -> Self:
        if self.image is None and not {"input", "output"} <= self.model_fields_set:
            missing = "output" if "input" in self.model_fields_set else "input"
            raise ValueError(
                f"the price has no `{missing}`",
                "write {input: …, output: …} (USD per million tokens), or {image: …} of a picture",
            )
        return self

    @property
    def by_picture(self) -> bool:
        """A picture costs the same, whatever tokens it takes."""
        return self.image is not None and not (self.input or self.output)

    def times(self, factor: float) -> Price:
        """That part of it."""
        names = ("input", "output", "cached", "cache_write", "image")
        told = {name: value for name in names if (value := getattr(self, name)) is not None}
        return self.model_copy(update={name: value * factor for name, value in told.items()})

    def of(
        self,
        input: int,
        output: int,
        *,
        cached: int = 0,
        cache_write: int = 0,
        pictures: int = 0,
    ) -> float:
        """USD for so many tokens and pictures; `cached` and `cache_write` are parts of the
        input."""
        cached = min(cached, input)
        written = min(cache_write, input - cached)
        read = self.input if self.cached is None else self.cached
        write = self.input if self.cache_write is None else self.cache_write
        rest = (input - cached - written) * self.input
        tokens = rest + cached * read + written * write + output * self.output
        return tokens / _MILLION + pictures * (self.image or 0.0)


_FREE = Price(input=0, output=0)


class Prices(RootModel[dict[str, Price]], frozen=True):
    """The prices of the run file, by model name."""

    root: dict[str, Price] = {}

    def of(self, call: Call) -> Price | None:
        """The price of the call's model: what is computed here is free, others must be named."""
        embedded = call.model == POCKET and call.endpoint == f"{POCKET}-{VERSION}"
        if embedded or call.endpoint.startswith(LOCAL):
            return _FREE
        price = self.root.get(call.model)
        return price.times(price.flex) if price and FLEX in call.parameters else price

    def in_batches(self) -> Prices:
        """The same, where calls go in batches."""
        return _BatchPrices(self.root)


class _BatchPrices(Prices, frozen=True):
    """Of calls that a batch takes a part; the others are made at once."""

    def of(self, call: Call) -> Price | None:
        price = super().of(call)
        part = price is not None and price is not _FREE and call.api in BATCHED
        return price.times(price.batch) if price and part else price


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
    pictures = int(call.api in DRAWING)
    if pictures and price.by_picture:
        return price.of(0, 0, pictures=1)
    if answer.input_tokens is None or answer.output_tokens is None:
        return None
    return price.of(
        answer.input_tokens,
        answer.output_tokens,
        cached=answer.cached_tokens or 0,
        cache_write=answer.cache_write_tokens or 0,
        pictures=pictures,
    )


def check_prices(names: Iterable[str], prices: Prices) -> tuple[str, ...]:
    """Which of the models' names have no price, each once, in order.

    The caller leaves out those that are computed here: they are free.
    """
    return tuple(name for name in dict.fromkeys(names) if name not in prices.root)


def worst_case(call: Call, prices: Prices) -> WorstCase:
    """What the call can take at most, for a budget that is checked before it is sent.

    Input: a token stands for at least one byte of UTF-8. Output: `max_tokens`, which
    `ModelSettings.parameters` always holds; raises ValueError for a call without it.
    """
    parameters = dict(call.parameters)
    output = output_bound(call)
    size = sum(_size(message) for message in call.messages)
    size += sum(_bytes(parameters[name]) for name in _JSON if name in parameters)
    input_tokens = size + _PER_MESSAGE * len(call.messages) + _PER_CALL
    price = prices.of(call)
    if price is None:
        return WorstCase(input_tokens + output, None)
    written = price.cache_write is not None and price.cache_write > price.input
    usd = price.of(
        input_tokens,
        output,
        cache_write=input_tokens if written else 0,
        pictures=int(call.api in DRAWING),
    )
    return WorstCase(input_tokens + output, usd)


def output_bound(call: Call) -> int:
    """Tokens of its answer, at most. Raises ValueError for a chat call without `max_tokens`."""
    if call.api in DRAWING:
        return DRAWN_TOKENS
    most = dict(call.parameters).get("max_tokens")
    if not isinstance(most, int):
        raise ValueError("a call without max_tokens has no upper bound")
    return most


def _size(message: Message) -> int:
    text = len(message.text.encode("utf-8", "surrogatepass"))
    pictures = sum(_LOW_IMAGE if i.detail == "low" else _IMAGE for i in message.images)
    return text + pictures + (_bytes(dict(message.more)) if message.more else 0)


def _bytes(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))

"""Limits: what a prompt may take at most, beside being good."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from promptlathe.documents import Model, describe
from promptlathe.records import Answer, Outcome

Metric = Literal["output_tokens", "input_tokens", "tokens", "cost_per_1k_calls", "latency"]
_FORM = re.compile(r"\s*<=\s*(\d+(?:\.\d*)?|\.\d+)\s*")


@dataclass(frozen=True, slots=True)
class Limit:
    """The mean of `metric` over a prompt's calls may be `most`.

    Units: tokens; USD for 1,000 calls; seconds from sending to the whole answer.
    """

    metric: Metric
    most: float

    def of(self, outcome: Outcome) -> float | None:
        """What one call took; None for a failure, and where the service does not say."""
        answer = outcome.reply
        if not isinstance(answer, Answer):
            return None
        match self.metric:
            case "output_tokens":
                return answer.output_tokens
            case "input_tokens":
                return answer.input_tokens
            case "tokens":
                return outcome.tokens
            case "cost_per_1k_calls":
                return None if outcome.cost is None else 1000 * outcome.cost
            case "latency":
                return answer.latency

    def mean(self, outcomes: Iterable[Outcome]) -> float | None:
        """Mean over the calls that tell; None when none does."""
        known = [value for outcome in outcomes if (value := self.of(outcome)) is not None]
        return sum(known) / len(known) if known else None


def _most(given: Any) -> Any:
    """`<= 200`, or the number alone."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return given
    form = _FORM.fullmatch(given) if isinstance(given, str) else None
    if form is None:
        raise ValueError(f"expected an upper limit, found {describe(given)}", 'write "<= 200", say')
    return float(form[1])


Most = Annotated[
    float,
    BeforeValidator(_most, json_schema_input_type=str | float),
    Field(gt=0),
    PlainSerializer(lambda most: f"<= {most:.15g}"),
]


class Limits(Model):
    """Upper limits on a prompt's mean over its calls: `{output_tokens: "<= 200"}`."""

    output_tokens: Most | None = None
    input_tokens: Most | None = None
    tokens: Most | None = None
    cost_per_1k_calls: Most | None = None
    latency: Most | None = None

    @property
    def all(self) -> tuple[Limit, ...]:
        """Those that are set."""
        return tuple(Limit(name, most) for name, most in self if most is not None)  # type: ignore[arg-type]  # the fields are the metrics

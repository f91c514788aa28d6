"""Limits: what a prompt may take at most, and score at most or at least, beside being good."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, PlainValidator

from promptlathe.documents import Model, describe
from promptlathe.records import Outcome, total

_FORM = re.compile(r"\s*(<=|>=)\s*(\d+(?:\.\d*)?|\.\d+)\s*")


@dataclass(frozen=True, slots=True)
class Limit:
    """The mean of `metric` over a prompt's rows may be at most `bound`; or at least, of a score.

    Units: tokens; USD for 1,000 rows; seconds from sending to the whole answer; a scorer's own.
    Tokens, cost and latency are those of all of the target's calls for a row.
    """

    metric: str
    """One of METRICS, or the name of a score."""
    bound: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{self.metric} {'>=' if self.at_least else '<='} {self.bound:g}"

    def keeps(self, mean: float) -> bool:
        """A mean is on the right side of it."""
        return mean >= self.bound if self.at_least else mean <= self.bound

    @property
    def on_score(self) -> bool:
        """It is on a score, not on what calls take."""
        return self.metric not in METRICS

    def of(self, outcome: Outcome) -> float | None:
        """What one row took; None for a failure, and where the service does not say.

        A score counts also where it is the worst because the prompt failed.
        """
        if self.on_score:
            return outcome.scores.get(self.metric)
        answers = outcome.trace.answers()
        if outcome.failure is not None or not answers:
            return None
        match self.metric:
            case "output_tokens":
                return total([answer.output_tokens for answer in answers])
            case "input_tokens":
                return total([answer.input_tokens for answer in answers])
            case "tokens":
                return outcome.tokens
            case "cost_per_1k_calls":
                return None if outcome.cost is None else 1000 * outcome.cost
            case _:
                return sum(answer.latency for answer in answers)

    def mean(self, outcomes: Iterable[Outcome]) -> float | None:
        """Mean over the rows that tell; None when none does."""
        known = [value for outcome in outcomes if (value := self.of(outcome)) is not None]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True, slots=True)
class Bound:
    """Of a score: at most, or at least."""

    value: float
    at_least: bool = False


def _most(given: Any) -> Any:
    """`<= 200`, or the number alone."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return given
    form = _FORM.fullmatch(given) if isinstance(given, str) else None
    if form is None or form[1] != "<=":
        raise ValueError(f"expected an upper limit, found {describe(given)}", 'write "<= 200", say')
    return float(form[2])


def _bound(given: Any) -> Bound:
    """`<= 0.01` or `>= 0.99`; a number alone is the most."""
    if isinstance(given, Bound):
        return given
    form = _FORM.fullmatch(given) if isinstance(given, str) else None
    if form is None and (isinstance(given, bool) or not isinstance(given, int | float)):
        raise ValueError(
            f"expected a limit, found {describe(given)}", 'write "<= 0.01" or ">= 0.99", say'
        )
    return Bound(float(form[2]), form[1] == ">=") if form else Bound(float(given))


_READ = BeforeValidator(_most, json_schema_input_type=str | float)
_WRITTEN = PlainSerializer(lambda most: f"<= {most:.15g}")
Most = Annotated[float, _READ, Field(gt=0), _WRITTEN]
BoundScore = Annotated[
    Bound,
    PlainValidator(_bound, json_schema_input_type=str | float),
    PlainSerializer(lambda one: f"{'>=' if one.at_least else '<='} {one.value:.15g}"),
]


class Limits(Model):
    """Limits on what a prompt takes and scores: `{output_tokens: "<= 200", toxicity: "<= 0.01"}`.

    Further keys are names of scores: these have to be shown with confidence.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, BoundScore] = Field(init=False)  # type: ignore[assignment]

    output_tokens: Most | None = None
    input_tokens: Most | None = None
    tokens: Most | None = None
    cost_per_1k_calls: Most | None = None
    latency: Most | None = None

    @property
    def all(self) -> tuple[Limit, ...]:
        """Those that are set."""
        return tuple(
            Limit(name, one.value, one.at_least) if isinstance(one, Bound) else Limit(name, one)
            for name, one in self
            if one is not None
        )


METRICS = tuple(Limits.model_fields)
"""What calls take."""

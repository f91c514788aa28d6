"""A scorer of what was read in an answer, without a right answer to compare it with."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import field_validator

from promptlathe.data.values import as_text
from promptlathe.records import Example, Score, Trace
from promptlathe.runtime.seam import Context
from promptlathe.scoring.parsing import Parse, has_pattern, parser, steps
from promptlathe.scoring.scorer import (
    PATTERN_SECONDS,
    UNREAD,
    Measure,
    Scorer,
    Surroundings,
)

Grade = Callable[[str, Mapping[str, Any]], tuple[float | None, str | None]]
"""From what was read and the row to the score and why it is not better; None: cannot be read."""


class Read(Scorer):
    """Its `parse` step reads, `grader` makes the function that scores."""

    parse: Parse = "text"

    @field_validator("parse")
    @classmethod
    def _needs_no_labels(cls, parse: Parse) -> Parse:
        if "label" in steps(parse):
            raise ValueError(
                f"`label` needs a target, which the scorer {cls.keyword} does not have",
                "leave `parse` out, or take another scorer",
            )
        return parse

    @property
    def reading(self) -> str | None:
        return "The whole output counts." if self.parse == "text" else None

    def aside(self, around: Surroundings) -> float | None:
        del around
        return PATTERN_SECONDS if has_pattern(self.parse) else None

    @abstractmethod
    def grader(self, around: Surroundings) -> Grade:
        """Asked once."""

    def measure(self, around: Surroundings) -> Measure:
        read, grade = parser(self.parse, list[str]), self.grader(around)

        def score(example: Example, trace: Trace, ctx: Context) -> Score:
            del ctx
            parsed = read(trace.text)
            if parsed is None:
                return UNREAD
            value, why = grade(as_text(parsed), example.row)
            return Score(value, None if value is None else parsed, why)

        return score

"""Scorers that compare an answer with the row's right one, and the regular expression.

Each has a `target` (the row's field with the right answer), a `parse` step and a `name`, and
gives a score from 0 to 1. In Python `exact_match("label", parse="label")`, in YAML

    - exact_match: {target: label, parse: label}
    - exact_match: label                  # the same with `parse: text`
    - metric.py:function                  # your own: see `functions`

A target that is a list holds alternatives, the best of which counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar

from pydantic import Field, field_validator

from promptlathe.data.values import as_text
from promptlathe.errors import InputError
from promptlathe.records import Example, Score, Trace
from promptlathe.runtime.seam import Context
from promptlathe.scoring import measures
from promptlathe.scoring.builtin.read import Grade, Read
from promptlathe.scoring.parsing import Parse, Parsed, compiles, has_pattern, parser, steps
from promptlathe.scoring.reading.labels import alike
from promptlathe.scoring.reading.numbers import read_number
from promptlathe.scoring.scorer import PATTERN_SECONDS, UNREAD, Measure, Name, Scorer, Surroundings

Comparison = Callable[[Parsed, Any], float | None]
"""From what was read and the target to the score; None: of a kind that cannot be compared."""


class Compared(Scorer):
    """A scorer that compares the parsed answer with the target (or with each alternative)."""

    target: str
    parse: Parse = "text"

    @property
    def target_field(self) -> str:
        return self.target

    def aside(self, around: Surroundings) -> float | None:
        del around
        return PATTERN_SECONDS if has_pattern(self.parse) else None

    def measure(self, around: Surroundings) -> Measure:
        field, grade = self.target, self.grader(around)
        if "label" in steps(self.parse):
            _check_labels(around, field)
        read = parser(self.parse, lambda: around.labels(field))
        labelled = steps(self.parse)[-1] == "label"

        def score(example: Example, trace: Trace, ctx: Context) -> Score:
            del ctx
            parsed = read(trace.text)
            if parsed is None:
                return UNREAD
            target = example.row[field]
            if isinstance(target, list):
                graded = [grade(parsed, one) for one in target]
                best = max((g for g in graded if g is not None), default=None)
            else:
                best = grade(parsed, target)
            soft = _chance(trace, parsed, target) if labelled else None
            return Score(best, parsed, soft=soft)

        return score

    def grader(self, around: Surroundings) -> Comparison:
        """The function that compares; asked once."""
        del around
        return self.grade

    def grade(self, parsed: Parsed, target: Any) -> float | None:
        """The score; None when what was parsed is of a kind that cannot be compared."""
        raise NotImplementedError


class ExactMatch(Compared):
    """1 when the answer is the target: as a text, typography, case and whitespace aside; where the
    target is a number, or the parse step reads one, as a number, to the last digit."""

    keyword = "exact_match"
    name: Name = "exact_match"

    def grade(self, parsed: Parsed, target: Any) -> float:
        match steps(self.parse)[-1]:
            case "label":
                return float(parsed == as_text(target))
            case "number":
                return float(_number(parsed) == _number(target))
            case _:
                return float(measures.same(parsed, target))


class Contains(Compared):
    """1 when the target stands somewhere in the answer, as whole words; negated or not."""

    keyword = "contains"
    name: Name = "contains"

    def grade(self, parsed: Parsed, target: Any) -> float:
        return float(measures.contains(as_text(parsed), as_text(target)))


class Numeric(Compared):
    """1 when the answer's number is within `abs_tol`, or within `rel_tol` of the target."""

    keyword = "numeric"
    name: Name = "numeric"
    parse: Parse = "number"
    abs_tol: float = Field(default=0.0, ge=0)
    rel_tol: float = Field(default=1e-9, ge=0)

    def flaw(self, target: Any) -> str | None:
        return None if _number(target) is not None else "is not a number"

    def grade(self, parsed: Parsed, target: Any) -> float | None:
        found, right = _number(parsed), _number(target)
        if found is None or right is None:
            return None
        return float(measures.close(found, right, abs_tol=self.abs_tol, rel_tol=self.rel_tol))


class TokenF1(Compared):
    """The overlap of the words of the answer and of the target (F1 over bags of words)."""

    keyword = "token_f1"
    name: Name = "token_f1"

    def grade(self, parsed: Parsed, target: Any) -> float:
        return measures.token_f1(as_text(parsed), as_text(target))


class Regex(Read):
    """1 when the regular expression is found in the answer (`(?i)` for any case)."""

    keyword = "regex"
    shorthand: ClassVar[str] = "pattern"
    name: Name = "regex"
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        return compiles(pattern)

    def aside(self, around: Surroundings) -> float | None:
        del around
        return PATTERN_SECONDS

    def grader(self, around: Surroundings) -> Grade:
        del around
        search = re.compile(self.pattern).search
        return lambda text, row: (float(bool(search(text))), None)


def exact_match(target: str, *, parse: Any = "text", name: str = "exact_match") -> ExactMatch:
    """1 when the answer is the target: a text as a text, typography, case and whitespace aside; a
    number as a number."""
    return ExactMatch(target=target, parse=parse, name=name)


def contains(target: str, *, parse: Any = "text", name: str = "contains") -> Contains:
    """1 when the target stands somewhere in the answer, as whole words."""
    return Contains(target=target, parse=parse, name=name)


def regex(pattern: str, *, parse: Any = "text", name: str = "regex") -> Regex:
    """1 when the regular expression is found in the answer."""
    return Regex(pattern=pattern, parse=parse, name=name)


def numeric(
    target: str,
    *,
    abs_tol: float = 0.0,
    rel_tol: float = 1e-9,
    parse: Any = "number",
    name: str = "numeric",
) -> Numeric:
    """1 when the answer's number is within `abs_tol`, or within `rel_tol` of the target."""
    return Numeric(target=target, abs_tol=abs_tol, rel_tol=rel_tol, parse=parse, name=name)


def token_f1(target: str, *, parse: Any = "text", name: str = "token_f1") -> TokenF1:
    """The overlap of the words of the answer and of the target."""
    return TokenF1(target=target, parse=parse, name=name)


def _check_labels(around: Surroundings, field: str) -> None:
    """Raises `InputError` when no reader could tell two labels apart."""
    if pair := alike(around.labels(field)):
        first, second = pair
        place = around.place(field, first)
        also = f" (as at {place})" if place else ""
        raise InputError(
            f"the labels {first!r}{also} and {second!r} would be read alike",
            around.place(field, second) or field,
            "spell a label the same way in all rows, or rename one of the two",
        )


def _chance(trace: Trace, parsed: Parsed, target: Any) -> float | None:
    """How likely the model thought a right answer, of the labels; None where it does not say, or
    not of what was read."""
    answers = trace.answers()
    if not answers or not answers[-1].likely or answers[-1].text != trace.output:
        return None
    (said, _), *_ = answers[-1].likely
    chances = dict(answers[-1].likely)
    if said != parsed or not (whole := sum(chances.values())):
        return None
    right = target if isinstance(target, list) else [target]
    return sum(chances.get(as_text(one), 0.0) for one in right) / whole


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return read_number(value)
    return value if isinstance(value, int | float) else None

"""How scorers are spelled: in YAML a mapping with one key or `metric.py:function`, in Python a
scorer or a function. `AnyScorer` takes each of them and holds a scorer.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import CoreSchema, core_schema

from promptlathe.documents import Model
from promptlathe.errors import InputError
from promptlathe.scoring.builtin.citations import Citations
from promptlathe.scoring.builtin.code import Tests
from promptlathe.scoring.builtin.compared import Contains, ExactMatch, Numeric, Regex, TokenF1
from promptlathe.scoring.builtin.grounded import Abstain, Grounded
from promptlathe.scoring.builtin.language import Language
from promptlathe.scoring.builtin.measured import Length, Readability
from promptlathe.scoring.builtin.objects import JsonMatch, JsonSchema
from promptlathe.scoring.builtin.overlap import Chrf, Rouge, Similarity
from promptlathe.scoring.builtin.phrases import Banned, Required
from promptlathe.scoring.functions import SECONDS, Ranged, function
from promptlathe.scoring.judging import Compare, Judge
from promptlathe.scoring.questions import Questions
from promptlathe.scoring.scorer import Name, Scorer
from promptlathe.scoring.tool_call import ToolCall

Absent = SkipJsonSchema[None]


def _short(scorer: type[Scorer]) -> BeforeValidator:
    """Lets `exact_match: label` stand for `exact_match: {target: label}`."""

    def lengthen(value: Any) -> Any:
        return {scorer.shorthand: value} if isinstance(value, str) else value

    return BeforeValidator(lengthen, json_schema_input_type=scorer | str)


def _listed(scorer: type[Scorer]) -> BeforeValidator:
    """The same, and for a list."""

    def lengthen(value: Any) -> Any:
        return {scorer.shorthand: value} if isinstance(value, str | list) else value

    return BeforeValidator(lengthen, json_schema_input_type=scorer | str | list[str | list[str]])


class FunctionEntry(Model):
    """Your own function: `path` is `file.py:function`, the file being relative to this one."""

    path: str
    name: Name | Absent = None
    range: Ranged | dict[Name, Ranged] | Absent = None
    timeout: float = Field(default=SECONDS, gt=0)
    step: str | Absent = None


class ScorerEntry(Model):
    """One scorer, under the key that says which one it is."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    exact_match: Annotated[ExactMatch, _short(ExactMatch)] | Absent = None
    contains: Annotated[Contains, _short(Contains)] | Absent = None
    regex: Annotated[Regex, _short(Regex)] | Absent = None
    numeric: Annotated[Numeric, _short(Numeric)] | Absent = None
    json_match: Annotated[JsonMatch, _short(JsonMatch)] | Absent = None
    token_f1: Annotated[TokenF1, _short(TokenF1)] | Absent = None
    length: Length | Absent = None
    readability: Readability | Absent = None
    required: Annotated[Required, _listed(Required)] | Absent = None
    banned: Annotated[Banned, _listed(Banned)] | Absent = None
    json_schema: Annotated[JsonSchema, _short(JsonSchema)] | Absent = None
    language: Annotated[Language, _short(Language)] | Absent = None
    rouge: Annotated[Rouge, _short(Rouge)] | Absent = None
    chrf: Annotated[Chrf, _short(Chrf)] | Absent = None
    similarity: Annotated[Similarity, _short(Similarity)] | Absent = None
    tests: Annotated[Tests, _short(Tests)] | Absent = None
    citations: Annotated[Citations, _short(Citations)] | Absent = None
    grounded: Annotated[Grounded, _short(Grounded)] | Absent = None
    abstain: Annotated[Abstain, _listed(Abstain)] | Absent = None
    tool_call: Annotated[ToolCall, _short(ToolCall)] | Absent = None
    judge: Annotated[Judge, _short(Judge)] | Absent = None
    compare: Annotated[Compare, _short(Compare)] | Absent = None
    questions: Annotated[Questions, _short(Questions)] | Absent = None
    function: FunctionEntry | Absent = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        given = [name for name in self.model_fields_set if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "a scorer is one key with its settings", "write such as `exact_match: label`"
            )
        return self

    @property
    def scorer(self) -> Scorer:
        """The scorer that the entry describes."""
        if self.function is not None:
            return _named_function(**dict(self.function))
        return next(value for _, value in self if value is not None)


class _Spelled:
    """Validates entries and passes scorers."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            _read, handler.generate_schema(ScorerEntry | str)
        )


AnyScorer = Annotated[Scorer, _Spelled]


def _read(value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> Scorer:
    if isinstance(value, Scorer):
        return value
    if callable(value):
        return function(value)
    entry: ScorerEntry | str = validate(value)
    return _named_function(entry) if isinstance(entry, str) else entry.scorer


def _named_function(path: str, **more: Any) -> Scorer:
    if path in ScorerEntry.model_fields:
        raise ValueError(
            f"{path!r} lacks what it compares with",
            f'write `{path}: FIELD`, in Python {path}("FIELD"), with a field of your rows',
        )
    try:
        return function(path, **more)
    except InputError as error:
        raise ValueError(error.what, error.fix) from None

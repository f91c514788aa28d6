"""Scorers of JSON: fields that are right, and an answer that keeps a schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from itertools import islice
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator

from promptlathe.documents import find, nearest, read_text
from promptlathe.errors import InputError
from promptlathe.scoring import measures
from promptlathe.scoring.builtin.compared import Compared
from promptlathe.scoring.builtin.read import Grade, Read
from promptlathe.scoring.parsing import Parse, Parsed
from promptlathe.scoring.scorer import PATTERN_SECONDS, Measure, Name, Surroundings

SHOWN, MOST = 3, 200
"""Violations that a reason names, and the characters of each."""


class JsonMatch(Compared):
    """The share of the target object's fields that the answer's object has right.

    `weights` by field, 1 where not given. The target is an object, or a text that holds one.
    """

    keyword = "json_match"
    name: Name = "json_match"
    parse: Parse = "json"
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)

    def flaw(self, target: Any) -> str | None:
        return None if _object(target) is not None else "is not a JSON object"

    def measure(self, around: Surroundings) -> Measure:
        known = {key for text in around.labels(self.target) for key in _object(text) or ()}
        for key in self.weights:
            if key not in known:
                near = nearest(key, known)
                hint = f"; did you mean {near!r}?" if near else ""
                raise InputError(
                    f"no target has the field {key!r}, which has a weight{hint}",
                    f"{self.name}.weights",
                )
        return super().measure(around)

    def grade(self, parsed: Parsed, target: Any) -> float | None:
        found, right = _object(parsed), _object(target)
        if found is None or right is None:
            return None
        return measures.object_match(found, right, self.weights)


class JsonSchema(Read):
    """1 when the answer's JSON keeps a schema, else 0.

    schema: a JSON schema, or the path of a file that holds one. With `parse: text` the whole answer
    must be JSON as it stands; by default the last object in it is looked at, mended where it is
    nearly right.
    """

    keyword = "json_schema"
    shorthand: ClassVar[str] = "schema"
    name: Name = "json_schema"
    given: dict[str, Any] | str = Field(alias="schema")
    parse: Parse = "json"

    @field_validator("given")
    @classmethod
    def _usable(cls, given: dict[str, Any] | str) -> dict[str, Any] | str:
        if isinstance(given, dict) and (flaw := _flaw(given)):
            raise ValueError(f"no JSON schema: {flaw}", "see https://json-schema.org")
        return given

    @property
    def reading(self) -> str:
        how = "The whole output" if self.parse == "text" else "What is read in the output"
        return f"{how} must be JSON that keeps a schema."

    @property
    def asks(self) -> tuple[str, ...]:
        return ("Answer with one JSON object and nothing else, without a code fence.",)

    def aside(self, around: Surroundings) -> float | None:
        del around
        return PATTERN_SECONDS  # a schema may hold regular expressions

    def entry(self) -> Any:
        given = super().entry()
        whole = isinstance(self.given, dict) and self.shorthand not in given[self.keyword]
        return {self.keyword: {self.shorthand: self.given}} if whole else given

    def load(self, around: Surroundings) -> dict[str, Any]:
        """The schema itself. Raises `InputError` for a file that holds none."""
        if isinstance(self.given, dict):
            return self.given
        place = find(around.folder, self.given, around.within, self.name)
        try:
            schema = json.loads(read_text(place))
        except (ValueError, RecursionError) as error:
            raise InputError(f"is not JSON: {error}", str(place), "mend the file") from None
        if flaw := "it is no object" if not isinstance(schema, dict) else _flaw(schema):
            raise InputError(f"is no JSON schema: {flaw}", str(place), "mend the file")
        return schema

    def grader(self, around: Surroundings) -> Grade:
        from jsonschema import FormatChecker
        from jsonschema.validators import validator_for

        schema = self.load(around)
        validator = validator_for(schema)(schema, format_checker=FormatChecker())

        def grade(text: str, row: Mapping[str, Any]) -> tuple[float, str | None]:
            del row
            try:
                found = json.loads(text, parse_constant=_no_constant)
            except (ValueError, RecursionError) as error:
                return 0.0, f"no JSON: {error}"
            wrong = islice(validator.iter_errors(found), SHOWN)
            said = [f"{error.json_path}: {error.message[:MOST]}" for error in wrong]
            return float(not said), "; ".join(said) or None

        return grade

    def fingerprint(self, around: Surroundings) -> Any:
        known = [] if isinstance(self.given, dict) else [self.load(around)]
        return [super().fingerprint(around), f"jsonschema {version('jsonschema')}", *known]


def json_match(
    target: str,
    *,
    weights: Mapping[str, float] | None = None,
    parse: Any = "json",
    name: str = "json_match",
) -> JsonMatch:
    """The share of the target object's fields that the answer's object has right."""
    return JsonMatch(target=target, weights=dict(weights or {}), parse=parse, name=name)


def json_schema(
    schema: Mapping[str, Any] | str, *, parse: Any = "json", name: str = "json_schema"
) -> JsonSchema:
    """1 when the answer's JSON keeps a schema: an object, or the path of a file."""
    given = schema if isinstance(schema, str) else dict(schema)
    return JsonSchema(schema=given, parse=parse, name=name)


def _flaw(schema: dict[str, Any]) -> str | None:
    """Why it is no schema that can be used, in words."""
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        return f"{error.json_path}: {error.message[:MOST]}"
    for ref in _references(schema):
        if not ref.startswith("#"):
            return f"it refers to {ref!r}, and nothing is fetched"
    return None


def _references(schema: Any) -> Iterator[str]:
    match schema:
        case Mapping():
            for key, value in schema.items():
                if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                    yield value
                yield from _references(value)
        case list():
            for one in schema:
                yield from _references(one)
        case _:
            pass


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _object(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, Mapping) else None

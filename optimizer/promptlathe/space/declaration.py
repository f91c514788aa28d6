"""What is declared, as its checks see it, and how a place in it is named."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Protocol

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from promptlathe.records import Message, Scalar, Value
from promptlathe.space.components import Component
from promptlathe.space.size import Constraint
from promptlathe.space.tools import Tool

Loc = tuple[str | int, ...]


class Declaration(Protocol):
    """What is checked: a space of one prompt."""

    @property
    def messages(self) -> tuple[Message, ...]: ...
    @property
    def components(self) -> Mapping[str, Component]: ...
    @property
    def model(self) -> Mapping[str, Scalar | Component]: ...
    @property
    def tools(self) -> tuple[Tool, ...]: ...
    @property
    def constraints(self) -> tuple[Constraint, ...]: ...
    @property
    def seed(self) -> Mapping[str, Value | None]: ...
    @cached_property
    def varied(self) -> Mapping[str, Component]: ...
    @cached_property
    def seed_levels(self) -> Mapping[str, Value]: ...
    def allows(self, levels: Mapping[str, Value]) -> bool: ...
    def texts(self) -> Iterator[tuple[Loc, str]]: ...


def problem(loc: Loc, what: str, fix: str) -> ValidationError:
    """An error at a place of the document, which the reader turns into file and line."""
    details = InitErrorDetails(
        type="value_error", loc=loc, input=None, ctx={"error": ValueError(what, fix)}
    )
    return ValidationError.from_exception_data("SearchSpace", [details])


def place_of(name: str, *more: str) -> Loc:
    """Of a component, or of a model parameter that is one (`model.NAME`)."""
    part, _, rest = name.partition("model.")
    return ("model", rest, *more) if not part and rest else ("components", name, *more)

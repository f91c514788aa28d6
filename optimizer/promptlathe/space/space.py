"""The search space: a template, its components, conditions and constraints; frozen."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from promptlathe import documents
from promptlathe.errors import InputError
from promptlathe.records import PROMPT, Image, Scalar, Value
from promptlathe.space.checks import check_declaration
from promptlathe.space.components import Choice, Component, Declared, Text
from promptlathe.space.conditions import Condition, holds
from promptlathe.space.messages import Messages
from promptlathe.space.parameters import Parameter, in_dependency_order, parameters_of
from promptlathe.space.passages import Contexts, Retrieve
from promptlathe.space.size import Size, combinations, size_of
from promptlathe.space.template import placeholders
from promptlathe.space.tools import Tool


def _named(given: Any) -> Any:
    """Plain strings are fixed texts."""
    if not isinstance(given, Mapping):
        return given
    return {k: {"text": v} if isinstance(v, str) else v for k, v in given.items()}


Name = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Components = Annotated[
    dict[Name, Component],
    BeforeValidator(_named, json_schema_input_type=dict[Name, str | Component]),
]


MOST_NAMED = 8
"""Names that a space's repr lists."""


class Forbid(Declared):
    """A combination of levels that no candidate may have."""

    forbid: Condition = Field(min_length=1)


class SearchSpace(Declared):
    """What may vary in a prompt.

    messages: the chat template; `{{ name }}` is a component or a field of the row.
    components: by name; the first level of each makes the seed prompt, unless `seed` says else.
    tools: functions that the model may call; their names and descriptions may hold components.
    model: model parameters, each a number, a text or a component of its own.
    constraints: combinations of levels that are left out.

    Raises InputError for anything wrong, naming the file and the line where there is one.
    """

    messages: Messages
    components: Components = Field(default_factory=dict)
    tools: tuple[Tool, ...] = Field(default=(), description="Functions that the model may call")
    model: dict[str, Scalar | Component] = Field(default_factory=dict)
    constraints: tuple[Forbid, ...] = ()
    seed: dict[str, Value | None] = Field(default_factory=dict)

    def __init__(self, messages: Any, components: Any = None, **more: Any) -> None:
        super().__init__(messages=messages, components=components or {}, **more)

    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_declaration(self)
        return self

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """In a line: each prompt's roles, each parameter's number of levels (0: any number)."""
        yield (
            "prompts",
            {name: [m.role for m in one.messages] for name, one in self.prompts.items()},
        )
        yield "varies", {one.name: one.domain.count for one in self.parameters[:MOST_NAMED]}
        if len(self.parameters) > MOST_NAMED:
            yield "and", f"{len(self.parameters) - MOST_NAMED} more"

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a YAML file. Raises InputError with file and line."""
        return cls.from_document(documents.load(path))

    @classmethod
    def from_document(cls, document: documents.Document) -> Self:
        """A part of a file, or a whole one; `file:` is relative to its folder."""
        context = {"base": document.folder, "within": document.within}
        return documents.parse(cls, document, context=context)

    def to_dict(self) -> dict[str, Any]:
        """The YAML spelling; `SearchSpace(**space.to_dict())` equals the space."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    chained: ClassVar[bool] = False
    """True when it has several prompts, each with components named `<step>.<component>`."""

    @property
    def prompts(self) -> "Mapping[str, SearchSpace]":
        """The space of each prompt, by its name, in the order in which they are used."""
        return {PROMPT: self}

    def step_of(self, name: str) -> str:
        """The step that a component or parameter belongs to; "" when there is one prompt."""
        return ""

    @cached_property
    def shown(self) -> frozenset[str]:
        """The fields that its prompts show of a row, demos aside."""
        names = {name for _, text in self.texts() for name in placeholders(text)}
        return frozenset((names - self.components.keys()) | self.filled_from.keys())

    @cached_property
    def filled_from(self) -> dict[str, str]:
        """The fields that contexts and queries are taken from, each with a component that does."""
        passages = {n: c for n, c in self.components.items() if isinstance(c, Contexts | Retrieve)}
        return {one.field: name for name, one in passages.items()}

    @cached_property
    def rewritable(self) -> dict[str, Choice | Text]:
        """The components that operators may write new levels for, by name."""
        texts = {n: c for n, c in self.components.items() if isinstance(c, Choice | Text)}
        return {name: one for name, one in texts.items() if one.rewrite}

    def opened(self) -> "SearchSpace":
        """The same space with each rewritable text as a choice, to which levels can be added."""
        texts = {n: one.as_choice for n, one in self.rewritable.items() if isinstance(one, Text)}
        return self.with_components(texts)

    def with_components(self, changed: Mapping[str, Component]) -> "SearchSpace":
        """With components in place of those of the same names; they are not checked again."""
        fields: dict[str, Any] = {name: getattr(self, name) for name in type(self).model_fields}
        fields["components"] = {**self.components, **changed}
        return SearchSpace.model_construct(None, **fields)

    @cached_property
    def varied(self) -> dict[str, Component]:
        """All components by name, model parameters as `model.<name>`."""
        of_model = {f"model.{name}": one for name, one in self.model.items() if not _is_scalar(one)}
        return {**self.components, **of_model}  # type: ignore[dict-item]

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The dimensions, parents before children."""
        declared = [p for name, one in self.varied.items() for p in parameters_of(name, one)]
        return tuple(in_dependency_order(declared) or ())

    @cached_property
    def size(self) -> Size:
        """How many candidates there are."""
        return size_of(self.parameters, self.constraints)

    @cached_property
    def seed_levels(self) -> dict[str, Value]:
        """The levels of the seed prompt."""
        wanted = {name: "none" if v is None else v for name, v in self.seed.items()}
        first = {p.name: wanted.get(p.name, p.domain.values[0]) for p in self.parameters}
        return self.canonical(first)

    def canonical(self, levels: Mapping[str, Value]) -> dict[str, Value]:
        """Only the active levels, in the order of `parameters`.

        Raises InputError when an active level is missing or outside of its domain.
        """
        active: dict[str, Value] = {}
        for parameter in self.parameters:
            if not parameter.active(active):
                continue
            value = levels.get(parameter.name)
            if value is None or value not in parameter.domain:
                raise InputError(f"{parameter.name} has no level {value!r}", parameter.name)
            active[parameter.name] = value
        return active

    def allows(self, levels: Mapping[str, Value]) -> bool:
        """False when a constraint forbids the combination."""
        return not any(holds(one.forbid, levels) for one in self.constraints)

    def combinations(self) -> Iterator[dict[str, Value]]:
        """Every allowed combination, lazily; a real number stays at its low end."""
        return combinations(self.parameters, self.constraints)

    def draw(self, rng: np.random.Generator) -> dict[str, Value]:
        """One allowed combination, uniform over each active parameter's levels."""
        for _ in range(10_000):
            levels: dict[str, Value] = {}
            for parameter in self.parameters:
                if parameter.active(levels):
                    levels[parameter.name] = parameter.domain.draw(rng)
            if self.allows(levels):
                return levels
        raise InputError(
            "constraints forbid nearly every combination: none found in 10,000 draws",
            "constraints",
            "loosen them, or remove the levels that they rule out",
        )

    def texts(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Every text that may enter a prompt, with its place: templates, addresses of
        pictures, texts of tools, and levels."""
        for i, message in enumerate(self.messages):
            place = ("messages", i, message.role)
            if isinstance(message.content, str):
                yield place, message.content
            else:
                for j, part in enumerate(message.content):
                    yield (*place, j), part.url if isinstance(part, Image) else part
        for i, tool in enumerate(self.tools):
            for loc, text in tool.texts():
                yield ("tools", i, *loc), text
        for name, component in self.components.items():
            match component:
                case Text(text=text):
                    yield ("components", name), text
                case _:
                    for level in getattr(component, "choice", ()):
                        if isinstance(level.text, str):
                            yield ("components", name, "choice", level.name), level.text


def _is_scalar(given: Any) -> bool:
    return isinstance(given, str | int | float | bool)

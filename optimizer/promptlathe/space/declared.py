"""What everything that a user declares in a space has in common."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from promptlathe import documents

TEXT_KEYS = ("rewrite", "protect")


class Declared(documents.Model):
    """Base of what a user declares: frozen, closed to unknown keys."""

    model_config = ConfigDict(populate_by_name=True)

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)

    @model_validator(mode="before")
    @classmethod
    def _texts_only(cls, data: Any) -> Any:
        keys = data if isinstance(data, Mapping) and "when" in cls.model_fields else ()
        if key := next((k for k in keys if k in TEXT_KEYS and k not in cls.model_fields), None):
            raise ValueError(
                f"`{key}` stands at a component that is not a text",
                f"only `text` and `choice` can be rewritten: remove `{key}`",
            )
        return data

    # As in documents.Model: YAML is read without `__init__`. The classes that follow take
    # positional arguments there, which is their Python spelling.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


def one_or_more(given: Any) -> Any:
    """What may be varied: one value, or a list of such, each once."""
    values = tuple(cast("Sequence[Any]", given)) if isinstance(given, list | tuple) else (given,)
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(f"{value!r} stands twice", "list each once")
    return values


def _count(given: Any) -> Any:
    if isinstance(given, int) and not isinstance(given, bool):
        return given, given
    if not isinstance(given, list | tuple) or len(given) != 2:  # pyright: ignore[reportUnknownArgumentType]
        raise ValueError(f"a count cannot be {given!r}", "write a number, or [from, to]")
    return given


Count = Annotated[
    tuple[int, int],
    BeforeValidator(_count, json_schema_input_type=int | list[int]),
    Field(description="How many, from and to"),
]

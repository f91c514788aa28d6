"""Documents to frozen pydantic models, and the models' JSON schemas.

A file with mistakes gets one `InputError` that names the first three of them.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from promptlathe.documents.document import Document, Loc, dotted
from promptlathe.documents.mistakes import Mistake, find_mistakes
from promptlathe.documents.wording import choices, describe, nearest, problem, remedy
from promptlathe.errors import InputError

M = TypeVar("M", bound=BaseModel)
_SHOWN = 3


class Model(BaseModel):
    """The base of everything that YAML describes: frozen, closed, finite numbers only.

    Made from Python with keywords, a mistake is an `InputError` too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __init__(self, **data: Any) -> None:
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise _explain(error, type(self), Document(data)) from None

    # Tells pydantic that `__init__` adds nothing to validation, so that `parse` does not call it
    # for nested models: it sees all mistakes of a file at once.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


def parse(model_type: type[M], document: Document, *, context: Any = None) -> M:
    """The document as a `model_type`; `context` is handed to the model's validators.

    Raises `InputError` with the place, the mistake in plain words, and the nearest valid key.
    A validator's own `ValueError(what)` or `ValueError(what, fix)` becomes such a message; its
    `InputError` passes unchanged.
    """
    if document.data is None:
        required = _required(model_type)
        fix = f"write at least: {required}" if required else "write something, or leave it out"
        raise InputError("is empty", document.where(), fix)
    _check_finite(document, document.data, ())
    try:
        return model_type.model_validate(document.data, context=context)
    except ValidationError as error:
        raise _explain(error, model_type, document) from None


def json_schema(model_type: type[BaseModel], title: str) -> dict[str, Any]:
    """The JSON schema (2020-12) that editors complete and check a file with."""
    schema = model_type.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return {**head, **{key: value for key, value in schema.items() if key != "title"}}


def _check_finite(document: Document, data: Any, loc: Loc) -> None:
    """No key takes NaN or infinity, also those whose value may be any."""
    match data:
        case float() if not math.isfinite(data):
            raise InputError(
                f"{dotted(loc)}: expected a finite number, found {describe(data)}",
                document.where(loc),
                "write a finite number",
            )
        case dict():
            for key, value in data.items():
                _check_finite(document, value, (*loc, key))
        case list():
            for index, value in enumerate(data):
                _check_finite(document, value, (*loc, index))
        case _:
            pass


def _explain(error: ValidationError, model_type: type[BaseModel], document: Document) -> InputError:
    schema = model_type.model_json_schema()
    details = error.errors(include_url=False)
    return _input_error(find_mistakes(details, document.data, schema), document)


def _required(model_type: type[BaseModel]) -> str:
    return ", ".join(
        f"{field.alias or name}: …"
        for name, field in model_type.model_fields.items()
        if field.is_required()
    )


def _input_error(mistakes: list[Mistake], document: Document) -> InputError:
    first, *rest = sorted(mistakes, key=lambda m: document.line_of(m.loc) or 0)
    what, fix = _words(first, document)
    for other in rest[: _SHOWN - 1]:
        what += f"\n  {document.where(other.loc) or 'also'}: {_words(other, document)[0]}"
    if len(rest) >= _SHOWN:
        what += f"\n  and {len(rest) - _SHOWN + 1} more"
    return InputError(what, document.where(first.loc), fix)


def _words(mistake: Mistake, document: Document) -> tuple[str, str]:
    """(what is wrong, what to do)."""
    *way, last = mistake.loc or ("",)
    inside = f" in {dotted(tuple(way))}" if way else ""
    match mistake.kind:
        case "extra_forbidden":
            near = nearest(str(last), mistake.keys)
            hint = f"; did you mean {near!r}?" if near else ""
            known = f"valid keys: {', '.join(mistake.keys)}" if mistake.keys else "remove it"
            return f"unknown key {str(last)!r}{inside}{hint}", known
        case "missing":
            return f"the key {str(last)!r} is missing{inside}", f"add {last}: …"
        case _:
            field = dotted(mistake.loc)
            said = (document.where(mistake.loc) or "").endswith(field)
            return (
                _problem(mistake) if said else f"{field}: {_problem(mistake)}",
                remedy(mistake.errors, mistake.keys),
            )


def _problem(mistake: Mistake) -> str:
    if len(mistake.errors) == 1:
        return problem(mistake.errors[0])
    *_, found = problem(mistake.errors[0]).rpartition(", found ")
    wishes = [problem(e).partition(", found ")[0].removeprefix("expected ") for e in mistake.errors]
    return f"expected {choices(list(dict.fromkeys(wishes)))}, found {found}"

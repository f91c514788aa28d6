"""What can be wrong between components that differ from row to row, and the rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from promptlathe.documents import nearest
from promptlathe.errors import InputError
from promptlathe.space.components import NEAREST, Demos
from promptlathe.space.declaration import Loc
from promptlathe.space.demos import names_of
from promptlathe.space.filling import compared
from promptlathe.space.passages import Contexts, Retrieve
from promptlathe.space.space import SearchSpace
from promptlathe.space.written import passages_of

Where = Callable[[Loc], str | None]
Located = tuple[Mapping[str, Any], str]
"""A row, and its file and line."""


def check_filled(
    space: SearchSpace,
    known: set[str],
    before: Sequence[str],
    target: str | None,
    partly: Mapping[str, str],
    where: Where,
) -> None:
    """The fields that one prompt's contexts and queries are taken from; `before`: earlier steps,
    whose outputs may be searched for. Raises InputError."""
    for key, one in space.components.items():
        match one:
            case Contexts():
                place = where(("components", key, "contexts", "field"))
                _check_field(one.field, known, target, partly, place)
            case Retrieve():
                place = where(("components", key, "retrieve", "query"))
                _check_field(one.field, known | set(before), target, partly, place)
            case _:
                pass


def check_nearest(space: SearchSpace, where: Where) -> None:
    """Nearest demos need a field to be near in. Raises InputError."""
    for key, one in space.components.items():
        if isinstance(one, Demos) and NEAREST in one.demos.select and not compared(space, key):
            listed = ", ".join(f"{{{{ {name} }}}}" for name in names_of(one.demos))
            raise InputError(
                f"{key} cannot take the nearest rows: the prompt shows no field that a demo shows "
                f"(it has {listed or 'none'})",
                where(("components", key, "demos", "select")),
                "show the row's field in a message and in the demos' template",
            )


def _check_field(
    name: str, known: set[str], target: str | None, partly: Mapping[str, str], where: str | None
) -> None:
    if name == target:
        raise InputError(
            f"{name!r} is the target: the model would be shown the answer",
            where,
            "name another field",
        )
    if name in known:
        return
    if name in partly:
        raise InputError(
            f"the field {name!r} is missing in {partly[name]}",
            where,
            "fill it in for every row (an empty list is one), or leave those rows out",
        )
    hint = nearest(name, known)
    raise InputError(
        f"no row has the field {name!r}",
        where,
        f"did you mean {hint!r}?" if hint else f"the rows have: {', '.join(sorted(known))}",
    )


def check_passages(space: SearchSpace, rows: Iterable[Located]) -> list[str]:
    """Every row's contexts must be a list of texts, or of objects with a text.

    Notes on counts that no row reaches, and orders that are the same. Raises InputError with the
    row's file and line.
    """
    notes: list[str] = []
    found = list(rows)
    for key, one in space.components.items():
        if isinstance(one, Contexts):
            lists = [_read(one.field, row, place) for row, place in found]
            longest = max((count for count, _ in lists), default=0)
            most, orders = one.spec.count[1], {"given", "best_first"}
            if most > longest:
                notes.append(f"{key} shows up to {most} contexts, and no row has over {longest}")
            if orders <= set(one.spec.order) and not any(scored for _, scored in lists):
                notes.append(
                    f"{key}: `given` and `best_first` are one order, for no context has a score"
                )
    return notes


def _read(field: str, row: Mapping[str, Any], place: str) -> tuple[int, bool]:
    """How many contexts a row has, and whether they have scores."""
    if row.get(field) is None:
        return 0, False  # a function of yours may fill it in
    try:
        passages, scores = passages_of(row[field])
    except ValueError as error:
        raise InputError(f"{field!r} {error.args[0]}", place, error.args[1]) from None
    return len(passages), bool(scores)

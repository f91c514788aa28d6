"""What can be wrong between a space and the rows, found before any call is paid for."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from promptlathe.documents import nearest
from promptlathe.errors import InputError
from promptlathe.records import Example
from promptlathe.space.components import Choice, Demos
from promptlathe.space.contracts import uses_labels
from promptlathe.space.conversation import asks, turns_of
from promptlathe.space.declaration import Loc
from promptlathe.space.passage_checks import check_filled, check_nearest
from promptlathe.space.passages import Contexts, Retrieve
from promptlathe.space.space import SearchSpace
from promptlathe.space.template import CONVERSATION, escaped, is_name, named_by, placeholders

SHOWN_FIELDS = 20
"""Of the data, that a message lists."""
_SINGLE = re.compile(r"(?<![{\w$])\{\s?([A-Za-z_]\w*)\s?\}(?!\})")
Where = Callable[[Loc], str | None]
"""The file and line of a part of the space, for messages."""


def check_data(
    space: SearchSpace,
    fields: Iterable[str],
    *,
    target: str | None,
    labels: Sequence[str] = (),
    function: bool = False,
    partly: Mapping[str, str] | None = None,
    where: Where = lambda loc: None,
) -> None:
    """The templates against the rows: every placeholder known, the target never shown.

    labels: of the objective's target; none when it has no labels. Of a chain, `where` is asked
    for places in its steps: ("steps", name, "space", ...). function: a function of yours fills the
    placeholders, with what it likes. partly: the fields that some rows lack, and which.
    Raises InputError.
    """
    known = set(fields)
    before: list[str] = []
    for name, part in space.prompts.items():
        if space.chained and name in known:
            raise InputError(
                f"{name!r} is both a step and a field of the data",
                where(("steps", name)),
                f"rename the step {name!r}",
            )
        root: Loc = ("steps", name, "space") if space.chained else ()
        place = _under(where, root)
        if not function:
            _check_fields(part, known, before, target, partly or {}, place)
            check_filled(part, known, before, target, partly or {}, place)
        _check_demos(part, known, partly or {}, place)
        check_nearest(part, place)
        _check_labels(part, labels, place)
        before.append(name)
    if space.size.count < 2 and not space.size.continuous and not space.rewritable:
        raise InputError(
            "the space has one candidate only, so there is nothing to optimize",
            where(("steps",) if space.chained else ("components",)),
            "give a component a second level, or mark a text with `rewrite: true`",
        )


def check_images(
    space: SearchSpace, examples: Iterable[Example], *, where: Where = lambda loc: None
) -> None:
    """A field that names a picture must be a text in every row. Raises InputError."""
    rows = list(examples)
    for name, part in space.prompts.items():
        for i, message in enumerate(part.messages):
            for field in (n for image in message.images for n in placeholders(image.url)):
                bad = next((e for e in rows if not isinstance(e.row.get(field, ""), str)), None)
                if bad:
                    root: Loc = ("steps", name, "space") if space.chained else ()
                    raise InputError(
                        f"{{{{ {field} }}}} names a picture, and is no text in row {bad.id!r}",
                        where((*root, "messages", i, message.role)),
                        "write the path of a file, or a web address",
                    )


def check_conversations(
    space: SearchSpace,
    check_values: Callable[[str, Callable[[Any], object]], None],
    *,
    picture: Callable[[str], object] = lambda url: None,
) -> None:
    """A field that is placed as a conversation must be one in every row, and leave the next word to
    the model, unless a message of the template follows it.

    check_values: gives a check the field's value of each row (`Objective.check_values`). picture:
    raises InputError for the address of one that is not there. Raises InputError.
    """
    for part in space.prompts.values():
        last = len(part.messages) - 1
        for i, message in enumerate(part.messages):
            if message.role == CONVERSATION:
                check_values(named_by(message), _is_conversation(i == last, picture))
        for one in part.components.values():
            template = one.demos.template if isinstance(one, Demos) else ""
            for message in () if isinstance(template, str) else template:
                if message.role == CONVERSATION:
                    check_values(named_by(message), _is_conversation(False, picture))


def _is_conversation(at_the_end: bool, picture: Callable[[str], object]) -> Callable[[Any], object]:
    def check(value: Any) -> None:
        turns = turns_of(value)
        if at_the_end and not asks(turns):
            raise ValueError(
                f"ends with a turn of the {turns[-1].role}: the model has no question to answer",
                "let the last turn be the user's, or add a message after the conversation to the "
                "space",
            )
        for turn in turns:
            for image in turn.images:
                try:
                    picture(image.url)
                except InputError as error:
                    raise ValueError(f"shows {image.url[:60]!r}: {error.what}", error.fix) from None

    return check


def _under(where: Where, root: Loc) -> Where:
    return lambda loc: where((*root, *loc))


def single_braced(space: SearchSpace, fields: Iterable[str]) -> list[str]:
    """A note for each field or component that stands in single braces: it is not filled in."""
    notes: list[str] = []
    for part in space.prompts.values():
        known = {*fields, *part.components}
        found = {n for _, text in part.texts() for n in _SINGLE.findall(text)} & known
        notes += [
            f"{{{name}}} is not filled in: a placeholder is {{{{ {name} }}}}"
            for name in sorted(found)
        ]
    return notes


def _check_fields(
    space: SearchSpace,
    known: set[str],
    before: Sequence[str],
    target: str | None,
    partly: Mapping[str, str],
    where: Where,
) -> None:
    """before: the steps whose outputs may be used too."""
    usable = known | set(before)
    for loc, text in space.texts():
        if name := next((one for one in escaped(text) if one in known), None):
            raise InputError(
                f"{{{{ {name} }}}} is escaped, and a field of the data has that name: MLflow would "
                "fill it in all the same",
                where(loc),
                f"rename the column {name!r}, or write it otherwise",
            )
    used = {n: loc for loc, text in space.texts() for n in placeholders(text)}
    placed = {named_by(m): i for i, m in enumerate(space.messages) if m.role == CONVERSATION}
    if name := next((name for name in placed if name in before), None):
        raise InputError(
            f"a conversation is a field of the rows, and {name!r} is a step: its output is a text",
            where(("messages", placed[name], CONVERSATION)),
            f"place {{{{ {name} }}}} in a message",
        )
    for name, loc in used.items():
        if name in space.components and name in known:
            raise InputError(
                f"{{{{ {name} }}}} is both a component and a field of the data",
                where(("components", name)),
                f"rename the component {name!r}",
            )
        if name not in space.components:
            _check_known(name, usable, partly, where(loc), space.components)
            if name == target:
                raise InputError(
                    f"the template shows {{{{ {name} }}}}, the target, to the model",
                    where(loc),
                    "use the target in the demos' template only",
                )
    shown = any(name in usable for name in used) or _always_filled(space)
    if not shown:
        raise InputError(
            "the template uses no field of the data: every row would get the same prompt",
            where(("messages",)),
            _place_one(usable - {target or ""}),
        )


def _check_demos(
    space: SearchSpace, known: set[str], partly: Mapping[str, str], where: Where
) -> None:
    """Demos are rows, whoever fills in the rest."""
    for key, component in space.components.items():
        if isinstance(component, Demos):
            for name in (n for text in component.demos.texts for n in placeholders(text)):
                place = where(("components", key, "demos", "template"))
                _check_known(name, known, partly, place, {})


def _always_filled(space: SearchSpace) -> bool:
    """Contexts stand in every prompt."""
    return any(
        isinstance(one, Contexts | Retrieve) and one.spec.count[0] > 0 and not one.when
        for one in space.components.values()
    )


def _check_labels(space: SearchSpace, labels: Sequence[str], where: Where) -> None:
    if labels:
        return
    for name, one in space.components.items():
        for level in one.choice if isinstance(one, Choice) else ():
            if level.response_format and uses_labels(level.response_format):
                raise InputError(
                    f"{name} asks for one of the objective's labels, and it has none",
                    where(("components", name, "choice", level.name)),
                    "list the values instead of `labels`, or score with a label target",
                )


def _check_known(
    name: str,
    known: set[str],
    partly: Mapping[str, str],
    where: str | None,
    components: Mapping[str, object],
) -> None:
    if name in known:
        return
    if name in partly:
        raise InputError(
            f"the field {{{{ {name} }}}} is missing in {partly[name]}",
            where,
            "fill it in for every row, or leave those rows out",
        )
    hint = nearest(name, [*known, *components])
    if hint is None:
        fix = f"the rows have: {_braced(known)}"
    elif is_name(hint):
        fix = f"did you mean {{{{ {hint} }}}}?"
    else:
        fix = _rename(hint, name)
    raise InputError(
        f"the placeholder {{{{ {name} }}}} is neither a component nor a field of every row",
        where,
        fix,
    )


def _place_one(usable: set[str]) -> str:
    named = {name for name in usable if is_name(name)}
    if named or not usable:
        return f"place one of these in a message: {_braced(named)}"
    first = min(usable)
    return _rename(first, re.sub(r"\W+", "_", f"_{first}" if first[:1].isdecimal() else first))


def _rename(column: str, name: str) -> str:
    suggested = f", to {name!r} say" if is_name(name) else ""
    return (
        f"no placeholder can name the column {column!r}: rename the column{suggested} "
        "(letters without accents, digits and `_` only)"
    )


def _braced(names: Iterable[str]) -> str:
    """Those that a placeholder can name, as placeholders; others as columns to rename."""
    listed = [f"{{{{ {n} }}}}" if is_name(n) else f"{n!r} (rename it)" for n in sorted(names)]
    return ", ".join(listed[:SHOWN_FIELDS]) + (", …" if len(listed) > SHOWN_FIELDS else "")

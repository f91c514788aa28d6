"""What stands in double braces: a component, or a field of the row in every candidate."""

from collections.abc import Iterator

from promptlathe.documents import nearest
from promptlathe.space.components import Choice, Demos, Order, Text
from promptlathe.space.declaration import Declaration, Loc, problem
from promptlathe.space.template import (
    CONVERSATION,
    DEMOS,
    STATEMENT,
    named_by,
    not_placeholder,
    placeholders,
)

TEMPLATES = ("messages", "tools")
"""Where components stand."""


def check_placeholders(space: Declaration) -> None:
    """Raises a located pydantic error."""
    _check_placeholders(space)
    _check_placed(space)
    _check_statements(space)


def _check_placed(space: Declaration) -> None:
    """What stands in place of a message names what it must, and demos stand where they can."""
    turns = {
        name
        for name, one in space.components.items()
        if isinstance(one, Demos) and not isinstance(one.demos.template, str)
    }
    for i, message in enumerate(space.messages):
        place: Loc = ("messages", i, message.role)
        if message.role == CONVERSATION and (name := named_by(message)) in space.components:
            raise problem(
                place,
                f"a conversation is a field of the rows, and {name!r} is a component",
                "name the field, or rename the component",
            )
        if message.role == DEMOS and (name := named_by(message)) not in turns:
            near = nearest(name, turns)
            raise problem(
                place,
                f"{name!r} is no component of demos that are turns",
                f"did you mean {near!r}?"
                if near
                else 'give it  template: {user: "…", assistant: "…"}, or place its text in a '
                "message as {{ " + name + " }}",
            )
    placed = [
        (i, m.role, named_by(m))
        for i, m in enumerate(space.messages)
        if m.role in (CONVERSATION, DEMOS)
    ]
    for n, (i, role, name) in enumerate(placed):
        if name in [other for _, _, other in placed[:n]]:
            raise problem(("messages", i, role), f"{name!r} is placed twice", "remove one")
    ordered = {s for one in space.components.values() if isinstance(one, Order) for s in one.order}
    inline = {n for loc, t in space.texts() if loc[-1] != DEMOS for n in placeholders(t)} | ordered
    if name := next((name for name in turns if name in inline), None):
        raise problem(
            ("components", name, "demos", "template"),
            f"the demos {name!r} are turns, and stand within a text",
            f"place them as an item of `messages`:  - demos: {name}",
        )


def _check_placeholders(space: Declaration) -> None:
    templates = [(loc, text) for loc, text in space.texts() if loc[0] in TEMPLATES]
    in_template = {n for _, text in templates for n in placeholders(text)}
    ordered = {s for one in space.components.values() if isinstance(one, Order) for s in one.order}
    for loc, text in _written(space):
        if found := not_placeholder(text):
            raise problem(loc, *braces(found))
    for loc, text in _separators(space):
        if "{{" in text or "}}" in text:
            raise problem(loc, "a separator holds double braces", "nothing is filled in there")
    for loc, text in space.texts():
        for name in placeholders(text):
            if loc[0] not in TEMPLATES and name in space.components:
                raise problem(
                    loc,
                    f"a level cannot contain the component {{{{ {name} }}}}",
                    "place it in a message",
                )
    for name in space.components:
        if name not in in_template | ordered:
            hint = nearest(name, sorted(in_template - set(space.components)))
            raise problem(
                ("components", name),
                f"the template never uses {{{{ {name} }}}}"
                + (f", but {{{{ {hint} }}}}: is that it?" if hint else ""),
                f"place {{{{ {name} }}}} in a message, or remove the component",
            )
    _check_guaranteed(space, in_template, ordered)


def braces(found: str) -> tuple[str, str]:
    """What is wrong with double braces that are no placeholder, and what to do."""
    if found.startswith("\\"):
        return (
            f"{found} is escaped, and MLflow would fill it in all the same",
            "write it otherwise: a name in double braces is always a placeholder",
        )
    return (
        f"{found} is not a placeholder: the model would see it as it stands",
        "a placeholder is {{ name }}, on one line; names have letters without accents, digits and "
        "`_` only, and begin with no digit: rename the column; for braces that the model shall see "
        r"write \{{ … }}",
    )


def _written(space: Declaration) -> Iterator[tuple[Loc, str]]:
    """Every text that is filled in, with its place."""
    yield from space.texts()
    for name, one in space.components.items():
        if isinstance(one, Demos):
            for text in one.demos.texts:
                yield ("components", name, "demos", "template"), text


def _separators(space: Declaration) -> Iterator[tuple[Loc, str]]:
    """Every text that joins others, with its place."""
    for name, one in space.components.items():
        match one:
            case Demos(demos=spec):
                yield ("components", name, "demos", "separator"), spec.separator
            case Order(separator=separator):
                yield ("components", name, "separator"), separator
            case _:
                pass


def _check_guaranteed(space: Declaration, in_template: set[str], ordered: set[str]) -> None:
    """A field of the row that stands in some levels only would be lost with the others."""
    safe = in_template - set(space.components)
    reached = in_template | ordered
    for name, one in space.components.items():
        texts = [level.text or "" for level in one.choice] if isinstance(one, Choice) else []
        texts = [one.text] if isinstance(one, Text) else texts
        if name in reached and not one.when and texts:
            safe |= set.intersection(*(set(placeholders(t)) for t in texts))
    for loc, text in space.texts():
        for name in placeholders(text):
            if name not in space.components and name not in safe:
                raise problem(
                    loc,
                    f"{{{{ {name} }}}} stands here but not in every candidate: "
                    "some prompts would lose it",
                    "put it in the template, or in every level",
                )


def _check_statements(space: Declaration) -> None:
    for loc, text in (*_written(space), *_separators(space)):
        if STATEMENT.search(text):
            raise problem(
                loc,
                "`{%` or `%}` in a prompt would be run as Jinja by MLflow",
                "write it otherwise",
            )

"""What can be wrong between a space and the rows, found before any call is paid for."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from promptlathe.documents import nearest
from promptlathe.errors import InputError
from promptlathe.records import Example
from promptlathe.space.checks import Loc
from promptlathe.space.components import Choice, Demos
from promptlathe.space.contracts import uses_labels
from promptlathe.space.space import SearchSpace
from promptlathe.space.template import placeholders

Where = Callable[[Loc], str | None]
"""The file and line of a part of the space, for messages."""


def check_data(
    space: SearchSpace,
    fields: Iterable[str],
    *,
    target: str | None,
    labels: Sequence[str] = (),
    where: Where = lambda loc: None,
) -> None:
    """The templates against the rows: every placeholder known, the target never shown.

    labels: of the objective's target; none when it has no labels. Of a chain, `where` is asked
    for places in its steps: ("steps", name, "space", ...).
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
        _check_fields(part, known, before, target, place)
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


def _under(where: Where, root: Loc) -> Where:
    return lambda loc: where((*root, *loc))


def _check_fields(
    space: SearchSpace, known: set[str], before: Sequence[str], target: str | None, where: Where
) -> None:
    """before: the steps whose outputs may be used too."""
    usable = known | set(before)
    used = {n: loc for loc, text in space.texts() for n in placeholders(text)}
    for name, loc in used.items():
        if name in space.components and name in known:
            raise InputError(
                f"{{{{ {name} }}}} is both a component and a field of the data",
                where(("components", name)),
                f"rename the component {name!r}",
            )
        if name not in space.components:
            _check_known(name, usable, where(loc), space.components)
            if name == target:
                raise InputError(
                    f"the template shows {{{{ {name} }}}}, the target, to the model",
                    where(loc),
                    "use the target in the demos' template only",
                )
    if not any(name in usable for name in used):
        raise InputError(
            "the template uses no field of the data: every row would get the same prompt",
            where(("messages",)),
            f"place one of these in a message: {_braced(usable - {target or ''})}",
        )
    for key, component in space.components.items():
        if isinstance(component, Demos):
            for name in placeholders(component.demos.template):
                _check_known(name, known, where(("components", key, "demos", "template")), {})


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
    name: str, known: set[str], where: str | None, components: Mapping[str, object]
) -> None:
    if name in known:
        return
    hint = nearest(name, [*known, *components])
    raise InputError(
        f"the placeholder {{{{ {name} }}}} is neither a component nor a field of every row",
        where,
        f"did you mean {{{{ {hint} }}}}?" if hint else f"the rows have: {_braced(known)}",
    )


def _braced(names: Iterable[str]) -> str:
    return ", ".join(f"{{{{ {name} }}}}" for name in sorted(names))

"""What can be wrong with a space, found before any call is paid for."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from promptlathe.documents import nearest
from promptlathe.errors import InputError
from promptlathe.space.components import Choice, Demos, Float, Int, Order, Text
from promptlathe.space.conditions import Wanted, comparison_of, matches
from promptlathe.space.parameters import (
    Categorical,
    Parameter,
    Real,
    in_dependency_order,
    parameters_of,
)
from promptlathe.space.size import has_any
from promptlathe.space.template import STATEMENT, placeholders

if TYPE_CHECKING:
    from promptlathe.space.space import SearchSpace

Loc = tuple[str | int, ...]
Where = Callable[[Loc], str | None]
"""The file and line of a part of the space, for messages."""
SHOWN = 12
LARGEST = 2**53
"""Beyond it, whole numbers are not exact in JSON, nor in Optuna."""


def check_declaration(space: "SearchSpace") -> None:
    """All that can be checked without data. Raises a located pydantic error."""
    _check_model(space)
    _check_ranges(space)
    _check_orders(space)
    _check_placeholders(space)
    _check_statements(space)
    _check_protected(space)
    declared = {p.name: p for n, one in space.varied.items() for p in parameters_of(n, one)}
    _check_conditions(space, declared)
    _check_candidates(space, declared)


def check_data(
    space: "SearchSpace",
    fields: Iterable[str],
    *,
    target: str | None,
    where: Where = lambda loc: None,
) -> None:
    """The template against the rows: every placeholder known, the target never shown.

    Raises InputError.
    """
    known = set(fields)
    used = {n: loc for loc, text in space.texts() for n in placeholders(text)}
    for name, loc in used.items():
        if name in space.components and name in known:
            raise InputError(
                f"{{{{ {name} }}}} is both a component and a field of the data",
                where(("components", name)),
                f"rename the component {name!r}",
            )
        if name not in space.components:
            _known_field(name, known, where(loc), space.components)
            if name == target:
                raise InputError(
                    f"the template shows {{{{ {name} }}}}, the target, to the model",
                    where(loc),
                    "use the target in the demos' template only",
                )
    if not any(name in known for name in used):
        raise InputError(
            "the template uses no field of the data: every row would get the same prompt",
            where(("messages",)),
            f"place one of these in a message: {_braced(known - {target or ''})}",
        )
    for key, component in space.components.items():
        if isinstance(component, Demos):
            for name in placeholders(component.demos.template):
                place = where(("components", key, "demos", "template"))
                _known_field(name, known, place, {})


def _known_field(
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


def _check_model(space: "SearchSpace") -> None:
    from promptlathe.space.space import MODEL_PARAMETERS

    for name, one in space.model.items():
        if name not in MODEL_PARAMETERS:
            hint = nearest(name, MODEL_PARAMETERS)
            advice = f"did you mean {hint!r}?" if hint else f"known: {', '.join(MODEL_PARAMETERS)}"
            raise problem(("model", name), f"unknown model parameter {name!r}", advice)
        if isinstance(one, Choice | Text) and one.rewrite:
            raise problem(
                ("model", name), "a model parameter cannot be rewritten", "remove `rewrite`"
            )
        if isinstance(one, Demos | Order):
            raise problem(
                ("model", name),
                "demos and order cannot be a model parameter",
                "write a value, or a choice, float or int",
            )


def _check_ranges(space: "SearchSpace") -> None:
    for name, one in space.varied.items():
        match one:
            case Float(bounds=(low, high)) | Int(bounds=(low, high)):
                pass
            case Demos(demos=spec):
                low, high = spec.count
                if low < 0:
                    raise problem(_place(name), "a count of demos is negative", "start it at 0")
            case _:
                continue
        if max(abs(low), abs(high)) > LARGEST:
            raise problem(_place(name), f"the range goes to {max(low, high):g}", "stay below 9e15")
        if low > high:
            raise problem(
                _place(name),
                f"the range starts at {low} and ends lower, at {high}",
                f"write [{high}, {low}]",
            )


def _check_orders(space: "SearchSpace") -> None:
    for name, one in space.components.items():
        if not isinstance(one, Order):
            continue
        for section in one.order:
            if isinstance(space.components.get(section), Order | None):
                hint = nearest(section, [n for n in space.components if n != name])
                raise problem(
                    ("components", name),
                    f"there is no section {section!r} to order",
                    f"did you mean {hint!r}?" if hint else "name components of this space",
                )
        if any(sorted(layout) != sorted(one.order) for layout in one.layouts):
            raise problem(
                ("components", name, "layouts"),
                "a layout does not name each section once",
                f"write each of {', '.join(one.order)} once",
            )


def _check_placeholders(space: "SearchSpace") -> None:
    templates = [(loc, text) for loc, text in space.texts() if loc[0] == "messages"]
    in_template = {n for _, text in templates for n in placeholders(text)}
    ordered = {s for one in space.components.values() if isinstance(one, Order) for s in one.order}
    for loc, text in space.texts():
        for name in placeholders(text):
            if "." in name:
                raise problem(loc, f"{{{{ {name} }}}} has a dot", "give it a name without one")
            if loc[0] != "messages" and name in space.components:
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


def _check_guaranteed(space: "SearchSpace", in_template: set[str], ordered: set[str]) -> None:
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


def _check_statements(space: "SearchSpace") -> None:
    for loc, text in space.texts():
        if STATEMENT.search(text):
            raise problem(
                loc,
                "`{%` or `%}` in a prompt would be run as Jinja by MLflow",
                "write it otherwise",
            )


def _check_protected(space: "SearchSpace") -> None:
    for name, one in space.components.items():
        if not isinstance(one, Choice | Text):
            continue
        texts = [one.text] if isinstance(one, Text) else [level.text for level in one.choice]
        for phrase in one.protect:
            if any(text is not None and phrase not in text for text in texts):
                raise problem(
                    _place(name, "protect"),
                    f"the text does not contain the protected phrase {phrase!r}",
                    "write the phrase as it stands in every level, or remove it",
                )


def _check_conditions(space: "SearchSpace", declared: Mapping[str, Parameter]) -> None:
    conditions = [(_place(n, "when"), one.when) for n, one in space.varied.items()]
    conditions += [
        (("constraints", i, "forbid"), one.forbid) for i, one in enumerate(space.constraints)
    ]
    for loc, condition in conditions:
        for name, wanted in condition:
            _check_wanted(loc, name, wanted, declared)
    for name, wanted in space.seed.items():
        _check_wanted(("seed", name), name, wanted, declared)
    if in_dependency_order(list(declared.values())) is None:
        raise problem(
            ("components",), "the conditions (`when`) form a circle", "remove one of them"
        )


def _check_wanted(loc: Loc, name: str, wanted: Wanted, declared: Mapping[str, Parameter]) -> None:
    parameter = declared.get(name)
    if parameter is None:
        hint = nearest(name, list(declared))
        advice = f"did you mean {hint!r}?" if hint else f"there are: {', '.join(declared)}"
        raise problem(loc, f"unknown component {name!r}", advice)
    for one in wanted if isinstance(wanted, tuple) else (wanted,):
        domain = parameter.domain
        # Of numbers the two ends tell whether a comparison can hold anywhere between.
        some = domain.values if isinstance(domain, Categorical) else (domain.low, domain.high)
        fits = one in domain or any(matches(one, value) for value in some)
        if isinstance(domain, Real):
            fits = comparison_of(one) is not None or one in domain
        if not fits:
            near = nearest(str(one), [str(value) for value in domain.values[:SHOWN]])
            listed = ", ".join(str(value) for value in domain.values[:SHOWN])
            advice = f"did you mean {near!r}?" if near else f"it has: {listed}"
            raise problem(loc, f"{name} has no level {one!r}", advice)


def _check_candidates(space: "SearchSpace", declared: Mapping[str, Parameter]) -> None:
    if not has_any(tuple(declared.values()), space.constraints):
        raise problem(
            ("constraints",), "the constraints forbid every candidate", "remove one of them"
        )
    if space.size.count < 2 and not space.size.continuous and not space.rewritable:
        raise problem(
            ("components",) if space.components else (),
            "the space has one candidate only, so there is nothing to optimize",
            "give a component a second level, or mark a text with `rewrite: true`",
        )
    if not space.allows(space.seed_levels):
        raise problem(
            ("seed",) if space.seed else ("constraints",),
            "the seed prompt is forbidden by a constraint",
            "name other levels under `seed:` (by default the first of each component)",
        )


def problem(loc: Loc, what: str, fix: str) -> ValidationError:
    """An error at a place of the document, which the reader turns into file and line."""
    details = InitErrorDetails(
        type="value_error", loc=loc, input=None, ctx={"error": ValueError(what, fix)}
    )
    return ValidationError.from_exception_data("SearchSpace", [details])


def _place(name: str, *more: str) -> Loc:
    part, _, rest = name.partition("model.")
    return ("model", rest, *more) if not part and rest else ("components", name, *more)

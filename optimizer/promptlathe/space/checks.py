"""What can be wrong with a space, found before any call is paid for."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Protocol

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from promptlathe.documents import nearest
from promptlathe.records import Message, Scalar, Value
from promptlathe.space.components import Choice, Component, Demos, Float, Int, Order, Text
from promptlathe.space.conditions import Wanted, comparison_of, matches
from promptlathe.space.contracts import PARAMETER
from promptlathe.space.parameters import (
    Categorical,
    Parameter,
    Real,
    in_dependency_order,
    parameters_of,
)
from promptlathe.space.size import Constraint, has_any
from promptlathe.space.template import STATEMENT, not_placeholder, placeholders

Loc = tuple[str | int, ...]
MODEL_PARAMETERS = (
    "name",
    "temperature",
    "top_p",
    "max_tokens",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "reasoning_effort",
)
SHOWN = 12
LARGEST = 2**53
"""Beyond it, whole numbers are not exact in JSON, nor in Optuna."""


class Declaration(Protocol):
    """What is checked: a space of one prompt."""

    @property
    def messages(self) -> tuple[Message, ...]: ...
    @property
    def components(self) -> Mapping[str, Component]: ...
    @property
    def model(self) -> Mapping[str, Scalar | Component]: ...
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


def check_declaration(space: Declaration) -> None:
    """All that can be checked without data. Raises a located pydantic error."""
    _check_model(space)
    _check_formats(space)
    _check_ranges(space)
    _check_orders(space)
    _check_placeholders(space)
    _check_statements(space)
    _check_protected(space)
    declared = {p.name: p for n, one in space.varied.items() for p in parameters_of(n, one)}
    _check_conditions(space, declared)
    _check_candidates(space, declared)


def _check_model(space: Declaration) -> None:
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


def _check_formats(space: Declaration) -> None:
    """A prompt sets `response_format` once."""
    choices = [(n, one) for n, one in space.varied.items() if isinstance(one, Choice)]
    setting = [n for n, one in choices if any(level.response_format for level in one.choice)]
    if setting and setting[-1] not in space.components:
        raise problem(
            _place(setting[-1]),
            f"a model parameter cannot set `{PARAMETER}`",
            "make it a level of a component",
        )
    if len(setting) > 1:
        raise problem(
            _place(setting[1]),
            f"{setting[0]!r} and {setting[1]!r} both set `{PARAMETER}`",
            "let one component do it",
        )


def _check_ranges(space: Declaration) -> None:
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


def _check_orders(space: Declaration) -> None:
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


def _check_placeholders(space: Declaration) -> None:
    templates = [(loc, text) for loc, text in space.texts() if loc[0] == "messages"]
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
            yield ("components", name, "demos", "template"), one.demos.template


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


def _check_protected(space: Declaration) -> None:
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


def _check_conditions(space: Declaration, declared: Mapping[str, Parameter]) -> None:
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


def _check_candidates(space: Declaration, declared: Mapping[str, Parameter]) -> None:
    if not has_any(tuple(declared.values()), space.constraints):
        raise problem(
            ("constraints",), "the constraints forbid every candidate", "remove one of them"
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

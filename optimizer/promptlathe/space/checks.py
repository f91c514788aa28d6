"""What can be wrong with a space, found before any call is paid for."""

from collections.abc import Mapping

from promptlathe.documents import nearest
from promptlathe.space.components import Choice, Demos, Float, Int, Order, Text
from promptlathe.space.conditions import Wanted, comparison_of, matches
from promptlathe.space.contracts import PARAMETER
from promptlathe.space.declaration import Declaration, Loc, place_of, problem
from promptlathe.space.parameters import (
    Categorical,
    Parameter,
    Real,
    in_dependency_order,
    parameters_of,
)
from promptlathe.space.passages import Contexts, Retrieve
from promptlathe.space.placeholder_checks import check_placeholders
from promptlathe.space.size import has_any
from promptlathe.space.tool_checks import check_tools

MODEL_PARAMETERS = (
    "name",
    "temperature",
    "top_p",
    "max_tokens",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "reasoning_effort",
    "service_tier",
    "size",
    "quality",
    "background",
    "negative_prompt",
)
SERVICE = ("base_url", "api_key_env", "timeout", "retries")
"""Of a run file's `model`: they are no parameters of a call."""
SHOWN = 12
LARGEST = 2**53
"""Beyond it, whole numbers are not exact in JSON, nor in Optuna."""


def check_declaration(space: Declaration) -> None:
    """All that can be checked without data. Raises a located pydantic error."""
    _check_model(space)
    _check_formats(space)
    _check_ranges(space)
    _check_orders(space)
    check_placeholders(space)
    check_tools(space)
    _check_protected(space)
    declared = {p.name: p for n, one in space.varied.items() for p in parameters_of(n, one)}
    _check_conditions(space, declared)
    _check_candidates(space, declared)


def _check_model(space: Declaration) -> None:
    for name, one in space.model.items():
        if name not in MODEL_PARAMETERS:
            hint = nearest(name, MODEL_PARAMETERS)
            advice = f"did you mean {hint!r}?" if hint else f"known: {', '.join(MODEL_PARAMETERS)}"
            if name in SERVICE:
                advice = "the service stands in the run file: in `model`, or a step's own"
            raise problem(("model", name), f"unknown model parameter {name!r}", advice)
        if isinstance(one, Choice | Text) and one.rewrite:
            raise problem(
                ("model", name), "a model parameter cannot be rewritten", "remove `rewrite`"
            )
        if isinstance(one, Demos | Order | Contexts | Retrieve):
            raise problem(
                ("model", name),
                "demos, contexts and order cannot be a model parameter",
                "write a value, or a choice, float or int",
            )


def _check_formats(space: Declaration) -> None:
    """A prompt sets `response_format` once."""
    choices = [(n, one) for n, one in space.varied.items() if isinstance(one, Choice)]
    setting = [n for n, one in choices if any(level.response_format for level in one.choice)]
    if setting and setting[-1] not in space.components:
        raise problem(
            place_of(setting[-1]),
            f"a model parameter cannot set `{PARAMETER}`",
            "make it a level of a component",
        )
    if len(setting) > 1:
        raise problem(
            place_of(setting[1]),
            f"{setting[0]!r} and {setting[1]!r} both set `{PARAMETER}`",
            "let one component do it",
        )


def _check_ranges(space: Declaration) -> None:
    for name, one in space.varied.items():
        match one:
            case Float(bounds=(low, high)) | Int(bounds=(low, high)):
                pass
            case Demos(demos=spec) | Contexts(spec=spec) | Retrieve(spec=spec):
                low, high = spec.count
                if low < 0:
                    what = "demos" if isinstance(one, Demos) else "passages"
                    raise problem(place_of(name), f"a count of {what} is negative", "start it at 0")
            case _:
                continue
        if max(abs(low), abs(high)) > LARGEST:
            raise problem(
                place_of(name), f"the range goes to {max(low, high):g}", "stay below 9e15"
            )
        if low > high:
            raise problem(
                place_of(name),
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


def _check_protected(space: Declaration) -> None:
    for name, one in space.components.items():
        if not isinstance(one, Choice | Text):
            continue
        texts = [one.text] if isinstance(one, Text) else [level.text for level in one.choice]
        for phrase in one.protect:
            if any(text is not None and phrase not in text for text in texts):
                raise problem(
                    place_of(name, "protect"),
                    f"the text does not contain the protected phrase {phrase!r}",
                    "write the phrase as it stands in every level, or remove it",
                )


def _check_conditions(space: Declaration, declared: Mapping[str, Parameter]) -> None:
    conditions = [(place_of(n, "when"), one.when) for n, one in space.varied.items()]
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

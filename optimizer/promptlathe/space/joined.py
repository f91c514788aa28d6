"""Several spaces as one: what varies in a chain of prompts, tuned together.

A component `role` of the step `plan` is `plan.role` here; so `plan.demos.count`,
`plan.model.temperature`. Names of levels stay as they are.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from promptlathe.documents import nearest
from promptlathe.errors import InputError
from promptlathe.space.components import Component
from promptlathe.space.conditions import Wanted
from promptlathe.space.data_checks import Where
from promptlathe.space.space import Forbid, SearchSpace
from promptlathe.space.template import placeholders

Conditions = tuple[tuple[str, Wanted], ...]


class JoinedSpace(SearchSpace):
    """Made by `join`. `model` is empty: what varies of it is in `varied`, the rest in `parts`."""

    chained: ClassVar[bool] = True
    parts: dict[str, SearchSpace]
    """By step, in order."""
    output: str
    """The step whose output is the chain's."""

    @classmethod
    def of(cls, parts: Mapping[str, SearchSpace], output: str) -> "JoinedSpace":
        """Nothing is checked."""
        return cls.model_construct(
            None,
            messages=tuple(m for part in parts.values() for m in part.messages),
            components=_flat({step: part.components for step, part in parts.items()}),
            tools=(),
            model={},
            constraints=tuple(
                Forbid.model_construct(forbid=_renamed(one.forbid, f"{step}.", ""))
                for step, part in parts.items()
                for one in part.constraints
            ),
            seed={f"{s}.{n}": level for s, part in parts.items() for n, level in part.seed.items()},
            parts=dict(parts),
            output=output,
        )

    @property
    def prompts(self) -> Mapping[str, SearchSpace]:
        return self.parts

    def step_of(self, name: str) -> str:
        return name.partition(".")[0]

    @cached_property
    def varied(self) -> dict[str, Component]:
        return _flat({step: part.varied for step, part in self.parts.items()})

    def with_components(self, changed: Mapping[str, Component]) -> "JoinedSpace":
        parts = {
            step: part.with_components(
                {
                    name.removeprefix(f"{step}."): _moved(one, "", f"{step}.")
                    for name, one in changed.items()
                    if self.step_of(name) == step
                }
            )
            for step, part in self.parts.items()
        }
        return JoinedSpace.of(parts, self.output)

    def texts(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for step, part in self.parts.items():
            for loc, text in part.texts():
                yield ("steps", step, "space", *loc), text

    def to_dict(self) -> dict[str, Any]:
        """As in a run file: `steps` and `output`."""
        steps = {step: {"space": part.to_dict()} for step, part in self.parts.items()}
        return {"steps": steps, "output": self.output}


def join(
    parts: Mapping[str, SearchSpace],
    *,
    output: str | None = None,
    function: bool = False,
    where: Where = lambda loc: None,
) -> JoinedSpace:
    """One space of several prompts. A later one may use `{{ step }}`, the output of an earlier.

    output: the step whose output counts, by default the last. function: a function of yours makes
    the calls, in any order and with any fields.
    Raises InputError: a name that is taken, an output that is used before it exists or never.
    """
    if not parts:
        raise InputError("there are no steps", where(("steps",)), "write at least one")
    steps = list(parts)
    output = steps[-1] if output is None else output
    if output not in parts:
        near = nearest(output, steps)
        raise InputError(
            f"the output names {output!r}, and there is no such step",
            where(("output",)),
            f"did you mean {near!r}?" if near else f"steps: {', '.join(steps)}",
        )
    used: set[str] = {output}
    for i, (step, part) in enumerate(parts.items()):
        _check_names(step, part, steps, where)
        if function:
            used = set(steps)
            continue
        shown = [(loc, set(placeholders(text))) for loc, text in part.texts()]
        shown += [(("components", n), {field}) for field, n in part.filled_from.items()]
        for loc, names in shown:
            if late := next((one for one in steps[i:] if one in names), None):
                what, fix = _too_early(parts, step, late)
                raise InputError(what, where(("steps", step, "space", *loc)), fix)
            used |= names
    if unused := next((step for step in steps if step not in used), None):
        raise InputError(
            f"no later step uses the output of {unused!r}",
            where(("steps", unused)),
            f"place {{{{ {unused} }}}} in a later step, or remove it",
        )
    return JoinedSpace.of(parts, output)


def _too_early(parts: Mapping[str, SearchSpace], step: str, late: str) -> tuple[str, str]:
    """What is wrong with a step that shows the output of itself, or of one below it."""
    renamed = "if a field of the data is meant, rename the step"
    if step == late:
        return f"the step {step!r} uses its own output", f"remove {{{{ {step} }}}}; {renamed}"
    if step in _needs(parts, late):
        return (
            f"the steps {step!r} and {late!r} use each other's outputs",
            f"take {{{{ {late} }}}} out of {step!r}: a step may use the outputs of those above it; "
            + renamed,
        )
    return (
        f"the step {step!r} uses {{{{ {late} }}}}, the output of a step below it",
        f"move {late!r} above {step!r}; {renamed}",
    )


def _needs(parts: Mapping[str, SearchSpace], step: str) -> set[str]:
    """The steps whose outputs a step rests on, through whichever others."""
    found: set[str] = set()
    waiting = [step]
    while waiting:
        new = (parts[waiting.pop()].shown & parts.keys()) - found
        found |= new
        waiting += new
    return found


def _check_names(step: str, part: SearchSpace, steps: Sequence[str], where: Where) -> None:
    if not step.isidentifier() or not step.isascii():
        raise InputError(
            f"{step!r} is no name for a step",
            where(("steps", step)),
            "use letters, digits and `_` only, so that {{ name }} can name it",
        )
    if taken := next((one for one in steps if one in part.components), None):
        raise InputError(
            f"{taken!r} is both a step and a component of the step {step!r}",
            where(("steps", step, "space", "components", taken)),
            "rename the component",
        )


def _flat(by_step: Mapping[str, Mapping[str, Component]]) -> dict[str, Component]:
    return {
        f"{step}.{name}": _moved(one, f"{step}.", "")
        for step, components in by_step.items()
        for name, one in components.items()
    }


def _moved(component: Component, add: str, drop: str) -> Component:
    """With the names in its condition changed."""
    if not component.when:
        return component
    when = _renamed(component.when, add, drop)
    return component.model_copy(update={"when": when})


def _renamed(condition: Conditions, add: str, drop: str) -> Conditions:
    return tuple((add + name.removeprefix(drop), wanted) for name, wanted in condition)

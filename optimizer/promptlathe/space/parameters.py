"""What a policy sees of a space: flat parameters, some of them active only sometimes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promptlathe.records import Value
from promptlathe.space.components import NEAREST, Choice, Component, Demos, Float, Int, Order
from promptlathe.space.conditions import Wanted, holds
from promptlathe.space.passages import Contexts, Retrieve

DECIMALS = 4


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of a few values, without an order between them."""

    values: tuple[Value, ...]

    @property
    def count(self) -> int:
        return len(self.values)

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def draw(self, rng: np.random.Generator) -> Value:
        return self.values[int(rng.integers(len(self.values)))]


@dataclass(frozen=True, slots=True)
class Integer:
    """Whole numbers from low to high, both included."""

    low: int
    high: int

    @property
    def count(self) -> int:
        return self.high - self.low + 1

    @property
    def values(self) -> Sequence[Value]:
        return range(self.low, self.high + 1)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high

    def draw(self, rng: np.random.Generator) -> Value:
        return int(rng.integers(self.low, self.high + 1))


@dataclass(frozen=True, slots=True)
class Real:
    """Numbers in [low, high]: so many that they are not counted."""

    low: float
    high: float

    @property
    def count(self) -> None:
        return None

    @property
    def values(self) -> tuple[Value, ...]:
        """The two ends, where a constraint is checked."""
        return (self.low, self.high)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def draw(self, rng: np.random.Generator) -> Value:
        return self.rounded(float(rng.uniform(self.low, self.high)))

    def rounded(self, value: float) -> float:
        """To DECIMALS, and never out of the bounds, which may have more."""
        return min(max(round(value, DECIMALS), self.low), self.high)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One dimension of the space; `when` names parameters that stand before it."""

    name: str
    domain: Categorical | Integer | Real
    when: tuple[tuple[str, Wanted], ...] = ()

    def active(self, levels: Mapping[str, Value]) -> bool:
        return not self.when or holds(self.when, levels)


def parameters_of(name: str, component: Component) -> Iterator[Parameter]:
    """The dimensions that a component adds: none for a fixed text, up to four for demos."""
    when = component.when
    match component:
        case Choice(choice=levels):
            yield Parameter(name, Categorical(tuple(level.name for level in levels)), when)
        case Float(bounds=(low, high)):
            yield Parameter(name, Real(low, high), when)
        case Int(bounds=(low, high)):
            yield Parameter(name, Integer(low, high), when)
        case Order():
            yield Parameter(name, Categorical(tuple(component.arrangements)), when)
        case Demos(demos=spec):
            low, high = spec.count
            yield Parameter(f"{name}.count", Integer(low, high), when)
            some = (*when, (f"{name}.count", "> 0"))
            yield Parameter(f"{name}.select", Categorical(spec.selections), some)
            yield Parameter(f"{name}.order", Categorical(spec.order), some)
            drawn = tuple(select for select in spec.selections if select != NEAREST)
            if drawn != spec.selections:
                some = (*some, (f"{name}.select", drawn))
            if drawn:
                yield Parameter(f"{name}.draw", Categorical(tuple(range(spec.draws))), some)
        case Contexts(contexts=spec):
            yield from _passages(name, spec.count, {"order": spec.order}, spec.markup, when)
        case Retrieve(retrieve=spec):
            varied = {"by": spec.by, "order": spec.order}
            yield from _passages(name, spec.count, varied, spec.markup, when)
        case _:
            return


def _passages(
    name: str,
    count: tuple[int, int],
    varied: Mapping[str, tuple[str, ...]],
    markup: tuple[str, ...],
    when: tuple[tuple[str, Wanted], ...],
) -> Iterator[Parameter]:
    yield Parameter(f"{name}.count", Integer(*count), when)
    some = (*when, (f"{name}.count", "> 0"))
    for key, values in {**varied, "markup": markup}.items():
        yield Parameter(f"{name}.{key}", Categorical(values), some)


def in_dependency_order(parameters: list[Parameter]) -> list[Parameter] | None:
    """Parents before children, otherwise as declared; None when conditions form a circle."""
    placed: dict[str, Parameter] = {}
    waiting = list(parameters)
    while waiting:
        ready = next((p for p in waiting if all(name in placed for name, _ in p.when)), None)
        if ready is None:
            return None
        placed[ready.name] = ready
        waiting.remove(ready)
    return list(placed.values())

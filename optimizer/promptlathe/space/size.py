"""How large a space is, counted without walking through all of it.

Parameters that conditions and constraints tie together form groups; each group is counted by
enumeration, and the groups multiply.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from promptlathe.records import Value
from promptlathe.space.conditions import Wanted, holds
from promptlathe.space.parameters import Parameter, Real

LIMIT = 300_000
"""Combinations enumerated in one group; beyond, the count is a lower bound."""


class Constraint(Protocol):
    @property
    def forbid(self) -> tuple[tuple[str, Wanted], ...]: ...


@dataclass(frozen=True, slots=True)
class Size:
    """Candidates in a space."""

    count: int
    exact: bool
    continuous: tuple[str, ...]
    """Parameters that were not counted because they are real numbers."""

    def __str__(self) -> str:
        many = "candidate" if self.count == 1 else "candidates"
        number = f"{'' if self.exact else 'more than '}{self.count:,} {many}"
        return number + "".join(f" × {name} (continuous)" for name in self.continuous)


def size_of(parameters: Sequence[Parameter], constraints: Sequence[Constraint]) -> Size:
    """Count the allowed combinations of active levels."""
    count, exact = 1, True
    for group, rules in _groups(parameters, constraints):
        found = sum(1 for _ in islice(combinations(group, rules), LIMIT))
        exact = exact and found < LIMIT
        count *= found
    continuous = tuple(p.name for p in parameters if isinstance(p.domain, Real))
    return Size(count, exact, continuous)


def has_any(parameters: Sequence[Parameter], constraints: Sequence[Constraint]) -> bool:
    """True when at least one combination is allowed."""
    return all(
        next(combinations(group, rules), None) is not None
        for group, rules in _groups(parameters, constraints)
    )


def _groups(
    parameters: Sequence[Parameter], constraints: Sequence[Constraint]
) -> Iterator[tuple[list[Parameter], list[Constraint]]]:
    """Connected groups of parameters, each with the constraints that lie within it."""
    group_of = {p.name: {p.name} for p in parameters}

    def join(names: list[str]) -> None:
        merged = set[str]().union(*(group_of[n] for n in names if n in group_of))
        for name in merged:
            group_of[name] = merged

    for parameter in parameters:
        join([parameter.name, *(name for name, _ in parameter.when)])
    for constraint in constraints:
        join([name for name, _ in constraint.forbid])
    seen: set[str] = set()
    for parameter in parameters:
        if parameter.name in seen:
            continue
        names = group_of[parameter.name]
        seen |= names
        yield (
            [p for p in parameters if p.name in names],
            [c for c in constraints if any(name in names for name, _ in c.forbid)],
        )


def combinations(
    group: Sequence[Parameter], constraints: Sequence[Constraint]
) -> Iterator[dict[str, Value]]:
    """Every allowed combination of active levels, lazily; a real number stays at its low end."""

    def grow(levels: dict[str, Value], rest: Sequence[Parameter]) -> Iterator[dict[str, Value]]:
        if not rest:
            if not any(holds(c.forbid, levels) for c in constraints):
                yield levels
            return
        parameter, *others = rest
        if not parameter.active(levels):
            yield from grow(levels, others)
            return
        domain = parameter.domain
        for value in domain.values[:1] if isinstance(domain, Real) else domain.values:
            yield from grow({**levels, parameter.name: value}, others)

    return grow({}, group)

"""A space with the rows that its demos may come from: levels in, candidates out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from promptlathe.records import Candidate, Example, Message, Prompt, Scalar, Value
from promptlathe.space.components import Choice, Component, Demos, Float, Int, Order, Text
from promptlathe.space.conditions import holds
from promptlathe.space.demos import Pool, write_demos
from promptlathe.space.space import SearchSpace
from promptlathe.space.template import compose


@dataclass(frozen=True)
class BoundSpace:
    """`train` holds the rows that may be shown as demos; `target` is their answer's field."""

    space: SearchSpace
    train: Sequence[Example]
    target: str | None = None

    @cached_property
    def seed(self) -> Candidate:
        """The prompt that the user starts from."""
        return self.candidate(self.space.seed_levels)

    def candidate(self, levels: Mapping[str, Value]) -> Candidate:
        """The prompt that these levels make. Raises InputError for an unknown level."""
        active = self.space.canonical(levels)
        parts: dict[str, str | None] = {
            name: self._text(name, one, active)
            for name, one in self.space.components.items()
            if not isinstance(one, Order)
        }
        for name, one in self.space.components.items():
            if isinstance(one, Order):
                parts[name] = self._ordered(name, one, active, parts)
        messages = (Message(m.role, compose(m.content, parts)) for m in self.space.messages)
        prompt = Prompt(tuple(m for m in messages if m.content), self._parameters(active))
        return Candidate.single(tuple(active.items()), prompt)

    def _text(self, name: str, component: Component, active: Mapping[str, Value]) -> str | None:
        if not holds(component.when, active):
            return None
        match component:
            case Text(text=text):
                return text
            case Choice(choice=levels):
                return next(level.text for level in levels if level.name == active[name])
            case Demos(demos=spec):
                return write_demos(
                    spec,
                    self._rows(name, active),
                    order=active.get(f"{name}.order", "drawn"),
                    target=self.target,
                    answers=self._pools[name].answers(_select(name, active)),
                )
            case _:
                return str(active[name])

    def _ordered(
        self,
        name: str,
        component: Order,
        active: Mapping[str, Value],
        parts: Mapping[str, str | None],
    ) -> str | None:
        if name not in active:
            return None
        sections = component.arrangements[str(active[name])]
        return component.separator.join(part for s in sections if (part := parts[s]))

    def _parameters(self, active: Mapping[str, Value]) -> tuple[tuple[str, Scalar], ...]:
        chosen: dict[str, Scalar] = {}
        for name, one in self.space.model.items():
            if isinstance(one, str | int | float | bool):
                chosen[name] = one
                continue
            key = f"model.{name}"
            if isinstance(one, Text):
                chosen[name] = one.text
            elif isinstance(one, Choice) and key in active:
                text = self._text(key, one, active)
                chosen |= {} if text is None else {name: text}
            elif isinstance(one, Float | Int) and key in active:
                chosen[name] = active[key]
        return tuple(sorted(chosen.items()))

    def shown(self, name: str, active: Mapping[str, Value]) -> tuple[str, ...] | None:
        """Ids of the rows that the demos `name` show under these levels; None when inactive."""
        if f"{name}.count" not in active:
            return None
        return tuple(row.id for row in self._rows(name, active))

    def showable(self, name: str) -> list[str]:
        """Ids of all rows that the demos `name` may ever show, in no order."""
        pool = self._pools.get(name)
        return sorted(pool.showable()) if pool else []

    def _rows(self, name: str, active: Mapping[str, Value]) -> Sequence[Example]:
        ranked = self._pools[name].ranked(_select(name, active), active.get(f"{name}.draw", 0))
        return ranked[: int(active[f"{name}.count"])]

    @cached_property
    def _pools(self) -> dict[str, Pool]:
        return {
            name: Pool(one.demos, self.train, self.target)
            for name, one in self.space.components.items()
            if isinstance(one, Demos)
        }


def _select(name: str, active: Mapping[str, Value]) -> Value:
    return active.get(f"{name}.select", "random")

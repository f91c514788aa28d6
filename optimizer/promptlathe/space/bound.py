"""A space with the rows that its demos may come from: levels in, candidates out.

Of a chain, each step's space is bound by itself, and sees its own names only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from promptlathe.records import Candidate, Example, Json, Message, Prompt, Value
from promptlathe.space.components import (
    NEAREST,
    Choice,
    Component,
    Demos,
    Float,
    Int,
    Level,
    Order,
    Text,
)
from promptlathe.space.conditions import holds
from promptlathe.space.contracts import PARAMETER, sent_format
from promptlathe.space.corpus import Corpus
from promptlathe.space.demos import Pool, write_demos
from promptlathe.space.filling import Filling
from promptlathe.space.passages import Contexts, Retrieve
from promptlathe.space.space import SearchSpace
from promptlathe.space.template import (
    DEMOS,
    compose_message,
    fill_declared,
    named_by,
    placeholders,
)
from promptlathe.space.tools import PARAMETER as TOOLS
from promptlathe.space.tools import keys_of


@dataclass(frozen=True)
class BoundSpace:
    """`train` holds the rows that may be shown as demos; `target` is their answer's field.

    labels: those of the objective, for response formats that name them. inputs: the fields by which
    the objective tells rows apart, None: all. corpora: what is searched, by file and field.
    """

    space: SearchSpace
    train: Sequence[Example]
    target: str | None = None
    labels: Sequence[str] = ()
    inputs: tuple[str, ...] | None = None
    corpora: Mapping[tuple[str, str], Corpus] = field(default_factory=dict[tuple[str, str], Corpus])

    @cached_property
    def seed(self) -> Candidate:
        """The prompt that the user starts from."""
        return self.candidate(self.space.seed_levels)

    def candidate(self, levels: Mapping[str, Value]) -> Candidate:
        """The prompts that these levels make. Raises InputError for an unknown level."""
        active = self.space.canonical(levels)
        prompts = {
            name: self._parts[name]._prompt(_own(name, active))
            if self.space.chained
            else self._prompt(active)
            for name in self.space.prompts
        }
        return Candidate(tuple(active.items()), prompts)

    def _prompt(self, active: Mapping[str, Value]) -> Prompt:
        rules = {
            name: rule
            for name, one in self.space.components.items()
            if (rule := self._filling.rule(name, one, active))
        }
        parts: dict[str, str | None] = {name: f"{{{{ {name} }}}}" for name in rules}
        turns: dict[str, tuple[Message, ...]] = {}
        for name, one in self.space.components.items():
            match one:
                case _ if name in rules:
                    pass
                case Order():
                    pass
                case Demos():
                    written = self._demos(name, one, active)
                    if isinstance(written, tuple):
                        turns[name] = written
                    else:
                        parts[name] = written
                case _:
                    parts[name] = self._text(name, one, active)
        for name, one in self.space.components.items():
            if isinstance(one, Order):
                parts[name] = self._ordered(name, one, active, parts)
        composed = (
            turns.get(named_by(m), ())
            if m.role == DEMOS and named_by(m) not in rules
            else (compose_message(m, parts),)
            for m in self.space.messages
        )
        messages = tuple(one for several in composed for one in several if one.content or one.more)
        tools = self.space.tools
        prompt = Prompt(messages, self._parameters(active, parts), keys_of(tools, parts))
        if not rules:
            return prompt
        placed = {name for message in messages for name in placeholders(message.text)}
        return self._filling.filled(
            prompt, {name: rule for name, rule in rules.items() if name in placed}
        )

    @cached_property
    def _filling(self) -> Filling:
        return Filling(self.space, self.train, self.target, self.inputs, self.corpora)

    @cached_property
    def _parts(self) -> "dict[str, BoundSpace]":
        """Of a chain, its steps."""
        return {step: replace(self, space=part) for step, part in self.space.prompts.items()}

    def _text(self, name: str, component: Component, active: Mapping[str, Value]) -> str | None:
        if not holds(component.when, active):
            return None
        match component:
            case Text(text=text):
                return fill_declared(text, {})
            case Choice(choice=levels):
                text = next(level.text for level in levels if level.name == active[name])
                return text and fill_declared(text, {})
            case Contexts() | Retrieve():
                return None
            case _:
                return str(active[name])

    def _demos(
        self, name: str, component: Demos, active: Mapping[str, Value]
    ) -> str | tuple[Message, ...] | None:
        """Their section, or their turns."""
        if not holds(component.when, active):
            return None
        return write_demos(
            component.demos,
            self._rows(name, active),
            order=active.get(f"{name}.order", "drawn"),
            target=self.target,
            answers=self._pools[name].answers(_select(name, active)),
        )

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

    def _parameters(
        self, active: Mapping[str, Value], parts: Mapping[str, str | None]
    ) -> tuple[tuple[str, Json], ...]:
        tools = [tool.sent(parts) for tool in self.space.tools]
        chosen: dict[str, Json] = {TOOLS: tools} if tools else {}
        for name, one in self.space.components.items():
            level = _level(one, active.get(name)) if isinstance(one, Choice) else None
            if level and level.response_format:
                chosen[PARAMETER] = sent_format(level.response_format, self.labels)
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
        """Ids of the rows that the demos `name` show under these levels, none where they differ
        from row to row; None when inactive."""
        if f"{name}.count" not in active:
            return None
        if self.space.chained:
            step, _, own = name.partition(".")
            return self._parts[step].shown(own, _own(step, active))
        if name not in self._pools:
            return None
        if active.get(f"{name}.select") == NEAREST:
            return ()
        return tuple(row.id for row in self._rows(name, active))

    def showable(self, name: str) -> list[str]:
        """Ids of all rows that the demos `name` may ever show, in no order."""
        if self.space.chained:
            step, _, own = name.partition(".")
            return self._parts[step].showable(own)
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


def _own(step: str, active: Mapping[str, Value]) -> dict[str, Value]:
    """The levels of a step, by its own names."""
    start = f"{step}."
    return {n.removeprefix(start): v for n, v in active.items() if n.startswith(start)}


def _level(component: Choice, name: Value | None) -> Level | None:
    return next((level for level in component.choice if level.name == name), None)

"""Which rules a candidate's prompt has, with what they take from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from promptlathe.errors import InputError
from promptlathe.records import Example, Prompt, Value, content_hash
from promptlathe.space.components import NEAREST, Component, Demos
from promptlathe.space.conditions import holds
from promptlathe.space.corpus import Corpus
from promptlathe.space.demos import names_of
from promptlathe.space.fills import ContextsRule, NearestRule, RetrieveRule, Rule, to_json
from promptlathe.space.nearest import NearestPool
from promptlathe.space.passages import Contexts, Retrieve
from promptlathe.space.space import SearchSpace

SAMPLE = 16
"""Rows of `train` by which the size of what is filled in is estimated."""


@dataclass(frozen=True)
class Filling:
    """Of one prompt's space; the fields are as those of `BoundSpace`."""

    space: SearchSpace
    train: Sequence[Example]
    target: str | None
    inputs: tuple[str, ...] | None
    corpora: Mapping[tuple[str, str], Corpus]

    def rule(self, name: str, one: Component, active: Mapping[str, Value]) -> Rule | None:
        """What fills in the component for each row under these levels; None when nothing does."""
        count = active.get(f"{name}.count")
        if not holds(one.when, active) or not isinstance(count, int) or count < 1:
            return None
        match one:
            case Contexts(contexts=spec):
                order, markup = str(active[f"{name}.order"]), str(active[f"{name}.markup"])
                template = spec.template if markup == "template" else None
                return ContextsRule(spec.field, count, order, markup, template)
            case Retrieve(retrieve=spec):
                by, order, markup = (str(active[f"{name}.{k}"]) for k in ("by", "order", "markup"))
                template = spec.template if markup == "template" else None
                corpus = self._corpus(one).digest
                return RetrieveRule(
                    spec.query, count, by, order, markup, corpus, spec.field, template
                )
            case Demos(demos=spec) if active.get(f"{name}.select") == NEAREST:
                pool = self._pools[name]
                return NearestRule(
                    count,
                    str(active[f"{name}.order"]),
                    spec.model_dump(mode="json")["template"],
                    spec.separator,
                    self.target,
                    pool.compared,
                    self.inputs,
                    pool.digest,
                )
            case _:
                return None

    def filled(self, prompt: Prompt, rules: Mapping[str, Rule]) -> Prompt:
        """The prompt with rules, and what they take from."""
        sources = {name: source for name in rules if (source := self._source(name)) is not None}
        size = sum(self._size(rule, sources.get(name)) for name, rule in rules.items())
        fills = tuple((name, to_json(rule)) for name, rule in rules.items())
        return replace(prompt, fills=fills, sources=sources, filled=size)

    def _source(self, name: str) -> Any:
        one = self.space.components[name]
        if isinstance(one, Retrieve):
            return self._corpus(one)
        return self._pools[name] if isinstance(one, Demos) else None

    def _size(self, rule: Rule, source: Any) -> int:
        """Bytes for a row of `train`, on average; 0 where no such row has the rule's fields."""
        key = content_hash(to_json(rule))
        if key not in self._sizes:
            rows = (example.row for example in self.train)
            fitting = [r for r in rows if all(name in r for name in rule.takes)][:SAMPLE]
            sizes = [rule.made(row, source).size for row in fitting]
            self._sizes[key] = sum(sizes) // max(1, len(sizes))
        return self._sizes[key]

    def _corpus(self, one: Retrieve) -> Corpus:
        found = self.corpora.get((one.spec.corpus, one.spec.field))
        if found is None:
            raise InputError(f"the corpus {one.spec.corpus} was not read", "corpus")
        return found

    @cached_property
    def _pools(self) -> dict[str, NearestPool]:
        """Of each component of demos that may take the nearest."""
        rows = [example.row for example in self.train]
        demos = {n: one.demos for n, one in self.space.components.items() if isinstance(one, Demos)}
        return {
            name: NearestPool.of(rows, names_of(spec), compared(self.space, name))
            for name, spec in demos.items()
            if NEAREST in spec.select
        }

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return {}


def compared(space: SearchSpace, name: str) -> tuple[str, ...]:
    """The fields by which the demos `name` are near a row: those that the prompt shows of it and
    that stand in a demo, too."""
    one = space.components[name]
    assert isinstance(one, Demos)
    return tuple(n for n in names_of(one.demos) if n in space.shown)

"""The rules by which a placeholder is filled in for each row: contexts, retrieval, nearest demos.

A prompt holds its rules as JSON, which is a part of its content: `{"kind": "contexts", "field":
"contexts", "count": 3, …}`. What a rule takes from, a pool of rows or a corpus, stands beside the
prompt and not in it; the rule knows its hash, so that it can be found again and be told from
another.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

from promptlathe.errors import InputError
from promptlathe.records import Example, Json, Prompt
from promptlathe.space.components import DemosSpec
from promptlathe.space.corpus import Corpus
from promptlathe.space.demos import names_of, write_demos
from promptlathe.space.nearest import NearestPool
from promptlathe.space.written import Filled, chosen, passages_of, written


class Rule(Protocol):
    """Frozen dataclasses whose fields are JSON-like."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    kind: ClassVar[str]

    @property
    def takes(self) -> tuple[str, ...]:
        """Of the row, which it is made of."""
        ...

    def made(self, row: Mapping[str, Any], source: Any) -> Filled:
        """The text for a row. Raises InputError for a row or a source that does not fit."""
        ...


@dataclass(frozen=True)
class ContextsRule:
    """The best contexts of a row's list."""

    kind: ClassVar[str] = "contexts"
    field: str
    count: int
    order: str
    markup: str
    template: str | None = None

    @property
    def takes(self) -> tuple[str, ...]:
        return (self.field,)

    def made(self, row: Mapping[str, Any], source: Any) -> Filled:
        del source
        try:
            passages, scores = passages_of(row.get(self.field))
        except ValueError as error:
            raise InputError(f"{self.field!r} {error.args[0]}", None, error.args[1]) from None
        return written(chosen(passages, scores, self.count, self.order), self.markup, self.template)


@dataclass(frozen=True)
class RetrieveRule:
    """The passages of a corpus that are found for a row."""

    kind: ClassVar[str] = "retrieve"
    query: str
    count: int
    by: str
    order: str
    markup: str
    corpus: str
    """Its content hash."""
    field: str
    """Of the corpus: a passage's text."""
    template: str | None = None

    @property
    def takes(self) -> tuple[str, ...]:
        return (self.query,)

    def made(self, row: Mapping[str, Any], source: Any) -> Filled:
        if not isinstance(source, Corpus):
            raise InputError("the prompt shows passages of a corpus, and there is none", *_GIVE)
        found = source.found(str(row.get(self.query, "")), self.by, self.count)
        return written(chosen(found, (), self.count, self.order), self.markup, self.template)


@dataclass(frozen=True)
class NearestRule:
    """The rows of a pool that are most like a row, as demos; the most alike last."""

    kind: ClassVar[str] = "nearest"
    count: int
    order: str
    template: Any
    """As it is spelled: a text, or messages."""
    separator: str
    target: str | None
    compared: tuple[str, ...]
    """The fields whose texts are compared."""
    inputs: tuple[str, ...] | None
    """The fields that the space's prompts show, by which rows are told apart (data/repeats.py)."""
    pool: str
    """Its content hash."""

    @property
    def takes(self) -> tuple[str, ...]:
        return self.compared

    def made(self, row: Mapping[str, Any], source: Any) -> Filled:
        if not isinstance(source, NearestPool):
            raise InputError("the prompt shows the nearest demos of a pool of rows", *_GIVE)
        near = reversed(source.nearest(row, self.count))
        shown = [Example(str(n), one, "train") for n, one in enumerate(near)]
        written = write_demos(self.spec, shown, order=self.order, target=self.target, answers={})
        return Filled(written) if isinstance(written, str) else Filled("", turns=written)

    @property
    def spec(self) -> DemosSpec:
        return DemosSpec(
            count=(self.count, self.count), template=self.template, separator=self.separator
        )


_GIVE = (None, "give it:  promptlathe.render(prompt, row, pool=…)")
KINDS: Mapping[str, type[ContextsRule | RetrieveRule | NearestRule]] = {
    one.kind: one for one in (ContextsRule, RetrieveRule, NearestRule)
}


def _changed(what: str, wanted: str, found: str) -> InputError:
    return InputError(
        f"the {what} has changed: the prompt was scored with {wanted}, this is {found}",
        None,
        "give the rows that the prompt was scored with, or run again to score it with these",
    )


def to_json(rule: Rule) -> Json:
    """As a prompt holds it."""
    values = {one.name: getattr(rule, one.name) for one in fields(rule)}
    listed = {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}
    return {"kind": rule.kind, **listed}


def rule_of(told: Mapping[str, Any]) -> Rule:
    """From what a prompt holds. Raises InputError for what this version does not know."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in told.items()
    }
    try:
        return KINDS[values.pop("kind")](**values)
    except (KeyError, TypeError):
        raise InputError(
            f"the prompt has a rule that this version does not know: {told!r}",
            None,
            "use the version of promptlathe that registered it",
        ) from None


def rules_of(prompt: Prompt) -> dict[str, Rule]:
    """By placeholder."""
    return {name: rule_of(told) for name, told in prompt.fills}


def filled(prompt: Prompt, row: Mapping[str, Any]) -> dict[str, Filled]:
    """What a prompt's rules give for a row, by placeholder. Raises InputError."""
    return {
        name: rule.made(row, prompt.sources.get(name)) for name, rule in rules_of(prompt).items()
    }


def with_sources(
    prompt: Prompt, rows: Iterable[Mapping[str, Any]] | None, corpora: Iterable[Corpus]
) -> Prompt:
    """The prompt with what its rules take from: a pool of these rows, one of these corpora.

    Raises InputError for what is missing, or is not what the prompt was scored with.
    """
    sources: dict[str, Any] = {}
    for name, rule in rules_of(prompt).items():
        match rule:
            case NearestRule() if rows is not None:
                pool = NearestPool.of(rows, names_of(rule.spec), rule.compared)
                if pool.digest != rule.pool:
                    raise _changed("pool of demos", rule.pool, pool.digest)
                sources[name] = pool
            case RetrieveRule():
                there = {corpus.digest: corpus for corpus in corpora}
                if there and rule.corpus not in there:
                    raise _changed("corpus", rule.corpus, next(iter(there)))
                sources |= {name: there[rule.corpus]} if there else {}
            case _:
                pass
    return prompt.with_sources(sources)

"""Searches without a model, in small worlds: a policy's cells are answered by a rule."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from promptlathe.records import Answer, Cell, Dropped, Example, Failure, Key, Outcome, Standing
from promptlathe.search import Policy
from promptlathe.space import Choice, Demos, SearchSpace
from promptlathe.testing import records

EXAMPLES = [Example(f"e{i:02}", {"text": f"question {i}"}, "select") for i in range(36)]
SAME = [Example(f"s{i:02}", {"text": "the same question"}, "select") for i in range(36)]
TRAIN = [Example(f"t{i}", {"text": f"shown {i}"}, "train") for i in range(6)]
ROLES = {"plain": "You answer.", "expert": "You are an expert.", "none": None}


def space(roles: dict[str, str | None]) -> SearchSpace:
    return SearchSpace(
        messages={"system": "{{ role }} {{ style }} {{ extra }}", "user": "{{ demos }} {{ text }}"},
        components={
            "role": Choice(roles),
            "style": Choice({"short": "Be short.", "long": "Explain.", "json": "As JSON."}),
            "extra": Choice({"a": "A.", "b": "B.", "c": "C."}, when={"style": "long"}),
            "demos": Demos(count=(0, 3), template="{{ text }}", draws=2),
        },
        constraints=[{"forbid": {"style": "json", "demos.count": "> 0"}}],
    )


def tiny(roles: dict[str, str | None]) -> SearchSpace:
    return SearchSpace(messages="{{ role }} {{ text }}", components={"role": Choice(roles)})


TWO: dict[str, str | None] = {"one": "One.", "two": "Two."}
SPACE, TINY = space(ROLES), tiny(TWO)


class Refused(float):
    """The value of a cell whose prompt the service refuses."""


def outcome(cell: Cell, value: float | None, tokens: int | None = 20) -> Outcome:
    """Without a value the service failed."""
    if value is None:
        return records.outcome(cell, Failure("timeout", "no answer"))
    if isinstance(value, Refused):
        refusal = Failure("context_length", "too long")
        return records.outcome(cell, refusal, {"score": value}, float(value))
    half = None if tokens is None else tokens // 2
    return records.outcome(cell, Answer("answer", half, half), {"score": value}, value)


Rule = Callable[[Cell], float | None]


def level(cell: Cell, name: str) -> object:
    return dict(cell.candidate.levels).get(name)


def chance(levels: dict[str, object]) -> float:
    """A world where `expert`, `long` and demos help, and `json` never answers right."""
    if levels["style"] == "json":
        return 0.0
    helps = 0.35 * (levels["role"] == "expert") + 0.3 * (levels["style"] == "long")
    return 0.2 + helps + 0.03 * int(str(levels["demos.count"]))


def quality(cell: Cell) -> float:
    """Each answer with the candidate's chance."""
    return float(random.Random(f"{cell.key}").random() < chance(dict(cell.candidate.levels)))


def quality_of_two(cell: Cell, draw: int = 0) -> float:
    """In the tiny space: `two` is right in 85 of 100 answers, `one` in 35."""
    chance = 0.85 if level(cell, "role") == "two" else 0.35
    return float(random.Random(f"{draw} {cell.key}").random() < chance)


@dataclass
class Run:
    """What happened: every cell in the order of proposal, every outcome in the order told."""

    policy: Policy
    proposed: list[Cell] = field(default_factory=list[Cell])
    told: list[Outcome] = field(default_factory=list[Outcome])
    settled: list[Standing] = field(default_factory=list[Standing])
    pending: list[Cell] = field(default_factory=list[Cell])

    @property
    def keys(self) -> list[Key]:
        return [cell.key for cell in self.proposed]


def run(
    policy: Policy,
    rule: Rule,
    *,
    slots: int = 1,
    calls: int = 400,
    shuffle: int | None = None,
    dropped: int = 0,
) -> Run:
    """Keep `slots` cells under way until `calls` are sent or the policy has nothing left.

    Outcomes are told in order, or shuffled; with `dropped`, one of so many is dropped first.
    """
    return proceed(Run(policy), rule, slots=slots, calls=calls, shuffle=shuffle, dropped=dropped)


def proceed(
    done: Run,
    rule: Rule,
    *,
    slots: int = 1,
    calls: int = 400,
    shuffle: int | None = None,
    drain: bool = True,
    dropped: int = 0,
) -> Run:
    """Go on with a run; without `drain` it ends as soon as all `calls` are sent."""
    rng = random.Random(shuffle)
    while True:
        free = min(slots - len(done.pending), calls - len(done.proposed))
        if free > 0:
            new = list(done.policy.propose(tuple(done.pending), free))
            assert len(new) <= free
            done.proposed += new
            done.pending += new
        if not done.pending or (not drain and len(done.proposed) == calls):
            assert len(done.proposed) == calls or done.policy.finish_reason
            return done
        cell = done.pending.pop(0 if shuffle is None else rng.randrange(len(done.pending)))
        if dropped and len(done.told) % dropped == 0:
            assert not done.policy.tell(Dropped(cell, "usd"))
        done.told.append(outcome(cell, rule(cell)))
        done.settled += done.policy.tell(done.told[-1])


def assert_in_order(done: Run) -> None:
    """Standings stand in the order of first proposal, with numbers that only grow."""
    order = list(dict.fromkeys(cell.candidate.id for cell in done.proposed))
    standings = done.policy.standings
    assert [s.candidate.id for s in standings] == order
    numbers = [s.number for s in standings]
    assert numbers == sorted(set(numbers))

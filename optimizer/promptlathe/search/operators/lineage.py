"""Where levels come from, and what the operators did: the record of a run's rewriting."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from promptlathe.records import Candidate, Value
from promptlathe.search.lathe.effects import Effect


@dataclass(frozen=True)
class LevelOrigin:
    """A level that an operator made."""

    component: str
    """Of demos, their `select`."""
    level: str
    operator: str
    parents: tuple[str, ...]
    """Levels of the same component that it was made from."""
    failures: tuple[str, ...]
    """Ids of the rows of `train` that were wrong when it was made: what the operator was shown."""
    candidate: str
    """Id of the prompt whose mistakes these were."""
    text: str
    """The new text; of a set of demos, the ids of its rows, one a line."""
    longer: int
    """Words that it has more than its first parent."""
    tokens: int
    """Of its share in the request that gave it; 0 when it was made without one."""
    at: int
    """Calls used by the run when it was made."""


@dataclass(frozen=True)
class LevelLineage:
    """A level that an operator made, and what became of it."""

    origin: LevelOrigin
    gain: float | None
    """Points of the level over its first parent, by the model of all outcomes; None: unknown."""
    calls: int
    """Answered calls of prompts with this level."""
    kept: bool
    """It is in the best prompt."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-like, flat."""
        origin = asdict(self.origin)
        lists = {name: list(origin[name]) for name in ("parents", "failures")}
        return {**origin, **lists, "gain": self.gain, "calls": self.calls, "kept": self.kept}


@dataclass
class Work:
    """What one operator did so far."""

    requests: int = 0
    tokens: int = 0
    levels: int = 0
    refused: Counter[str] = field(default_factory=Counter[str])
    """Texts and answers that gave no level, by reason."""
    in_vain: int = 0
    """Tries in a row that gave no level, for the present subject."""


@dataclass(frozen=True)
class OperatorReport:
    """A line of the table of operators."""

    operator: str
    calls: int
    """To the rewriter."""
    tokens: int
    levels: int
    """That passed the guards."""
    kept: int
    """Of its levels, those in the best prompt."""
    gain: float | None
    """Points of its best level over its parent; None when none is known."""
    refused: Mapping[str, int]
    """Answers and texts that gave no level, by reason."""


def descendants(
    origin: LevelOrigin, origins: Sequence[LevelOrigin]
) -> frozenset[tuple[str, Value]]:
    """(component, level) of a level and of all that was made from it; `origins` are in order."""
    found: set[tuple[str, Value]] = {(origin.component, origin.level)}
    for one in origins:
        if any((one.component, parent) in found for parent in one.parents):
            found.add((one.component, one.level))
    return frozenset(found)


def lineage_of(
    origins: Sequence[LevelOrigin], effects: Sequence[Effect], best: Candidate
) -> tuple[LevelLineage, ...]:
    """What became of the levels, in the order of their origin."""
    found: dict[tuple[str, Value], Effect] = {(e.component, e.level): e for e in effects}
    levels = set(best.levels)

    def descent(origin: LevelOrigin) -> LevelLineage:
        effect = found.get((origin.component, origin.level))
        parent = found.get((origin.component, origin.parents[0])) if origin.parents else None
        gain = effect.effect - parent.effect if effect and parent and effect.calls else None
        calls = effect.calls if effect else 0
        return LevelLineage(origin, gain, calls, (origin.component, origin.level) in levels)

    return tuple(descent(origin) for origin in origins)


def ancestry(one: LevelLineage, lineage: Sequence[LevelLineage]) -> str:
    """`merge-3 ← rewrite-1 ← draft`: a level, and its first parents back to what was declared."""
    made = {(d.origin.component, d.origin.level): d.origin for d in lineage}
    names = [one.origin.level]
    origin: LevelOrigin | None = one.origin
    while origin and origin.parents:
        names.append(origin.parents[0])
        origin = made.get((origin.component, origin.parents[0]))
    return " ← ".join(names)


def report_of(operator: str, work: Work, lineage: Sequence[LevelLineage]) -> OperatorReport:
    """What an operator did, all in all."""
    own = [one for one in lineage if one.origin.operator == operator]
    gains = [one.gain for one in own if one.gain is not None]
    return OperatorReport(
        operator,
        work.requests,
        work.tokens,
        work.levels,
        sum(one.kept for one in own),
        max(gains, default=None),
        dict(work.refused),
    )

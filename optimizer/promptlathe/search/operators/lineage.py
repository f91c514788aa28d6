"""Where levels come from, and what the operators did: the record of a run's rewriting."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from promptlathe.records import Candidate, Value
from promptlathe.search.lathe.contrasts import gain_over
from promptlathe.search.lathe.effects import Effect
from promptlathe.search.lathe.readout import Readout, interval


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
    calls: int
    """Answered calls of prompts with this level."""
    kept: bool
    """It is in the best prompt."""
    over: str | None
    """What it replaced: its first parent; of demos for a prompt that had none, `NAME.count = 0`."""
    gain: float | None
    """Points of the best prompt with this level over the same with what it replaced."""
    gain_low: float | None
    gain_high: float | None
    """Its 95 % interval; None, as `gain`, of a level that was not tried or has no place there."""
    gain_on_average: float | None
    """Points over its first parent on average over the other components; None: unknown."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-like, flat."""
        found = asdict(self)
        origin = found.pop("origin")
        lists = {name: list(origin[name]) for name in ("parents", "failures")}
        return {**origin, **lists, **found}


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
    """Points, in the best prompt, of its level there over what that replaced; of several, or when
    none is there, of the one that gains most. None when none is known."""
    gain_low: float | None
    gain_high: float | None
    """Its 95 % interval."""
    gain_on_average: float | None
    """Of the same level."""
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
    origins: Sequence[LevelOrigin],
    readout: Readout,
    effects: Sequence[Effect],
    best: Candidate,
) -> tuple[LevelLineage, ...]:
    """What became of the levels, in the order of their origin; effects: of the readout."""
    found: dict[tuple[str, Value], Effect] = {(e.component, e.level): e for e in effects}
    levels = dict(best.levels)

    def descent(origin: LevelOrigin) -> LevelLineage:
        effect = found.get((origin.component, origin.level))
        calls = effect.calls if effect else 0
        replaced = _replaced(origin, readout)
        draws = None
        if calls and replaced:
            own = {origin.component: origin.level}
            draws = gain_over(readout, levels, own, {replaced.component: replaced.level})
        low, high = (None, None) if draws is None else interval(draws)
        parent = found.get((origin.component, origin.parents[0])) if origin.parents else None
        return LevelLineage(
            origin,
            calls,
            levels.get(origin.component) == origin.level,
            over=replaced and replaced.said,
            gain=None if draws is None else float(draws.mean()),
            gain_low=low,
            gain_high=high,
            gain_on_average=effect.effect - parent.effect if effect and parent and calls else None,
        )

    return tuple(descent(origin) for origin in origins)


@dataclass(frozen=True)
class _Replaced:
    component: str
    level: Value
    said: str


def _replaced(origin: LevelOrigin, readout: Readout) -> _Replaced | None:
    """The first parent; or no demos, where the prompt showed none."""
    if origin.parents:
        return _Replaced(origin.component, origin.parents[0], origin.parents[0])
    count = f"{origin.component.removesuffix('.select')}.count"
    domains = {one.name: one.domain for one in readout.space.space.parameters}
    return _Replaced(count, 0, f"{count} = 0") if 0 in domains.get(count, ()) else None


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
    known = [one for one in own if one.gain is not None]
    in_best = [one for one in known if one.kept] or known
    top = max(in_best, key=lambda one: one.gain or 0.0, default=None)
    return OperatorReport(
        operator,
        work.requests,
        work.tokens,
        work.levels,
        sum(one.kept for one in own),
        gain=top and top.gain,
        gain_low=top and top.gain_low,
        gain_high=top and top.gain_high,
        gain_on_average=top and top.gain_on_average,
        refused=dict(work.refused),
    )

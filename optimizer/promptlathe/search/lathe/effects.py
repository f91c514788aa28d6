"""What works, and by how much: the effect of each level, in score points.

At the end of a run, whatever its policy, the model of outcomes (model.py) is fitted to all of
them. The effect of level l of component c is, for a draw of the posterior,

    100 (q(u0 + z(c, l)) - mean_k q(u0 + z(c, k))),    q(u) = mean_i logistic(u - d(i))       (1)
    z(c, l) = (f(c, l) - mean_k f(c, k))' w                                                  (2)

u0 is the mean u of the tried candidates, and f(c, l) the mean features of random candidates whose
component c has level l and which are equal otherwise (Friedman 2001, section 8.2: partial
dependence). So the effect of showing four demos holds what any four rows do, and the components
that matter only with demos. An interaction is what is left of a pair of levels without the means
of its row and of its column. Effects are posterior means, intervals the central 95 % of the draws.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promptlathe.records import Value
from promptlathe.search.lathe.features import Axis
from promptlathe.search.lathe.landscape import SpaceLandscape
from promptlathe.search.lathe.link import Array
from promptlathe.search.lathe.readout import Evidence, Readout, interval
from promptlathe.space import BoundSpace, Categorical, Demos, Parameter, Real

BASES = 48
"""Random candidates over which features are averaged."""
MOST_ENCODED = 4000
"""Candidates that are encoded for a component: with many levels, fewer BASES."""
MOST_NUMBERS = 13
"""Values of a number that are told apart; with more, low, middle and high are shown."""
MOST_ROWS, MOST_PAIRS = 6, 10
"""Strongest demo rows and interactions that are reported."""
SNIPPET = 40
"""Characters of a demo row that name it."""


@dataclass(frozen=True)
class Effect:
    """What a level does to the score, with a 95 % interval; in points (a score of 1 is 100)."""

    component: str
    """Its name; `a × b` for an interaction."""
    level: Value
    """The level's name or number; `x × y` for an interaction; a demo row by how it begins."""
    effect: float
    """Against the mean over the component's levels."""
    low: float
    high: float
    calls: int
    """Answered calls with this level; of a number, with one nearer to it than to others shown."""

    @property
    def clear(self) -> bool:
        """The interval excludes 0."""
        return self.low > 0 or self.high < 0


def effects_of(readout: Readout) -> tuple[Effect, ...]:
    """Effects of all levels, in the space's order; then of demo rows; then interactions.

    Deterministic. Empty without any answer.
    """
    space, told = readout.space, readout.told
    if not told.points:
        return ()
    return (
        *_levels(space, told, readout),
        *_rows(space, told, readout),
        *_interactions(space, told, readout),
    )


def _effect(component: str, level: Value, draws: Array, calls: int) -> Effect:
    """draws: (S,) points."""
    return Effect(component, level, float(draws.mean()), *interval(draws), calls)


def varied(space: BoundSpace) -> dict[str, Parameter]:
    """The parameters with more than one level."""
    return {p.name: p for p in space.space.parameters if len(set(p.domain.values)) > 1}


# Levels


def _levels(space: BoundSpace, told: Evidence, readout: Readout) -> Iterator[Effect]:
    parameters, rng = varied(space), np.random.default_rng(1)
    for axis in told.landscape.encoder.axes:
        if axis.name not in parameters:
            continue
        values, shown = shown_values(parameters[axis.name])
        features = _mean_features(space, told.landscape, axis.name, values, rng)
        if features is None:
            continue
        points = readout.points((features - features.mean(0)) @ readout.weights)
        points -= points.mean(0)
        calls = calls_with(told, axis.name, [values[k] for k in shown])
        for k in shown:
            yield _effect(axis.name, values[k], points[k], calls[values[k]])


def shown_values(parameter: Parameter) -> tuple[list[Value], list[int]]:
    """The levels over which the mean is taken, and the places of those that are shown."""
    domain = parameter.domain
    if isinstance(domain, Categorical) or (domain.count or MOST_NUMBERS + 1) <= MOST_NUMBERS:
        values = list(domain.values)
        return values, list(range(len(values)))
    even = [float(value) for value in np.linspace(domain.low, domain.high, MOST_NUMBERS)]
    rounded = domain.rounded if isinstance(domain, Real) else round
    return [rounded(value) for value in even], [0, MOST_NUMBERS // 2, MOST_NUMBERS - 1]


def calls_with(told: Evidence, name: str, shown: Sequence[Value]) -> Counter[Value]:
    """Answered calls by the shown level that the candidate has, or has one nearest to."""
    calls: Counter[Value] = Counter()
    for point, count in told.calls.items():
        value = dict(point).get(name)
        if value is None:
            continue
        if value not in shown:
            place = np.argmin(np.abs(np.array(shown, float) - float(value)))
            value = shown[int(place)]
        calls[value] += count
    return calls


def _mean_features(
    space: BoundSpace,
    landscape: SpaceLandscape,
    name: str,
    values: Sequence[Value],
    rng: np.random.Generator,
) -> Array | None:
    """(values, p) of random candidates that differ in this level; None when it is never active.

    Constraints are left aside: a forbidden candidate has features as well.
    """
    wanted = max(4, min(BASES, MOST_ENCODED // len(values)))
    bases: list[dict[str, Value]] = []
    for _ in range(20 * wanted):
        base = {one.name: one.domain.draw(rng) for one in space.space.parameters}
        if name in space.space.canonical(base):
            bases.append(base)
        if len(bases) == wanted:
            break
    if not bases:
        return None

    def features(value: Value) -> Array:
        points = [space.space.canonical({**base, name: value}) for base in bases]
        rows = [landscape.values(tuple(point.items())) for point in points]
        return landscape.encoder.encode(rows).mean(0)

    return np.array([features(value) for value in values])


# Demo rows


def _rows(space: BoundSpace, told: Evidence, readout: Readout) -> Iterator[Effect]:
    """The strongest rows: a row among the demos, against the mean row in its place."""
    groups = {group.name: group for group in told.landscape.encoder.groups}
    examples = {example.id: example.row for example in space.train}
    for name, component in space.space.varied.items():
        ids = space.showable(name) if isinstance(component, Demos) else []
        shown = {point: space.shown(name, dict(point)) or () for point in told.points}
        many = [len(rows) for rows in shown.values() if rows]
        if not many or len(ids) < 2:
            continue
        calls: Counter[str] = Counter()
        for point, rows in shown.items():
            calls.update(dict.fromkeys(rows, told.calls[point]))
        axis = f"{name} (rows)"
        w = readout.weights[groups[axis].columns]
        points = readout.change((w - w.mean(0)) / np.sqrt(np.mean(many)))
        met = [k for k in np.argsort(-abs(points.mean(1)), kind="stable") if calls[ids[k]]]
        for k in met[:MOST_ROWS]:
            level = f"{_snippet(examples[ids[k]])} [{ids[k]}]"
            yield _effect(axis, level, points[k], calls[ids[k]])


def _snippet(row: Mapping[str, object]) -> str:
    """How the longest text of a row begins."""
    text = max((" ".join(str(value).split()) for value in row.values()), key=len, default="")
    return text if len(text) <= SNIPPET else f"{text[: SNIPPET - 1].rstrip()}…"


# Interactions


@dataclass(frozen=True)
class _Pair:
    component: str
    level: str
    z: Array
    """(S,) logits."""
    calls: int

    @property
    def strength(self) -> float:
        return float(abs(self.z.mean()))


def _interactions(space: BoundSpace, told: Evidence, readout: Readout) -> Iterator[Effect]:
    """The strongest of those that were tried."""
    parameters, encoder = varied(space), told.landscape.encoder
    found: list[_Pair] = []
    for i, j, first in encoder.pairs:
        a, b = encoder.axes[i], encoder.axes[j]
        if a.name in parameters and b.name in parameters:
            block = readout.weights[first : first + a.levels * b.levels]
            found += _block(parameters, (a, b), told, block.reshape(a.levels, b.levels, -1))
    found.sort(key=lambda pair: -pair.strength)
    for pair in found[:MOST_PAIRS]:
        change = readout.change(pair.z[None])[0]
        yield _effect(pair.component, pair.level, change, pair.calls)


def _block(
    parameters: Mapping[str, Parameter], axes: tuple[Axis, Axis], told: Evidence, w: Array
) -> Iterator[_Pair]:
    """The pairs of two components' levels, from their weights (levels, levels, S)."""
    a, b = axes
    first, second = (_codes(parameters[axis.name], axis) for axis in axes)
    w = w[np.ix_(list(first), list(second))]
    z = w - w.mean(0) - w.mean(1)[:, None] + w.mean((0, 1))
    calls: Counter[tuple[int, int]] = Counter()
    for point, count in told.calls.items():
        levels = dict(point)
        if a.name in levels and b.name in levels:
            calls[a.code(levels[a.name]), b.code(levels[b.name])] += count
    said: set[float] = set()
    for r, x in enumerate(first):
        for c, y in enumerate(second):
            # Of two levels, one loses what the other gains: that is said once.
            strength = round(abs(float(z[r, c].mean())), 9)
            if calls[x, y] and not (2 in z.shape[:2] and strength in said):
                said.add(strength)
                level = f"{first[x]} × {second[y]}"
                yield _Pair(f"{a.name} × {b.name}", level, z[r, c], calls[x, y])


def _codes(parameter: Parameter, axis: Axis) -> dict[int, str]:
    """The names of an axis' codes: levels, or ranges of a number."""
    domain = parameter.domain
    if isinstance(domain, Categorical):
        return {axis.code(value): str(value) for value in domain.values}
    values = np.linspace(domain.low, domain.high, 1 + 24 * axis.levels)
    values = values if isinstance(domain, Real) else np.unique(np.round(values))
    names: dict[int, str] = {}
    for code in range(axis.levels):
        within = [value for value in values if axis.code(float(value)) == code]
        if within:
            ends = dict.fromkeys((f"{within[0]:g}", f"{within[-1]:g}"))
            names[code] = "–".join(ends)
    return names

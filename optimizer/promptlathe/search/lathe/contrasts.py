"""What works in the best prompt: each of its levels against the others, all else kept.

For a draw of the posterior (readout.py), the contrast of the best prompt's level l of component c
with another level k is

    q(u(best)) - q(u(best with k in place of l)),    q(u) = 100 mean_i logistic(u - d(i))      (1)

over the rows that the search scored. u holds what pairs of levels and the shown rows do, and what
the features do not explain: of a prompt that was never tried, that is drawn from its prior. Where
k makes other components active, the mean over draws of their levels stands in its place; where a
constraint forbids the prompt, there is no contrast.

The best prompt was chosen on the same answers. A posterior allows for that as far as its prior is
right (Dawid 1994, "Selection paradoxes of Bayesian inference"); how far intervals cover what they
should after real searches is measured (benchmarks/contrasts.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promptlathe.records import Value
from promptlathe.search.lathe.effects import calls_with, shown_values, varied
from promptlathe.search.lathe.landscape import Point
from promptlathe.search.lathe.link import Array
from promptlathe.search.lathe.readout import Readout, interval
from promptlathe.space import BoundSpace

FILLS = 16
"""Draws of the levels that become active."""


@dataclass(frozen=True)
class Contrast:
    """What a level of the best prompt gains over another one, all else kept; in points."""

    component: str
    level: Value
    """The best prompt's own."""
    over: Value
    """Another level of the component; taking `level` away for it costs `effect`."""
    effect: float
    low: float
    high: float
    """With the 95 % interval."""
    calls: int
    """Answered calls with `over`, in any prompt; of a number, with one nearer to it than to others
    shown."""

    @property
    def clear(self) -> bool:
        """The interval excludes 0."""
        return self.low > 0 or self.high < 0


def contrasts_of(readout: Readout, best: Mapping[str, Value]) -> tuple[Contrast, ...]:
    """Of all components that are active in the best prompt, in the space's order.

    best: its levels. Of a number with many values, against the lowest, the middle and the highest.
    Deterministic. Empty without any answer.
    """
    return tuple(_contrasts(readout, best)) if readout.told.points else ()


def _contrasts(readout: Readout, best: Mapping[str, Value]) -> Iterator[Contrast]:
    axes = {axis.name for axis in readout.told.landscape.encoder.axes}
    for name, parameter in varied(readout.space).items():
        if name not in best or name not in axes:
            continue
        values, shown = shown_values(parameter)
        others = [values[k] for k in shown if values[k] != best[name]]
        calls = calls_with(readout.told, name, [*others, best[name]])
        for other in others:
            gain = gain_over(readout, best, {name: best[name]}, {name: other})
            if gain is not None:
                low, high = interval(gain)
                mean = float(gain.mean())
                yield Contrast(name, best[name], other, mean, low, high, calls[other])


def gain_over(
    readout: Readout,
    best: Mapping[str, Value],
    levels: Mapping[str, Value],
    others: Mapping[str, Value],
) -> Array | None:
    """(S,) points that `levels` in the best prompt gain over `others` in it.

    None where one of the two prompts cannot be, or has one of its levels inactive.
    """
    first, second = (_changed(readout.space, best, one) for one in (levels, others))
    if not (first and second):
        return None
    return readout.score(first) - readout.score(second)


def _changed(
    space: BoundSpace, best: Mapping[str, Value], levels: Mapping[str, Value]
) -> Sequence[Point]:
    """The best prompt with these levels, once for each draw of the levels that become active."""
    rng = np.random.default_rng(2)
    points: dict[Point, None] = {}
    for _ in range(FILLS):
        drawn = {one.name: one.domain.draw(rng) for one in space.space.parameters}
        active = space.space.canonical({**drawn, **best, **levels})
        if levels.items() <= active.items() and space.space.allows(active):
            points[tuple(active.items())] = None
        if active.keys() <= best.keys() | levels.keys():
            break
    return list(points)

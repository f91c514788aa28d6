"""Whether "what works in the best prompt" is true after real searches: no model is asked.

    python benchmarks/contrasts.py [--runs 240] [--first 0] [--calls 600] [--policy lathe]
        [--jobs 2] [--json OUT]

Each run is a world of its own (lab/factorial.py, 720 candidates, 200 rows of `select`), equal parts
of all kinds but `broken`. A policy searches it from a random seed prompt; then the contrasts of its
best prompt are compared with the truth on the rows that it scored. The best was chosen on the same
answers, and what is printed is the strongest of what is clear, so the share of intervals that hold
the truth is given for all contrasts, for those that are clear, and for the strongest of each run
that is clear; `sign` is the share whose sign is right, `over` the mean of what is said less the
truth, in points. +- is one standard error over runs.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from lab.factorial import (  # isort: skip  # before numpy: it sets the number of threads
    KINDS,
    Factorial,
    simulate,
)
import numpy as np

from promptlathe.records import Answer, Example, Outcome, Value
from promptlathe.search import PolicyName, make_policy
from promptlathe.search.lathe.contrasts import contrasts_of
from promptlathe.search.lathe.readout import Readout
from promptlathe.space import BoundSpace, Choice, Int, SearchSpace
from promptlathe.testing.records import outcome

SIZE = "720x200"
WORDS = ("answer", "label", "only", "name", "team", "ticket", "handle", "brief", "exact", "think")
WORLDS = tuple(kind for kind in KINDS if kind != "broken")


@dataclass(frozen=True)
class Found:
    """A contrast and its truth, in points."""

    kind: str
    run: int
    effect: float
    low: float
    high: float
    truth: float

    @property
    def covered(self) -> bool:
        return self.low <= self.truth <= self.high

    @property
    def clear(self) -> bool:
        return self.low > 0 or self.high < 0


def space_of(world: Factorial, rng: np.random.Generator) -> SearchSpace:
    """Its components: the first a number, the others texts; the seed prompt is a random one."""
    parts = {
        one.name: Int(0, len(one.levels) - 1)
        if one.kind == "number"
        else Choice({f"{one.name}-{k}": " ".join(rng.choice(WORDS, 8)) for k in one.levels})
        for one in world.components
    }
    seed = {
        name: int(rng.integers(part.bounds[1] + 1))
        if isinstance(part, Int)
        else str(rng.choice([level.name for level in part.choice]))
        for name, part in parts.items()
    }
    message = " ".join(f"{{{{ {name} }}}}" for name in parts) + " {{ text }}"
    return SearchSpace(messages=message, components=parts, seed=seed)


def codes(levels: Iterable[tuple[str, Value]]) -> tuple[int, ...]:
    return tuple(v if isinstance(v, int) else int(str(v).rpartition("-")[2]) for _, v in levels)


def run(seed: int, calls: int, policy: PolicyName) -> list[Found]:
    kind, rng = WORLDS[seed % len(WORLDS)], np.random.default_rng([seed, 23])
    world = simulate(kind, SIZE, seed)
    space = BoundSpace(space_of(world, rng), [])
    examples = [Example(f"e{i:03}", {"text": f"question {i}"}, "select") for i in range(200)]
    search = make_policy(policy, space, examples, seed=seed, calls=calls)
    told: list[Outcome] = []
    while len(told) < calls and (cells := search.propose((), 1)):
        for cell in cells:
            example = int(cell.example.id[1:])
            value = world.outcome(codes(cell.candidate.levels), example, cell.repeat)
            told.append(outcome(cell, Answer("…"), {"score": value}, value))
            search.tell(told[-1])
    best = dict(search.best.candidate.levels)
    top = world.quality(codes(best.items()))
    return [
        Found(
            kind=kind,
            run=seed,
            effect=one.effect,
            low=one.low,
            high=one.high,
            truth=100 * (top - world.quality(codes({**best, one.component: one.over}.items()))),
        )
        for one in contrasts_of(Readout(space, told), best)
    ]


def share(rows: Sequence[Found], of: Callable[[Found], float]) -> str:
    """The mean, with a standard error over runs."""
    runs: dict[int, list[float]] = {}
    for row in rows:
        runs.setdefault(row.run, []).append(of(row))
    if not runs:
        return "-"
    mean = float(np.mean([of(row) for row in rows]))
    sums = np.array([sum(one) - mean * len(one) for one in runs.values()])
    return f"{mean:.3f} +- {np.sqrt(np.sum(sums**2)) / len(rows):.3f}"


def table(found: Sequence[Sequence[Found]]) -> str:
    every = [one for some in found for one in some]
    clear = [one for one in every if one.clear]
    first = [
        max(c, key=lambda one: abs(one.effect)) for s in found if (c := [o for o in s if o.clear])
    ]
    groups = {"all": every, "clear": clear, "strongest": first}
    for kind in WORLDS:
        groups[kind] = [one for one in every if one.kind == kind]
    lines = [f"{'contrasts':11} {'number':>7} {'covered':>16} {'sign':>16} {'over':>17} width"]
    for name, rows in groups.items():
        width = np.mean([one.high - one.low for one in rows]) if rows else np.nan
        lines.append(
            f"{name:11} {len(rows):7} {share(rows, lambda one: one.covered):>16} "
            f"{share([o for o in rows if o.truth], lambda o: o.effect * o.truth > 0):>16} "
            f"{share(rows, lambda one: one.effect - one.truth):>17} {width:5.1f}"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=240)
    parser.add_argument("--first", type=int, default=0, help="the first world's number")
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--policy", default="lathe")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path, metavar="OUT")
    args = parser.parse_args()
    one = partial(run, calls=args.calls, policy=args.policy)
    with ProcessPoolExecutor(args.jobs) as pool:
        found = list(pool.map(one, range(args.first, args.first + args.runs)))
    print(table(found))
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(row) for some in found for row in some]) + "\n")


if __name__ == "__main__":
    main()

"""What `check --headroom` says, where the truth is known: no model is asked.

    python benchmarks/headroom.py [--runs 100] [--first 0] [--cells 100,200,600] [--jobs 2]
        [--kinds all] [--data DIR]

Simulated worlds (lab/factorial.py, 720 candidates), with a random seed prompt, `--runs` of each
kind: `null`, where no candidate differs, and those with structure. The test is what the command
does. `reach` is the truth of what it estimates: the 42nd of 43 parts of all candidates' quality,
less the seed's; `worth` what a decision on 143 rows can show.

    seen      a spread: p < 0.05 (in null worlds: a false alarm)
    above     "headroom": the best are above the seed
    nothing   "no headroom seen", or only below the seed: a search would probably find nothing
    wrong     the share of these where the true reach is at least what can be shown
    missed    the share of the worlds with such a reach where it says so
    spread, reach   the share of the 95 % intervals that hold the truth

With --data, recorded answers of real models (lab/recorded.py): the prompts are a random sample of
the recorded ones, the seed is one of the middle, and there are no components to look at.
"""

import argparse
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lab.factorial import (  # isort: skip  # before numpy: it sets the number of threads
    KINDS,
    Factorial,
    simulate,
)
import numpy as np

from contrasts import codes, space_of
from lab.recorded import load, load_prompts, tables
from lab.worlds import World
from promptlathe.decide.headroom import ALPHA, BEST_OF, Headroom, headroom
from promptlathe.job.headroom import sizes
from promptlathe.search.lathe.design import levels_of, spread_out
from promptlathe.space import BoundSpace

SIZE, TEST = "720x200", 143
NEARLY = 0.5
"""Points: an interval of a standard deviation does not begin at 0."""


@dataclass(frozen=True)
class Run:
    """What was said of a world, and what is true of it, in points."""

    world: str
    said: Headroom
    spread: float
    reach: float

    @property
    def nothing(self) -> bool:
        return self.said.verdict in ("no headroom seen", "spread, but not above the seed")

    @property
    def worthwhile(self) -> bool:
        return self.reach >= self.said.worth


def simulated(seed: int, kind: str, cells: int) -> Run:
    rng = np.random.default_rng([seed, 77])
    world = simulate(kind, SIZE, seed)  # type: ignore[arg-type]
    space = BoundSpace(space_of(world, rng), [])
    prompts, rows = sizes(cells, world.examples)
    candidates = spread_out(space, prompts, seed)
    asked = rng.permutation(world.examples)[: min(rows, cells // len(candidates))]
    scores = _scores(world, [codes(one.levels) for one in candidates], asked)
    said = headroom(scores, levels_of(space, candidates), size=space.space.size.count, test=TEST)
    own = 100 * world.quality(codes(candidates[0].levels))
    every = 100 * _qualities(world)
    return Run(kind, said, float(every.std()), float(np.quantile(every, 1 - 1 / BEST_OF)) - own)


def recorded(seed: int, world: World, cells: int) -> Run:
    rng = np.random.default_rng([seed, 78])
    pool = list(world.pool or ())
    quality = 100 * np.array([world.quality(one) for one in pool])
    middle = np.argsort(quality)[len(pool) // 3 : 2 * len(pool) // 3 + 1]
    first = int(rng.choice(middle))
    prompts, rows = sizes(cells, world.examples)
    others = [i for i in rng.permutation(len(pool)).tolist() if i != first][: prompts - 1]
    asked = rng.permutation(world.examples)[:rows]
    scores = _scores(world, [pool[i] for i in (first, *others)], asked)
    said = headroom(scores, {}, size=len(pool), test=TEST)
    best = min(len(pool), BEST_OF)
    reach = float(np.quantile(quality, 1 - 1 / best)) - quality[first]
    return Run(world.name, said, float(quality.std()), reach)


def _scores(world: World, prompts: Sequence[tuple[int, ...]], rows: Sequence[int]) -> np.ndarray:
    return np.array([[world.outcome(one, int(row)) for row in rows] for one in prompts])


def _qualities(world: Factorial) -> np.ndarray:
    shape = [len(one.levels) for one in world.components]
    return np.array([world.quality(tuple(map(int, one))) for one in np.ndindex(*shape)])


def line(name: str, runs: Sequence[Run]) -> str:
    said = [one.said for one in runs]
    nothing = [one for one in runs if one.nothing]
    worthwhile = [one for one in runs if one.worthwhile]
    shares = [
        [one.p < ALPHA for one in said],
        [one.verdict == "headroom" for one in said],
        [one.nothing for one in runs],
        [one.verdict == "cannot tell" for one in said],
        [one.worthwhile for one in nothing],
        [one.nothing for one in worthwhile],
        [o.said.spread_low - NEARLY <= o.spread <= o.said.spread_high for o in runs],
        [o.said.reach_low <= o.reach <= o.said.reach_high for o in runs],
    ]
    figures = "".join(f"{np.mean(s):9.2f}" if s else f"{'-':>9}" for s in shares)
    means = [np.mean([o.spread for o in runs]), np.mean([o.reach for o in runs])]
    return (
        f"{name:22}{said[0].prompts:4} x {said[0].rows:<4}{means[0]:6.1f}{means[1]:6.1f}{figures}"
    )


HEAD = f"{'':22}{'prompts':>4} {'sd':>8}{'reach':>6}" + "".join(
    f"{name:>9}"
    for name in ("seen", "above", "nothing", "cannot", "wrong", "missed", "spread", "reach")
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="the first run's number")
    parser.add_argument("--cells", default="100,200,600")
    parser.add_argument("--kinds", default="all", metavar="NAMES", help=", ".join(KINDS))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--data", type=Path, metavar="DIR")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.runs)
    with ProcessPoolExecutor(args.jobs) as pool:
        for cells in map(int, args.cells.split(",")):
            print(f"\n{cells} answers\n{HEAD}")
            if args.data is None:
                structured: list[Run] = []
                for kind in KINDS if args.kinds == "all" else args.kinds.split(","):
                    runs = list(pool.map(partial(simulated, kind=kind, cells=cells), seeds))
                    print(line(kind, runs), flush=True)
                    structured += runs if kind != "null" else []
                if structured:
                    print(line("all but null", structured), flush=True)
                continue
            texts = load_prompts(args.data)
            for path in tables(args.data):
                world = load(path, texts)
                if world is not None:
                    runs = list(pool.map(partial(recorded, world=world, cells=cells), seeds))
                    print(line(world.name, runs), flush=True)


if __name__ == "__main__":
    main()

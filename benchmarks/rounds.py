"""What rounds cost: regret against calls when answers come back all at once, on recorded answers.

    python benchmarks/rounds.py --data DIR --rounds 1,64,256,1024 --seeds N [--tables NAME,NAME]

DIR as for replay.py. The policy `lathe` buys a round, is told all answers, and buys the next.
One call in flight is the reference: printed are the calls that rounds take until their mean
regret is as low, and the regret at equal calls as a paired difference with a 95 % interval
(bootstrap over table and seed).
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from lab.bench import main, names
from lab.recorded import Recorded, load, load_prompts, tables
from lab.schemes.lathe import Lathe
from promptlathe.errors import InputError
from promptlathe.records import Answer, Cell
from promptlathe.search.lathe import Settings
from promptlathe.testing.records import outcome

READINGS = (128, 256, 512, 1024, 2048)
"""Calls at which regret is read, and compared."""
SETTINGS = Settings(doubt=0, repeats=False)
"""As in replay.py: every call is spent."""


def curve(path: Path, size: int, seed: int) -> np.ndarray:
    """Regret in points after each call, up to the last reading; within a round it stays."""
    world = load(path, load_prompts(path.parent))
    assert world is not None
    scheme = Lathe(world, seed, READINGS[-1], SETTINGS)
    policy = scheme.policy
    found = np.full(READINGS[-1] + 1, _regret(scheme, world))
    spent = 0
    while pending := _round(scheme, size):
        # Asked again, the policy has looked at all that it was told.
        found[spent:] = _regret(scheme, world)
        if spent >= READINGS[-1]:
            break
        for cell in pending:
            codes = tuple(int(code) for _, code in cell.candidate.levels)
            value = world.outcome(codes, int(cell.example.id))
            policy.tell(outcome(cell, Answer("", 1, 1), {"score": value}, value))
        spent += len(pending)
    return found


def _round(scheme: Lathe, size: int) -> list[Cell]:
    """What the policy buys without an answer in between."""
    pending: list[Cell] = []
    while len(pending) < size:
        cells = scheme.policy.propose(pending, size - len(pending))
        if not cells:
            break
        pending += [cell for cell in cells if isinstance(cell, Cell)]
    return pending


def _regret(scheme: Lathe, world: Recorded) -> float:
    return max(0.0, 100 * (world.best - world.quality(scheme.recommend())))


def report(curves: dict[int, np.ndarray]) -> str:
    """curves: by size of a round, runs x calls; the runs of all sizes in the same order."""
    sizes = sorted(curves)
    first = curves[sizes[0]]
    lines = ["mean regret in points, and its paired difference from one call in flight:"]
    lines.append("  ".join(["round".rjust(6), *(f"{at:>22,}" for at in READINGS)]))
    for size in sizes:
        cells = [f"{size:>6,}"]
        for at in READINGS:
            mean = curves[size][:, at].mean()
            low, high = _interval(curves[size][:, at] - first[:, at])
            cells.append(f"{mean:6.2f} ({low:+.2f} to {high:+.2f})".rjust(22))
        lines.append("  ".join(cells))
    lines.append("calls until the mean regret is as low as with one call in flight after so many:")
    lines.append("  ".join(["round".rjust(6), *(f"{at:>22,}" for at in READINGS)]))
    for size in sizes:
        mean = np.minimum.accumulate(curves[size].mean(axis=0))
        needed = [np.flatnonzero(mean <= first[:, at].mean() + 1e-9) for at in READINGS]
        told = (f"{int(n[0]):>22,}" if len(n) else "not reached".rjust(22) for n in needed)
        lines.append("  ".join([f"{size:>6,}", *told]))
    return "\n".join(lines)


def _interval(differences: np.ndarray) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    drawn = rng.choice(differences, (4000, len(differences))).mean(axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def bench(argv: Sequence[str] | None) -> None:
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--data", type=Path, required=True, metavar="DIR")
    made.add_argument("--rounds", default="1,64,256,1024", metavar="NUMBERS")
    made.add_argument("--tables", default="all", metavar="NAMES")
    made.add_argument("--seeds", type=int, default=4, metavar="N")
    made.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default 2)")
    args = made.parse_args(argv)
    try:
        sizes = sorted({int(part) for part in args.rounds.split(",")})
    except ValueError:
        raise InputError(f"{args.rounds!r} is no list of numbers", "--rounds", "1,64 say") from None
    if args.seeds < 1 or args.jobs < 1 or sizes[0] < 1:
        raise InputError("rounds, seeds and jobs are positive", "the options", "give 1 or more")
    known = {path.stem: path for path in tables(args.data.resolve())}
    chosen = [known[name] for name in names(args.tables, list(known), "--tables")]
    runs = [(path, seed) for path in chosen for seed in range(args.seeds)]
    curves: dict[int, np.ndarray] = {}
    with ProcessPoolExecutor(args.jobs) as pool:
        for size in sizes:
            work = [pool.submit(partial(curve, path, size, seed)) for path, seed in runs]
            curves[size] = np.array([one.result() for one in work])
            print(f"{size}: done", file=sys.stderr, flush=True)
    print(f"{len(chosen)} tables, {args.seeds} seeds each")
    print(report(curves))


if __name__ == "__main__":
    main(bench)

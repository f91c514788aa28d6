"""Regret against calls after earlier runs of other prompts, or of other models.

    python benchmarks/warm.py --data DIR --kinds prompts,models,shuffled,task,scout --before 800
        --policy lathe,lathe:cold,halving --calls 100,200,400 --seeds N --json OUT
    python benchmarks/warm.py --likeness 0.9,0.5,0 --size 720x200 [--scout] ...

DIR as for replay.py, its tables named TASK_MODEL.npz; without it simulated worlds, in which a run
with another model went before, whose effects and difficulties correlate by `--likeness` with this
one's; with `--scout` one that was only asked by a few prompts in turn. What the kinds are stands
in lab/warmed.py; `--before` is what the earlier runs spent in all. `lathe` remembers them,
`lathe:cold` does not.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from lab.bench import Task, main, names, options, parser, run
from lab.factorial import KINDS as SIMULATED
from lab.factorial import SIZES
from lab.warmed import KINDS, Kind, Warmed, simulated, warmed
from replay import prompts_of, usable

Make = Callable[[int], Warmed]


def recorded(kind: Kind, path: Path, before: int, seed: int) -> Warmed:
    return warmed(kind, path, prompts_of(path.parent), seed=seed, calls=before)


def made(kind: str, args: argparse.Namespace, likeness: float, seed: int) -> Warmed:
    return simulated(
        kind,  # type: ignore[arg-type]
        args.size,
        seed=seed,
        calls=args.before,
        likeness=likeness,
        scout=args.scout,
    )


def bench(argv: Sequence[str] | None) -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--data", type=Path, metavar="DIR")
    arguments.add_argument("--kinds", default="all", metavar="NAMES", help=", ".join(KINDS))
    arguments.add_argument("--before", type=int, default=800, metavar="CALLS")
    arguments.add_argument("--likeness", default="0.9,0.5,0", metavar="NUMBERS")
    arguments.add_argument("--scout", action="store_true")
    arguments.add_argument("--size", default="720x200", help=", ".join(SIZES))
    args = arguments.parse_args(argv)
    chosen = options(args)
    groups: dict[str, list[Make]] = {}
    if args.data is None:
        structured = [kind for kind in SIMULATED if kind != "null"]
        for likeness in args.likeness.split(","):
            groups[f"likeness {likeness}"] = [
                partial(made, kind, args, float(likeness)) for kind in structured
            ]
    else:
        for kind in names(args.kinds, KINDS, "--kinds"):
            paths = usable(args.data.resolve())
            groups[kind] = [partial(recorded, kind, path, args.before) for path in paths]
    for name, worlds in groups.items():
        tasks = [
            Task(policy, partial(world, seed), seed, chosen.calls)
            for policy in chosen.policies
            for world in worlds
            for seed in chosen.seeds
        ]
        print(f"\n{name}, {args.before:,} calls before\n", flush=True)
        run(tasks, chosen.named(name.replace(" ", "-")))


if __name__ == "__main__":
    main(bench)

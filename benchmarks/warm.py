"""Regret against calls after earlier runs of other prompts, or of other models.

    python benchmarks/warm.py --data DIR --kinds prompts,models,shuffled,task --before 400
        --policy lathe,lathe:cold,halving --calls 100,200,400 --seeds N --json OUT

DIR as for replay.py, its tables named TASK_MODEL.npz. What the kinds are stands in lab/warmed.py;
`--before` is what the earlier runs spent in all. `lathe` remembers them, `lathe:cold` does not.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from lab.bench import Task, main, names, options, parser, run
from lab.warmed import KINDS, Kind, Warmed, warmed
from replay import prompts_of, usable


def world_of(kind: Kind, path: Path, seed: int, before: int) -> Warmed:
    return warmed(kind, path, prompts_of(path.parent), seed=seed, calls=before)


def bench(argv: Sequence[str] | None) -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--data", type=Path, required=True, metavar="DIR")
    arguments.add_argument("--kinds", default="all", metavar="NAMES", help=", ".join(KINDS))
    arguments.add_argument("--before", type=int, default=400, metavar="CALLS")
    args = arguments.parse_args(argv)
    chosen = options(args)
    paths = usable(args.data.resolve())
    for kind in names(args.kinds, KINDS, "--kinds"):
        tasks = [
            Task(policy, partial(world_of, kind, path, seed, args.before), seed, chosen.calls)
            for policy in chosen.policies
            for path in paths
            for seed in chosen.seeds
        ]
        print(f"\n{kind}, {args.before:,} calls before\n")
        run(tasks, chosen.named(kind))


if __name__ == "__main__":
    main(bench)

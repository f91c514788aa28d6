"""Regret against calls, in simulated factorial spaces with a known optimum.

    python benchmarks/simulated.py --policy NAME[,NAME...]|all --kinds additive,pairwise
        --size small|all --seeds N --json OUT

Kinds: additive, pairwise, inert, broken, fractional, noisy, null (see lab/factorial.py); sizes
(candidates x examples): 100x50 and 720x200 (small), 5000x300, 50000x1000. Each seed is another
world. OUT is a list of rows with the keys policy, table (the world's name), seed, calls, regret
(points below the best candidate, by true quality). The summary leaves the null worlds out.
"""

from collections.abc import Sequence
from functools import partial

from lab.bench import Task, main, names, options, parser, run
from lab.factorial import KINDS, SIZES, SMALL, simulate


def bench(argv: Sequence[str] | None) -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--kinds", default="all", metavar="NAMES", help=", ".join(KINDS))
    arguments.add_argument(
        "--size",
        default="small",
        metavar="NAMES",
        help=f"small, all, or some of {', '.join(SIZES)}",
    )
    args = arguments.parse_args(argv)
    chosen = options(args)
    sizes = SMALL if args.size == "small" else names(args.size, list(SIZES), "--size")
    tasks = [
        Task(policy, partial(simulate, kind, size, seed), seed, chosen.calls)
        for policy in chosen.policies
        for kind in names(args.kinds, KINDS, "--kinds")
        for size in sizes
        for seed in chosen.seeds
    ]
    run(tasks, chosen)


if __name__ == "__main__":
    main(bench)

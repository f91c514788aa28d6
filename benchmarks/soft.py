"""Regret against calls, where the model says how likely its labels were.

    python benchmarks/soft.py --data DIR --policy lathe,lathe:right,halving --calls 100,200,400
        --first N --seeds N --json OUT

DIR holds tables that ask_table.py made. `lathe` learns from the chances of the labels as well,
`lathe:right` from right and wrong alone, as the others do. OUT is for verdict.py.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

from lab.asked import Asked, load
from lab.bench import main, options, parser, run, tasks
from promptlathe.errors import InputError


@lru_cache(maxsize=32)
def world_of(path: Path) -> Asked:
    return load(path)


def bench(argv: Sequence[str] | None) -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--data", type=Path, required=True, metavar="DIR")
    args = arguments.parse_args(argv)
    chosen = options(args)
    tables = sorted(args.data.resolve().glob("*.json"))
    if not tables:
        raise InputError("no *.json in this folder", str(args.data), "make some: ask_table.py")
    for path in tables:
        load(path)
    run(tasks([partial(world_of, path) for path in tables], chosen), chosen)


if __name__ == "__main__":
    main(bench)

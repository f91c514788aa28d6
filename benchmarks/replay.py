"""Regret against calls, on recorded answers of real models.

    python benchmarks/replay.py --data DIR --policy NAME[,NAME...]|all --calls 100,200,400
        --seeds N --json OUT

Each *.npz in DIR holds `outcomes` (uint8, candidates x examples: 1 right, 0 wrong, 255 not
recorded) and `prompt_id`, a row's index in DIR/prompts.json.gz; only fully recorded rows are
candidates. OUT is a list of rows with the keys policy, table, seed, calls, regret (points below
the best candidate of the table).
"""

import sys
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path

from lab.bench import main, options, parser, run, tasks
from lab.recorded import Recorded, load, load_prompts, tables
from promptlathe.errors import InputError


@lru_cache(maxsize=1)
def prompts_of(folder: Path) -> list[str]:
    return load_prompts(folder)


@lru_cache(maxsize=32)
def world_of(path: Path) -> Recorded:
    """The world of a table that is known to have one."""
    world = load(path, prompts_of(path.parent))
    assert world is not None
    return world


def usable(folder: Path) -> list[Path]:
    """The tables with something to choose from; others are named on stderr."""
    kept = []
    for path in tables(folder):
        if load(path, prompts_of(folder)) is None:
            print(f"{path.name}: skipped: fewer than two complete rows", file=sys.stderr)
        else:
            kept.append(path)
    if not kept:
        raise InputError("no table has two complete rows", str(folder), "give other data")
    return kept


def bench(argv: Sequence[str] | None) -> None:
    arguments = parser(__doc__ or "")
    arguments.add_argument("--data", type=Path, required=True, metavar="DIR")
    args = arguments.parse_args(argv)
    chosen = options(args)
    worlds = [partial(world_of, path) for path in usable(args.data.resolve())]
    run(tasks(worlds, chosen), chosen)


if __name__ == "__main__":
    main(bench)

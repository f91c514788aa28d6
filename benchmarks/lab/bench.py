"""What the two benches share: options, running on several cores, and the end of the program."""

import argparse
import difflib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from lab.measure import Row, measure
from lab.report import report
from lab.schemes import SCHEMES
from lab.worlds import World
from promptlathe.errors import InputError, MissingExtra

CALLS = (100, 200, 400, 800, 1600, 3200)


@dataclass(frozen=True)
class Task:
    """One policy in one world; `world` is called in the process that runs it."""

    policy: str
    world: Callable[[], World]
    seed: int
    calls: tuple[int, ...]

    def __call__(self) -> list[Row]:
        return measure(self.policy, self.world(), seed=self.seed, calls=self.calls)


@dataclass(frozen=True)
class Options:
    policies: tuple[str, ...]
    calls: tuple[int, ...]
    seeds: range
    jobs: int
    json: Path | None
    tables: bool

    def named(self, name: str) -> "Options":
        """The same, the rows written beside others."""
        path = self.json and self.json.with_stem(f"{self.json.stem}-{name}")
        return replace(self, json=path)


def parser(description: str) -> argparse.ArgumentParser:
    """The options of both benches."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument(
        "--policy", default="all", metavar="NAMES", help=f"all, or some of {', '.join(SCHEMES)}"
    )
    made.add_argument("--calls", default=",".join(map(str, CALLS)), metavar="NUMBERS")
    made.add_argument("--seeds", type=int, default=10, metavar="N")
    made.add_argument("--first", type=int, default=0, metavar="N", help="the first seed")
    made.add_argument("--json", type=Path, metavar="OUT", help="where the rows are written")
    made.add_argument("--jobs", type=int, default=2, metavar="N", help="processes (default 2)")
    made.add_argument("--tables", action="store_true", help="print each table's means, too")
    return made


def options(args: argparse.Namespace) -> Options:
    """The checked options. Raises InputError."""
    for name in ("seeds", "jobs"):
        if getattr(args, name) < 1:
            raise InputError(
                f"{getattr(args, name)} is not positive", f"--{name}", "give 1 or more"
            )
    if args.first < 0:
        raise InputError(f"{args.first} is negative", "--first", "give 0 or more")
    if args.json is not None and not args.json.parent.is_dir():
        raise InputError("no such folder", f"--json {args.json}", "make it first")
    return Options(
        policies=_policies(args.policy),
        calls=_calls(args.calls),
        seeds=range(args.first, args.first + args.seeds),
        jobs=args.jobs,
        json=args.json,
        tables=args.tables,
    )


def names(text: str, known: Sequence[str], where: str) -> tuple[str, ...]:
    """Comma-separated names, each of them known; `all` are all. Raises InputError."""
    if text == "all":
        return tuple(known)
    given = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(
                f"unknown name {name!r}", where, f"{hint}there are: {', '.join(known)}"
            )
    if not given:
        raise InputError("no name given", where, f"there are: {', '.join(known)}")
    return given


def _policies(text: str) -> tuple[str, ...]:
    if "gp" in text.split(",") and "gp" not in SCHEMES:
        raise MissingExtra("torch", "gp", "--policy gp")
    # Variants (`name:without-something`) are ablations, run when they are asked for.
    if text == "all":
        return tuple(name for name in SCHEMES if ":" not in name)
    return names(text, list(SCHEMES), "--policy")


def _calls(text: str) -> tuple[int, ...]:
    try:
        found = sorted({int(part) for part in text.split(",")})
    except ValueError:
        found = []
    if not found or found[0] < 1:
        raise InputError(f"{text!r} is not a list of calls", "--calls", "for example 100,200,400")
    return tuple(found)


def tasks(worlds: Sequence[Callable[[], World]], chosen: Options) -> list[Task]:
    """Each policy in each world with each seed."""
    return [
        Task(policy, world, seed, chosen.calls)
        for policy in chosen.policies
        for world in worlds
        for seed in chosen.seeds
    ]


def run(tasks: Sequence[Task], chosen: Options) -> None:
    """Run all tasks and print the summary.

    Each policy that is done is named on stderr, and its rows are written at once: slow ones may
    be interrupted.
    """
    rows: list[Row] = []
    with ProcessPoolExecutor(chosen.jobs) as pool:
        done: Iterator[list[Row]] = (
            pool.map(_call, tasks, chunksize=1) if chosen.jobs > 1 else map(_call, tasks)
        )
        for policy, group in groupby(tasks, key=lambda task: task.policy):
            for _ in group:
                rows += next(done)
            if chosen.json is not None:
                _write(rows, chosen.json)
            print(f"{policy}: done", file=sys.stderr, flush=True)
    print(report(rows, by_table=chosen.tables))


def _call(task: Task) -> list[Row]:
    return task()


def _write(rows: Sequence[Row], path: Path) -> None:
    lines = ",\n".join(json.dumps(row) for row in rows)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main(bench: Callable[[Sequence[str] | None], int | None]) -> None:
    """Run a bench; bad input ends in one message and exit code 2, a closed pipe in silence."""
    try:
        code = bench(None)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    sys.exit(code or 0)

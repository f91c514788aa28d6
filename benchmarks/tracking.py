"""What MLflow's record adds to a job's wall time.

    python benchmarks/tracking.py [--concurrency 16 32] [--repeats 5] [--json OUT]

The demo job with 2,000 calls against a local server, in another process, that takes 100 ms for
each answer: with tracking and without, in turn, same seed, each as a process of its own in an
empty workspace. Wall times are those of the whole process. The figures are medians; `added` is
the median over the pairs, `fastest` compares the fastest of each.

The server's answers are right by a chance that depends on the prompt, so that candidates differ,
and the winner is registered.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from canned_server import canned_server
from startup import PROMPTLATHE, RUN_FILE, children_cpu

TICKETS = Path(__file__).parent.parent / "objectives" / "support_triage" / "tickets.jsonl"
TARGET = 0.05


def simulated(labels: Mapping[str, str], request: dict[str, Any]) -> str:
    """A label: the right one with a probability from 0.3 to 0.9, which the prompt decides."""
    *before, last = [message["content"] for message in request["messages"]]
    demos, _, asked = last.rpartition("Ticket: ")
    right = labels[asked.partition("\nTeam:")[0].strip()]
    prompt = "\n".join([*before, demos])
    if unit(prompt + asked) < 0.3 + 0.6 * unit(prompt):
        return right
    return next(label for label in labels.values() if label != right)


def unit(text: str) -> float:
    """A number from 0 to 1 that looks random."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64


def run(url: str, *, track: bool, calls: int, concurrency: int, seed: int) -> dict[str, Any]:
    """Wall and processor seconds of one process, and what it did."""
    with TemporaryDirectory() as folder:
        out = Path(folder, "result.json")
        settings = [f'model={{"name": "simulated", "base_url": "{url}"}}', f"budget.calls={calls}"]
        settings += [f"parallel.concurrency={concurrency}", f"search.seed={seed}"]
        settings += [] if track else ["track=false"]
        command = [*PROMPTLATHE, "run", str(RUN_FILE), "--workspace", folder, "--json", str(out)]
        for setting in settings:
            command += ["--set", setting]
        wall, cpu = time.perf_counter(), children_cpu()
        subprocess.run(command, check=True, capture_output=True)
        wall, cpu = time.perf_counter() - wall, children_cpu() - cpu
        result = json.loads(out.read_text("utf-8"))
    assert (result["run_id"] is not None) == track, result
    return {
        "wall": wall,
        "cpu": cpu,
        "calls": result["calls"]["total"],
        "candidates": result["candidates"],
        "promoted": result["promoted"],
    }


def compare(url: str, args: argparse.Namespace, concurrency: int) -> dict[str, float]:
    """Both ways in turn, `repeats` times."""
    found: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for turn in range(args.repeats):
        for track in (False, True) if turn % 2 == 0 else (True, False):
            one = run(url, track=track, calls=args.calls, concurrency=concurrency, seed=args.seed)
            found[track].append(one)
            print(
                f"  {'on ' if track else 'off'} {one['wall']:6.2f} s   cpu {one['cpu']:5.2f} s   "
                f"{one['calls']} calls, {one['candidates']} candidates"
                + (", one registered" if one["promoted"] else ""),
                flush=True,
            )
    off, on = ([one["wall"] for one in found[track]] for track in (False, True))
    return {
        "concurrency": concurrency,
        "off": median(off),
        "on": median(on),
        "added": median(with_it / without - 1 for without, with_it in zip(off, on, strict=True)),
        "fastest": min(on) / min(off) - 1,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--latency", type=float, default=0.1, help="seconds for each answer")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="OUT", type=Path)
    args = parser.parse_args()
    tickets = [json.loads(line) for line in TICKETS.read_text("utf-8").splitlines()]
    answer = partial(simulated, {one["text"].strip(): one["label"] for one in tickets})
    rows: list[dict[str, float]] = []
    with canned_server(args.latency, answer=answer) as url:
        for concurrency in args.concurrency:
            print(f"{args.calls} calls, {concurrency} in flight")
            rows.append(row := compare(url, args, concurrency))
            print(
                f"  off {row['off']:.2f} s, on {row['on']:.2f} s: {row['added']:+.1%}, "
                f"fastest {row['fastest']:+.1%} (target: under {TARGET:.0%})",
                flush=True,
            )
    if args.json:
        settings = {k: v for k, v in vars(args).items() if k not in ("json", "concurrency")}
        machine = {"cores": os.cpu_count(), "python": sys.version.split()[0]}
        report = {**settings, **machine, "target": TARGET, "rows": rows}
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

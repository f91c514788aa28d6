"""What MLflow's record adds to a job's wall time.

    python benchmarks/tracking.py [--concurrency 16 32] [--repeats 3] [--json OUT]

The demo job with 2,000 calls against the pocket model over HTTP, in another process, with 100 ms
added to each answer: with tracking and without, in turn, same seed, each as a process of its own
in an empty workspace. Wall times are those of the whole process; the figures are medians, and
`added` is the median over the pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from startup import PROMPTLATHE, RUN_FILE, children_cpu

TARGET = 0.05


@contextmanager
def pocket_server(latency: float) -> Generator[str]:
    """The pocket model's server in another process; gives its base URL."""
    command = [*PROMPTLATHE, "pocket", "--port", "0", "--latency", str(latency)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        yield next(word for word in words if word.startswith("http"))
    finally:
        process.terminate()
        process.wait()


def run(url: str, *, track: bool, calls: int, concurrency: int, seed: int) -> dict[str, float]:
    """Wall and processor seconds of one process, and what it did."""
    with TemporaryDirectory() as folder:
        out = Path(folder, "result.json")
        settings = [f'model={{"name": "pocket", "base_url": "{url}"}}', f"budget.calls={calls}"]
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
    }


def compare(url: str, args: argparse.Namespace, concurrency: int) -> dict[str, float]:
    """Both ways in turn, `repeats` times."""
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    for turn in range(args.repeats):
        for track in (False, True) if turn % 2 == 0 else (True, False):
            one = run(
                url, track=track, calls=args.calls, concurrency=concurrency, seed=args.seed
            )
            found[track].append(one)
            print(
                f"  {'on ' if track else 'off'} {one['wall']:6.2f} s   cpu {one['cpu']:5.2f} s   "
                f"{one['calls']:.0f} calls, {one['candidates']:.0f} candidates",
                flush=True,
            )
    pairs = zip(found[False], found[True], strict=True)
    return {
        "concurrency": concurrency,
        "off": median(one["wall"] for one in found[False]),
        "on": median(one["wall"] for one in found[True]),
        "added": median(on["wall"] / off["wall"] - 1 for off, on in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--latency", type=float, default=0.1, help="seconds for each answer")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="OUT", type=Path)
    args = parser.parse_args()
    rows: list[dict[str, float]] = []
    with pocket_server(args.latency) as url:
        for concurrency in args.concurrency:
            print(f"{args.calls} calls, {concurrency} in flight")
            rows.append(row := compare(url, args, concurrency))
            print(
                f"  off {row['off']:.2f} s, on {row['on']:.2f} s: {row['added']:+.1%} "
                f"(target: under {TARGET:.0%})",
                flush=True,
            )
    if args.json:
        settings = {k: v for k, v in vars(args).items() if k not in ("json", "concurrency")}
        machine = {"cores": os.cpu_count(), "python": sys.version.split()[0]}
        report = {**settings, **machine, "target": TARGET, "rows": rows}
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

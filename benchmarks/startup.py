"""How soon the command answers, and how soon a job makes its first call.

    python benchmarks/startup.py [--repeats 10] [--json OUT]

    help         `promptlathe --help`, wall time of the process
    first call   `promptlathe run` of the demo, from the start of the process to the arrival of the
                 first request at a local server: defaults, tracking on, an empty workspace

Both are medians. Processor seconds stand beside them: other work on the machine changes them less.
The run goes on to its end (60 calls), which is not timed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from canned_server import canned_server, moment

RUN_FILE = Path(__file__).parent.parent / "runs" / "support_triage.yaml"
PROMPTLATHE = [sys.executable, "-m", "promptlathe"]
TARGETS = {"help": 0.4, "first call": 2.5}
"""Seconds."""


def show_help() -> tuple[float, float]:
    """Wall and processor seconds of `promptlathe --help`."""
    wall, cpu = time.monotonic(), children_cpu()
    subprocess.run([*PROMPTLATHE, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - wall, children_cpu() - cpu


def first_call() -> tuple[float, float]:
    """Wall seconds until the first request arrives; processor seconds of the process by then."""
    first = moment()
    with TemporaryDirectory() as folder, canned_server(0.05, first=first) as url:
        model = f'model={{"name": "canned", "base_url": "{url}"}}'
        command = [*PROMPTLATHE, "run", str(RUN_FILE), "--workspace", folder]
        command += ["--set", model, "--set", "budget.calls=60"]
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cpu = 0.0
        while not first.value and process.poll() is None:
            cpu = process_cpu(process.pid)
            time.sleep(0.01)
        if process.wait():
            raise SystemExit(f"the run failed: {' '.join(command)}")
        return first.value - start, cpu


def children_cpu() -> float:
    """Processor seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def process_cpu(pid: int) -> float:
    """Processor seconds of a process so far; 0 where there is no /proc."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100  # utime, stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", metavar="OUT", type=Path)
    args = parser.parse_args()
    report: dict[str, dict[str, float]] = {}
    print(f"{'':12}{'median s':>9}{'fastest':>9}{'cpu s':>7}{'target':>8}")
    for name, measure in {"help": show_help, "first call": first_call}.items():
        measure()  # compiles and fills the disk cache
        found = [measure() for _ in range(args.repeats)]
        walls, cpus = zip(*found, strict=True)
        row = {"median": median(walls), "fastest": min(walls), "cpu": min(cpus)}
        report[name] = {**row, "target": TARGETS[name]}
        print(
            f"{name:12}{row['median']:9.2f}{row['fastest']:9.2f}{row['cpu']:7.2f}"
            f"{TARGETS[name]:8.1f}",
            flush=True,
        )
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Job after job in one process, with faults: what of memory, descriptors and threads stays behind.

    python benchmarks/soak.py [--minutes 60] [--calls 600] [--concurrency 16] [--share 0.3]

The embedded model serves HTTP in a process of its own, after 100 ms; a share of the requests is
refused, cut off or answered with half a text. Each job searches with `lathe` and the operators that
need no rewriter, meets its test rows and is recorded in MLflow, all in one workspace. After each:
resident memory, open descriptors, threads and child processes of this process. The medians of the
last quarter stand beside those of the second: the first one fills caches.
"""

import argparse
import gc
import os
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic

import promptlathe as pl
from faulty_server import faulty_server, mixed
from promptlathe.job import Job, run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget

LABELS = ("billing", "delivery", "login")
SPACE = pl.SearchSpace(
    messages={"system": "{{ task }} {{ form }}", "user": "{{ text }}"},
    components={
        "task": pl.Choice([f"Read the message {i} times." for i in range(10)], rewrite=True),
        "form": pl.Choice(["Say which team.", "Teams: billing, delivery, login. The label only."]),
    },
)


def rows(first: int) -> list[dict[str, str]]:
    """150 that no earlier job had: each of its calls is sent."""
    return [
        {"text": f"Message {i} about {LABELS[i % 3]}", "label": LABELS[i % 3]}
        for i in range(first, first + 150)
    ]


def state() -> tuple[float, int, int, int]:
    """Of this process: resident MB, open descriptors, threads, children."""
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    held = len(os.listdir("/proc/self/fd"))
    return int(status["VmRSS"].split()[0]) / 1000, held, int(status["Threads"]), len(children)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--calls", type=int, default=600)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--share", type=float, default=0.3)
    args = parser.parse_args()
    found: list[tuple[float, int, int, int]] = []
    calls, start = 0, monotonic()
    with faulty_server(mixed(args.share)) as server, TemporaryDirectory() as folder:
        while not found or monotonic() - start < 60 * args.minutes:
            number = len(found)
            result = run(
                Job(
                    space=SPACE,
                    objective=pl.Objective(
                        rows(150 * number), scorer=pl.exact_match("label", parse="label")
                    ),
                    model=ModelSettings(name="pocket", base_url=server.base_url, timeout=20),
                    budget=Budget(calls=args.calls),
                    search=SearchOptions(seed=number),
                    parallel=ParallelOptions(concurrency=args.concurrency),
                    workspace=Path(folder),
                )
            )
            calls += result.spent.calls
            found.append(state())
            minutes = (monotonic() - start) / 60
            print(f"{minutes:5.1f} min, job {number + 1}: ", _said(found[-1]), flush=True)
    quarter = max(1, len(found) // 4)
    second = [median(column) for column in zip(*found[quarter : 2 * quarter] or found, strict=True)]
    last = [median(column) for column in zip(*found[-quarter:], strict=True)]
    print(f"{len(found)} jobs, {calls} calls in {(monotonic() - start) / 60:.0f} min")
    print(f"second quarter: {_said(second)}")
    print(f"last quarter:   {_said(last)}")


def _said(one: "tuple[float, ...] | list[float]") -> str:
    memory, held, threads, children = one
    return f"{memory:.0f} MB, {held:g} descriptors, {threads:g} threads, {children:g} children"


if __name__ == "__main__":
    main()

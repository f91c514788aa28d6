"""What faults of the service cost: calls answered a second, with faults and without, in turn.

    python benchmarks/faults.py [--share 0.3] [--calls 1500] [--concurrency 64] [--repeats 3]
        [--each]

The embedded model over HTTP, in a process of its own, answers after 100 ms; a share of the
requests is refused (429 with Retry-After, 500), cut off or answered with half a text, in equal
parts. A random search, no tracking. `speed` is that with faults over that without; `capacity` the
share of requests that are answered; `of it` what the retries leave of the capacity.
"""

import argparse
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import promptlathe as pl
from faulty_server import KINDS, faulty_server, mixed
from promptlathe.job import Job, run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models.pocket.faults import Faults
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget

LABELS = ("billing", "delivery", "login")
SPACE = pl.SearchSpace(
    messages={"system": "{{ task }} {{ form }}", "user": "{{ text }}"},
    components={
        "task": pl.Choice([f"Read the message {i} times." for i in range(40)]),
        "form": pl.Choice(["Say which team.", "Teams: billing, delivery, login. The label only."]),
    },
)


def objective(rows: int) -> pl.Objective:
    """Enough rows that no cell is asked twice."""
    data = [
        {"text": f"Message {i} about {LABELS[i % 3]}", "label": LABELS[i % 3]} for i in range(rows)
    ]
    return pl.Objective(data, scorer=pl.exact_match("label", parse="label"))


def speed(args: argparse.Namespace, faults: Faults) -> tuple[float, float]:
    """Answers a second of a job, and the share of requests that were answered."""
    with faulty_server(faults) as server, TemporaryDirectory() as folder:
        job = Job(
            space=SPACE,
            objective=objective(400),
            model=ModelSettings(name="pocket", base_url=server.base_url, timeout=20),
            budget=Budget(calls=args.calls),
            search=SearchOptions(policy="random", seed=faults.seed),
            parallel=ParallelOptions(concurrency=args.concurrency),
            track=False,
            workspace=Path(folder),
        )
        start = perf_counter()
        result = run(job)
        seconds = perf_counter() - start
        answered, requests = server.counts()
    assert result.test.missing <= 0.02 * result.test.examples
    return answered / seconds, answered / requests


def row(args: argparse.Namespace, kinds: tuple[str, ...]) -> str:
    """Of some kinds of faults, against none, in turn: the medians."""
    found: list[tuple[float, float, float]] = []
    for seed in range(args.repeats):
        whole, _ = speed(args, mixed(0.0, seed=seed))
        faulty, capacity = speed(args, mixed(args.share, kinds, seed=seed))
        found.append((whole, faulty / whole, capacity))
    whole, ratio, capacity = (median(column) for column in zip(*found, strict=True))
    name = "mixed" if kinds == KINDS else ", ".join(kinds)
    return f"{name:<14}{whole:>10.0f}{ratio:>10.2f}{capacity:>10.2f}{ratio / capacity:>10.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--calls", type=int, default=1500)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--each", action="store_true", help="each kind of fault alone, too")
    args = parser.parse_args()
    print(f"{'faults':<14}{'without /s':>10}{'speed':>10}{'capacity':>10}{'of it':>10}")
    for kinds in (KINDS, *((one,) for one in KINDS if args.each)):
        print(row(args, kinds), flush=True)


if __name__ == "__main__":
    main()

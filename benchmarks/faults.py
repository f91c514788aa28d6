"""What faults of the service cost: calls answered a second, with faults and without, in turn.

    python benchmarks/faults.py [--share 0.3] [--calls 1500] [--concurrency 64] [--repeats 3]

The embedded model over HTTP answers after 100 ms; a share of the requests is refused (429 with
Retry-After, 500), cut off or answered with half a text, in equal parts. A random search, no
tracking. `capacity` is the share of requests that are answered; the ratio of the speeds over it
is what the retries leave of it.
"""

import argparse
import asyncio
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import promptlathe as pl
from promptlathe.job import Job, run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models.pocket.faults import Faults
from promptlathe.models.pocket.server import serve
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


async def speed(args: argparse.Namespace, share: float, seed: int) -> tuple[float, float]:
    """Answers a second of a job, and the share of requests that were answered."""
    part = share / 4
    faults = Faults(
        latency=0.1,
        rate_limited=part,
        server_error=part,
        disconnect=part,
        malformed=part,
        retry_after=0.5,
        seed=seed,
    )
    async with serve(faults=faults) as server:
        with TemporaryDirectory() as folder:
            job = Job(
                space=SPACE,
                objective=objective(400),
                model=ModelSettings(name="pocket", base_url=server.base_url, timeout=20),
                budget=Budget(calls=args.calls),
                search=SearchOptions(policy="random", seed=seed),
                parallel=ParallelOptions(concurrency=args.concurrency),
                track=False,
                workspace=Path(folder),
            )
            start = perf_counter()
            result = await asyncio.to_thread(run, job)
            seconds = perf_counter() - start
    assert result.test.missing <= 0.02 * result.test.examples
    return server.answered / seconds, server.answered / server.requests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--calls", type=int, default=1500)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    whole: list[float] = []
    faulty: list[float] = []
    capacity: list[float] = []
    for seed in range(args.repeats):
        whole.append(asyncio.run(speed(args, 0.0, seed))[0])
        rate, answered = asyncio.run(speed(args, args.share, seed))
        faulty.append(rate)
        capacity.append(answered)
    ratio = median(b / a for a, b in zip(whole, faulty, strict=True))
    left = median(capacity)
    print(
        f"without faults {median(whole):.0f} answers/s, with {args.share:.0%} {median(faulty):.0f}"
    )
    print(
        f"speed {ratio:.2f} of it at a capacity of {left:.2f}: {ratio / left:.2f} of the capacity"
    )


if __name__ == "__main__":
    main()

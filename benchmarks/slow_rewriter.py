"""A rewriter that takes ten seconds: how busy are the task model's slots?

    python benchmarks/slow_rewriter.py [--delay 10] [--latency 1] [--calls 1600] [--slots 16]

The job of runs/repair_draft.yaml with the operators that ask: the pocket model answers over HTTP
after `latency` seconds, a scripted rewriter after `delay`. The calls in flight at the task model's
server are looked at every few milliseconds from its first request until the search has ended; told
is their mean over the slots, once with operators and once without, in one go.
"""

import argparse
import asyncio
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from promptlathe.job import Job, Result, run
from promptlathe.job.progress import View
from promptlathe.job.runfile import ParallelOptions
from promptlathe.models.pocket.faults import Faults
from promptlathe.models.pocket.server import PocketServer, serve
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

RUN_FILE = Path(__file__).parent.parent / "runs" / "repair_draft.yaml"
ASKING = ("rewrite", "contrast", "rules", "format", "demos", "shorten", "merge")


def _text(arrived: Arrived, delay: float) -> Reply:
    """Another text for each request."""
    return Reply(f"<new>Read it, Tallow's way, number {arrived.number}.</new>", delay=delay)


class Ended:
    """A `Progress` that notes when the decision begins."""

    over = False

    def update(self, view: View) -> None:
        self.over = view.stage == "decision"


async def busy(
    server: PocketServer, slots: int, ended: Ended, job: asyncio.Future[Result]
) -> float:
    """The mean share of the slots that were at work."""
    while not server.requests:
        await asyncio.sleep(0.001)
    total, before = 0.0, time.perf_counter()
    start = before
    while not (ended.over or job.done()):
        await asyncio.sleep(0.004)
        now = time.perf_counter()
        total += server.in_flight * (now - before)
        before = now
    return total / ((before - start) * slots)


async def measure(options: argparse.Namespace, *, operators: bool) -> None:
    async with (
        serve(faults=Faults(latency=options.latency)) as task,
        ScriptedServer(lambda arrived: _text(arrived, options.delay)) as writer,
    ):
        with TemporaryDirectory() as folder:
            made = Job.load(RUN_FILE, settings=(("track", "false"),), workspace=Path(folder))
            job = replace(
                made,
                model=ModelSettings(name="pocket", base_url=task.base_url),
                rewriter=ModelSettings(name="writer", base_url=writer.base_url),
                budget=Budget(calls=options.calls),
                search=made.search.model_copy(update={"operators": ASKING if operators else ()}),
                parallel=ParallelOptions(concurrency=options.slots),
            )
            ended = Ended()
            running = asyncio.ensure_future(asyncio.to_thread(run, job, progress=ended))
            share = await busy(task, options.slots, ended, running)
            result = await running
        name = "with operators" if operators else "without"
        print(
            f"{name:15} {share:6.1%} of {options.slots} slots busy; "
            f"{len(writer.arrived)} requests of {options.delay:g} s; "
            f"{result.spent.calls} calls in {result.seconds:.0f} s; "
            f"{len(result.lineage)} levels made"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--delay", type=float, default=10)
    parser.add_argument("--latency", type=float, default=1)
    parser.add_argument("--calls", type=int, default=1600)
    parser.add_argument("--slots", type=int, default=16)
    options = parser.parse_args()
    for operators in (True, False):
        asyncio.run(measure(options, operators=operators))


if __name__ == "__main__":
    main()

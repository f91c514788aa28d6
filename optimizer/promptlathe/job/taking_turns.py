"""One job at a time works on a prompt, wherever the ledger is shared."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Literal

from promptlathe.errors import Busy, StorageFailed
from promptlathe.job.job import Job
from promptlathe.ledger import BEAT, Holder, Ledger

IfBusy = Literal["wait", "leave"]
LOOK = 0.5
"""Seconds between two looks whether it is this job's turn."""


def registers(job: Job) -> bool:
    """It may change what is registered: only such jobs are in each other's way."""
    return bool(job.track and job.track.promote != "never")


@asynccontextmanager
async def turn(
    job: Job, ledger: Ledger, if_busy: IfBusy, waiting: Callable[[str], object]
) -> AsyncGenerator[bool]:
    """Within, no other job promotes over the same prompt. Gives whether this one has waited.

    waiting: told once whom this one waits for. Raises Busy, when it shall not wait.
    """
    if not registers(job):
        yield False
        return
    prompt, me = job.prompt_name, Holder()
    told = False
    while there := ledger.take(prompt, me):
        what = f"another job works on the prompt {prompt!r}: {there.words}"
        if if_busy == "leave":
            raise Busy(what, "start it again later, or let it wait with --if-busy wait")
        if not told:
            waiting(f"{what}; waiting for its end (--if-busy leave does not)")
            told = True
        await asyncio.sleep(LOOK)
    beating = asyncio.create_task(_beat(ledger, prompt, me))
    try:
        yield told
    finally:
        beating.cancel()
        with suppress(StorageFailed):  # what has failed is told already, and the row gets stale
            ledger.release(prompt, me)


async def _beat(ledger: Ledger, prompt: str, me: Holder) -> None:
    """When another job has taken over meanwhile (this one slept), the registry decides between
    the two: it promotes over nothing that a job has not met."""
    while True:
        await asyncio.sleep(BEAT)
        with suppress(StorageFailed):
            ledger.take(prompt, me)

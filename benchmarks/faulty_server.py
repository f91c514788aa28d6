"""The embedded model over HTTP in a process of its own, with faults."""

import asyncio
import multiprocessing
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

from promptlathe.models.pocket.faults import Faults
from promptlathe.models.pocket.server import serve

KINDS = ("rate_limited", "server_error", "disconnect", "malformed")
"""429 with Retry-After, 500, a lost connection, half a text."""


def mixed(share: float, kinds: tuple[str, ...] = KINDS, *, seed: int = 0) -> Faults:
    """Answers after 100 ms; a share of the requests fails, in equal parts."""
    parts = {kind: share / len(kinds) for kind in kinds}
    return Faults(latency=0.1, retry_after=0.5, seed=seed, **parts)


@dataclass(frozen=True)
class FaultyServer:
    """As its client sees it."""

    base_url: str
    _line: Connection

    def counts(self) -> tuple[int, int]:
        """How many requests were answered, and how many came."""
        self._line.send(True)
        return self._line.recv()


def _serve(faults: Faults, line: Connection) -> None:
    async def forever() -> None:
        async with serve(faults=faults) as server:
            line.send(server.base_url)
            while await asyncio.to_thread(line.recv):
                line.send((server.answered, server.requests))

    asyncio.run(forever())


@contextmanager
def faulty_server(faults: Faults) -> Generator[FaultyServer]:
    """It ends with the block."""
    context = multiprocessing.get_context("spawn")
    line, other = context.Pipe()
    process = context.Process(target=_serve, args=(faults, other), daemon=True)
    process.start()
    other.close()  # its end is seen, should it die
    try:
        yield FaultyServer(line.recv(), line)
    finally:
        process.terminate()
        process.join()

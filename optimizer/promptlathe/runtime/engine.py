"""The contract of an engine: carries one attempt of a call to its model, many at a time.

A worked timeline of a lane with two slots (s: at the model; q: waits for a slot):

    time   send(a)   send(b)   send(c)
    0.0    s         s         q
    0.2    answer    │         s          a slot that frees up takes the next call at once
    0.3              Failure   │          a failed attempt is data
    0.4                        answer

- Calls of one lane take its slots in the order in which they were sent; lanes do not hold each
  other up.
- `send` raises only when this program is wrong, ClusterLost when nothing can carry a call any
  more, and CancelledError when it is cancelled: then the call may have reached the service.
- An engine belongs to the event loop in which it was started. Nothing survives a restart: what
  was paid for is in the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from promptlathe.records import Answer, Call, Failure


class Engine(Protocol):
    """Carries calls to the models of its lanes; a subclass inherits that `async with` opens and
    closes it, and that there is nothing to say."""

    async def start(self) -> None:
        """Open what is needed. Raises `InputError`: a missing key, no such cluster; and
        `ClusterLost`."""
        ...

    async def send(self, call: Call) -> Answer | Failure:
        """One attempt, once a slot is free. Raises RuntimeError before `start`, after `close`."""
        ...

    @property
    def notices(self) -> Sequence[str]:
        """What whoever watches should know at present of what carries the calls."""
        return ()

    @property
    def notes(self) -> Sequence[str]:
        """What became of it so far, for the result."""
        return ()

    async def close(self) -> None:
        """Let go of everything; calls under way end with RuntimeError. Can be called twice."""
        ...

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

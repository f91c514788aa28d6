"""The contract of an engine: calls go in at any time, answers come out as they arrive.

A worked timeline, with `concurrency` 2 (s: at the model; q: queued; ✓: answered):

    time   the caller                       call a   call b   call c   call d
    0.0    submit(a, b, c)                  s        s        q
    0.0    next() waits                     │        │        q
    0.2                                     ✓        │        s
    0.2    next() returns [a]                        │        │
    0.2    submit(d), next() waits                   │        │        q
    0.3                                              ✓        │        s
    0.4                                                       ✓        │
    0.4    next() returns [b, c]                                       │
    0.4    next() waits
    0.5                                                                ✓
    0.5    next() returns [d]
    0.5    next() returns []: nothing is left

- There is no barrier: a slot that frees up takes the next queued call at once, without the
  caller. So a caller that keeps a few calls queued beyond `concurrency` keeps all slots busy.
- Every submitted call comes back exactly once, equal calls as often as they were submitted;
  the order is that of arrival.
- A failed call comes back with a `Failure`. `next` raises only when this program is wrong.
- `close` drops what is queued or in flight; those calls do not come back. Nothing survives a
  restart: what was paid for is in the ledger.
- An engine belongs to the event loop in which it was started, and has one caller.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from promptlathe.records import Answer, Call, Failure

Reply = tuple[Call, Answer | Failure]


class Engine(Protocol):
    """Carries calls to a model, at most `concurrency` of them at a time."""

    @property
    def concurrency(self) -> int:
        """How many calls are at the model at once, at most."""
        ...

    async def start(self) -> None:
        """Open what is needed. Raises `InputError`: a missing key, no such cluster."""
        ...

    def submit(self, call: Call) -> None:
        """Take a call; never waits. Raises RuntimeError before `start` and after `close`."""
        ...

    async def next(self) -> list[Reply]:
        """All that has come, at least one; [] when no submitted call is left."""
        ...

    async def close(self) -> None:
        """Cancel what is in flight and let go of everything; can be called twice."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

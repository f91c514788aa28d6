"""The one loop: a policy, an evaluator, and no barrier between them."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from promptlathe.records import Cell, Key, Standing, Event, Unit

Watch = Callable[[Event, Sequence[Standing]], None]
"""Event of each outcome and of the standings that it settled."""


class Proposer(Protocol):
    """What the loop needs of a policy."""

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Unit]: ...

    # Of outcomes of what it proposed: only one that makes requests is told what they gave.
    def tell(self, outcome: Any) -> Sequence[Standing]: ...

    @property
    def finish_reason(self) -> str | None: ...


class Cells(Protocol):
    """What the loop needs of an evaluator."""

    def submit(self, work: Unit, *, keep: int = 0) -> str | None: ...

    async def next(self) -> Event | None: ...

    def stop(self, limit: str, *, decision: bool = False) -> None: ...


WORST_CASES = ("tokens", "usd")
"""Limits that reckon with the worst of the calls under way: what they refuse now may be
affordable when those are back."""


@dataclass(frozen=True)
class Stopped:
    """Why the loop ended, and the what was proposed but not affordable."""

    finished: str
    """The policy's reason."""
    limit: str = ""
    """The limit of the budget that was reached; empty when the policy had nothing left."""
    refused: tuple[Unit, ...] = ()

    @property
    def reason(self) -> str:
        """For the result."""
        return f"budget: {self.limit}" if self.limit else self.finished


async def drive(
    policy: Proposer,
    evaluator: Cells,
    *,
    concurrency: int,
    watch: Watch,
    keep: int = 0,
    first: Sequence[Unit] = (),
) -> Stopped:
    """Run until the policy has nothing left or a limit of the budget is reached.

    keep: calls that must remain affordable afterwards. first: what an earlier call of `drive`
    refused. Each outcome is told by itself and the policy asked again at once, so that what the
    policy sees depends on the order of outcomes alone.

    Requests to the rewriter take no slot, and nothing waits for them once a limit is reached: the
    policy is never told of a request that was not affordable or not answered by then.
    """
    pending: dict[Key, Cell] = {}
    waiting = deque(first)

    def fill() -> str | None:
        while True:
            full = len(pending) >= concurrency
            if not (waiting or full):
                waiting.extend(policy.propose(pending.values(), concurrency - len(pending)))
            if not waiting or (full and isinstance(waiting[0], Cell)):
                return None
            work = waiting[0]
            refused = evaluator.submit(work, keep=keep)
            if refused and isinstance(work, Cell):
                return refused
            waiting.popleft()
            if isinstance(work, Cell):
                pending[work.key] = work

    limit = fill()
    while (pending or not limit) and (outcome := await evaluator.next()):
        pending.pop(outcome.unit.key, None)
        watch(outcome, policy.tell(outcome))
        if limit is None or limit in WORST_CASES:
            limit = fill()
    return Stopped(policy.finish_reason or "done", limit or "", tuple(waiting))


class Fixed:
    """Cells that are decided beforehand, in order."""

    finish_reason = None

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = iter(cells)

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Cell]:
        return [cell for _, cell in zip(range(limit), self._cells, strict=False)]

    def tell(self, outcome: Event) -> Sequence[Standing]:
        return ()

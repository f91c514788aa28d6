"""The one loop: a policy, an evaluator, and no barrier between them."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from promptlathe.job.collector import rare_collections
from promptlathe.records import Cell, Dropped, Event, Key, Standing, Unit

Watch = Callable[[Event, Sequence[Standing]], None]
"""Told of each event and of the standings that it settled."""


class Proposer(Protocol):
    """What the loop needs of a policy."""

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Unit]: ...

    # Of events of what it proposed: only one that makes requests is told what became of them.
    def tell(self, event: Any) -> Sequence[Standing]: ...

    @property
    def finish_reason(self) -> str | None: ...


class Units(Protocol):
    """What the loop needs of an evaluator."""

    def places(self, concurrency: int) -> int: ...

    def when_resting(self, fill: Callable[[], object]) -> None: ...

    def submit(self, unit: Unit) -> str | None: ...

    async def next(self) -> Event | None: ...

    async def stop(self, limit: str, *, decision: bool = False) -> list[Event]: ...


WORST_CASES = ("tokens", "usd", "replay")
"""Limits that reckon with the worst of the calls under way: what they refuse now may be
affordable when those are back; and what the record of a replayed run began later."""


@dataclass(frozen=True)
class Stopped:
    """Why the loop ended, and what was proposed but not affordable."""

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
    units: Units,
    *,
    concurrency: int,
    watch: Watch,
    first: Sequence[Unit] = (),
    decision: bool = False,
) -> Stopped:
    """Run a stage: until the policy has nothing left or a limit of the budget is reached.

    concurrency: cells under way at most, beside those that wait for another attempt. first: what an
    earlier stage refused. Each event is told by itself and the policy asked again at once, so that
    what the policy sees depends on the order of events alone.

    Requests to the rewriter count as no cell, and nothing waits for them once a limit is reached.
    The policy is told of each that was not affordable, so that it does not wait for it.
    """
    pending: dict[Key, Cell] = {}
    waiting = deque(first)
    dropped: list[Unit] = []
    limit = ""

    def fill() -> str:
        while True:
            places = units.places(concurrency) - len(pending)
            full = places <= 0
            if not (waiting or full):
                # Beyond `concurrency` one at a time: each only if there is still room for it.
                most = min(places, max(1, concurrency - len(pending)))
                waiting.extend(policy.propose(pending.values(), most))
            if not waiting or (full and isinstance(waiting[0], Cell)):
                return ""
            unit = waiting[0]
            refused = units.submit(unit)
            if refused and isinstance(unit, Cell):
                return refused
            waiting.popleft()
            if isinstance(unit, Cell):
                pending[unit.key] = unit
            elif refused:
                policy.tell(Dropped(unit, refused))

    def take(event: Event) -> None:
        pending.pop(event.unit.key, None)
        if isinstance(event, Dropped) and isinstance(event.unit, Cell):
            dropped.append(event.unit)
        else:
            watch(event, policy.tell(event))

    with rare_collections():
        units.when_resting(lambda: dropped or fill())
        limit = fill()
        while pending or not limit or limit in WORST_CASES:
            event = await units.next()
            if event is None:
                break
            take(event)
            if not dropped:
                limit = fill()
            elif isinstance(event, Dropped):
                limit = event.limit
        units.when_resting(lambda: None)
        for event in await units.stop(limit, decision=decision):
            take(event)
    return Stopped(policy.finish_reason or "done", limit, (*dropped, *waiting))


class Fixed:
    """Cells that are decided beforehand, in order."""

    finish_reason = None

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = iter(cells)

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Cell]:
        return [cell for _, cell in zip(range(limit), self._cells, strict=False)]

    def tell(self, event: Event) -> Sequence[Standing]:
        return ()

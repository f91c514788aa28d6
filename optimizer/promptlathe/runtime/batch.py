"""The engine for runs that may wait: calls go in batches, at a part of their price.

    send ──→ waiting ──(a full round, or nothing more comes)──→ one file → one batch ─┐
    reply ←──────────────────(the batch has ended: all at once)───────────────────────┘

A round is what the slots allow (`parallel.concurrency`): it goes when they are full, or when no
further call has come for a while. Models that no batch takes (the embedded one, local files, the
Decisions API) are asked at once, as the local engine does.

A batch's record stands in the state folder from before it is made until its replies are kept. A run
that was killed finds it there: its calls are not sent again, they wait for that batch. One that is
stopped cancels its batches, and the next takes what they had answered. Those of another run that is
under way are left alone.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from promptlathe.models import check_key
from promptlathe.models.batches import (
    MOST_BYTES,
    MOST_LINES,
    BatchService,
    Look,
    Refused,
    unbilled,
)
from promptlathe.records import Answer, Call, Failure
from promptlathe.runtime.batch_records import BatchRecord, BatchRecords
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.lanes import Lanes
from promptlathe.runtime.local import LocalEngine
from promptlathe.runtime.shares import pools, slots

SETTLE = 2.0
"""Seconds without a further call after which a round goes that is not full."""
POLL = (2.0, 60.0)
"""Seconds between two looks at a batch: at first, and at most."""
GOODBYE = 10.0
"""Seconds that cancelling may take at the end."""

Reply = Answer | Failure
Group = tuple[str, str]
"""Lane and model: a batch is of one of each."""


@dataclass(eq=False)
class Item:
    """A call that somebody waits for."""

    call: Call
    lane: str
    future: asyncio.Future[Reply]

    @property
    def wanted(self) -> bool:
        return not self.future.done()

    def end(self, reply: Reply) -> None:
        if self.wanted:
            self.future.set_result(reply)

    def fail(self, error: Exception) -> None:
        """A mistake of ours, or the engine's end."""
        if self.wanted:
            self.future.set_exception(error)


@dataclass(eq=False)
class Batch:
    """One at the service."""

    record: BatchRecord
    service: BatchService
    look: Look | None = None
    """None while an earlier run's was not looked at."""
    replies: dict[str, Reply] | None = None
    """By the names of the lines, once it has ended."""
    taken: set[str] = field(default_factory=set[str])
    """Names of lines that somebody waits for, or has the reply of."""
    task: asyncio.Task[None] | None = None
    """That looks at it until it has ended."""

    def line_of(self, call: Call) -> str | None:
        """The line of a call, if nobody has taken it."""
        names = (name for name, key in self.record.keys.items() if key == call.key)
        return next((name for name in names if name not in self.taken), None)

    def reply(self, name: str) -> Reply:
        """What a line was answered, or why it was not."""
        if self.replies and name in self.replies:
            return self.replies[name]
        match self.look:
            case Look(why=Failure() as why):
                return why
            case Look(status="expired"):
                return Failure("timeout", "the batch expired before this call was answered")
            case Look(status="cancelled"):
                return Failure("server_error", "the batch was cancelled")
            case _:
                return Failure("malformed", "the batch ended without a reply to this call")

    @property
    def used_up(self) -> bool:
        """It has ended, and all that was answered was handed out."""
        told = self.replies
        if told is None:
            return False
        return all(n in self.taken for n, one in told.items() if isinstance(one, Answer))


class BatchEngine(Engine):
    """An `Engine`; `folder` keeps the records of its batches.

    settle: seconds without a further call after which a round goes. poll: seconds between two looks
    at a batch, at first and at most.
    """

    def __init__(
        self,
        lanes: Lanes,
        folder: Path,
        *,
        settle: float = SETTLE,
        poll: tuple[float, float] = POLL,
    ) -> None:
        self._lanes, self._records = lanes, BatchRecords(folder)
        self._settle, self._poll = settle, poll
        batched = {name: lane.settings.batched for name, lane in lanes.by_name.items()}
        live = {name: lane for name, lane in lanes.by_name.items() if not batched[name]}
        self._live = LocalEngine(Lanes(live))
        self._pool = pools(lanes)
        self._most = slots(lanes)
        self._busy = dict.fromkeys(self._most, 0)
        self._queues: dict[str, deque[Item]] = {pool: deque() for pool in self._most}
        """By pool, calls that wait for a slot."""
        self._services: dict[str, BatchService] = {}
        """By lane, of those that go in batches."""
        self._round: dict[Group, list[Item]] = defaultdict(list)
        self._timers: dict[Group, asyncio.TimerHandle] = {}
        self._batches: list[Batch] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[Item] = set()
        self._sent = self._found = 0

    async def start(self) -> None:
        """Open the models, and find the batches that an earlier run left.

        Raises `InputError` for a missing key.
        """
        keys = {name: check_key(lane.settings) for name, lane in self._lanes.by_name.items()}
        await self._live.start()
        self._services = {
            name: BatchService(lane.settings, keys[name])
            for name, lane in self._lanes.by_name.items()
            if lane.settings.batched
        }
        for record in self._records.left():
            service = self._service_of(record)
            if service is not None and self._records.take(record):
                self._batches.append(Batch(record, service))

    async def send(self, call: Call) -> Reply:
        """One attempt: the reply of the batch that the call goes in, or went in before."""
        lane = self._lanes.name_of(call.role, call.step)
        if not self._lanes.by_name[lane].settings.batched:
            return await self._live.send(call)
        if lane not in self._services:
            raise RuntimeError("the engine is not open")
        item = Item(call, lane, asyncio.get_running_loop().create_future())
        self._open.add(item)
        self._queues[self._pool[lane]].append(item)
        self._fill(self._pool[lane])
        try:
            return await item.future
        finally:
            self._open.discard(item)

    @property
    def notices(self) -> Sequence[str]:
        """How each batch stands."""
        return tuple(
            f"batch {one.look.id}: {one.look.status}, {one.look.done:,} of "
            f"{len(one.record.keys):,} calls, after {(time.time() - one.record.at) / 60:.0f} min"
            for one in self._batches
            if one.look is not None and one.replies is None
        )

    @property
    def notes(self) -> Sequence[str]:
        """How many batches there were."""
        told = [f"{self._sent:,} batches were sent"] if self._sent else []
        earlier = f"{self._found:,} calls were in batches of an earlier run"
        return [*told, earlier] if self._found else told

    async def close(self) -> None:
        """Cancel the batches under way; their records stay, as of those with more to hand out."""
        services, self._services = self._services, {}
        for timer in self._timers.values():
            timer.cancel()
        for item in tuple(self._open):
            item.fail(RuntimeError("the engine was closed"))
        tasks, self._tasks = list(self._tasks), set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        batches, self._batches = self._batches, []
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await asyncio.gather(*map(self._leave, batches))
        self._records.let_go()
        for service in services.values():
            await service.close()
        await self._live.close()

    # Rounds

    def _fill(self, pool: str) -> None:
        """Give the free slots to those that wait, in the order of asking."""
        queue = self._queues[pool]
        while queue and self._busy[pool] < self._most[pool]:
            item = queue.popleft()
            if item.wanted:
                self._busy[pool] += 1
                item.future.add_done_callback(lambda _: self._free(pool))
                self._place(item)
        if self._busy[pool] == self._most[pool]:
            for lane, model in tuple(self._round):
                if self._pool[lane] == pool:
                    self._go_after(0.0, (lane, model))

    def _free(self, pool: str) -> None:
        self._busy[pool] -= 1
        if self._services:
            self._fill(pool)

    def _place(self, item: Item) -> None:
        """Into a batch that has the call already, or into the next round."""
        for batch in self._batches:
            name = batch.line_of(item.call)
            if name is not None:
                batch.taken.add(name)
                self._found += 1
                self._run(self._hand_over(batch, name, item), [item])
                return
        group = item.lane, item.call.model
        self._round[group].append(item)
        self._go_after(self._settle, group)

    def _go_after(self, seconds: float, group: Group) -> None:
        """The round goes then, unless another call comes before."""
        if group in self._timers:
            self._timers[group].cancel()
        loop = asyncio.get_running_loop()
        self._timers[group] = loop.call_later(seconds, self._go, group)

    def _go(self, group: Group) -> None:
        del self._timers[group]
        items = [item for item in self._round.pop(group, ()) if item.wanted]
        service = self._services[group[0]]
        for part in _parts(items, service):
            self._run(self._send(service, part), list(part.values()))

    def _run(self, work: Coroutine[Any, Any, None], items: Sequence[Item]) -> None:
        """In the background; whoever waits gets what it raises."""

        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - it is told
                for item in items:
                    item.fail(error)

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Batches

    async def _send(self, service: BatchService, items: dict[str, Item]) -> None:
        """A batch, from its file to its replies."""
        settings = self._lanes.by_name[next(iter(items.values())).lane].settings
        keys = {name: item.call.key for name, item in items.items()}
        record = BatchRecord(uuid4().hex, settings.endpoint, settings.api, keys, time.time())
        self._records.write(record)
        lines = b"".join(service.line(item.call, name) for name, item in items.items())
        try:
            look = await service.send(lines, record.mark)
        except Refused as refused:
            found = await self._made(service, record, refused)
            if isinstance(found, Failure):
                for item in items.values():
                    item.end(found)
                return
            look = found
        batch = Batch(self._records.named(record, look.id), service, look)
        self._batches.append(batch)
        self._sent += 1
        await self._ended(batch)
        for name, item in items.items():
            if item.wanted:
                batch.taken.add(name)
                item.end(batch.reply(name))

    async def _made(
        self, service: BatchService, record: BatchRecord, refused: Refused
    ) -> Look | Failure:
        """The batch that was made although nothing was heard of it; else why there is none."""
        if refused.failure.billed:
            try:
                found = await service.find(record.mark)
            except Refused:  # nobody knows: the record stays, for the next run
                return unbilled(refused.failure)
            if found is not None:
                return found
        self._records.remove(record)
        return unbilled(refused.failure)

    async def _hand_over(self, batch: Batch, name: str, item: Item) -> None:
        """What a batch of an earlier run says to a call; what it does not is asked anew."""
        await self._ended(batch)
        reply = batch.reply(name)
        if isinstance(reply, Answer):
            item.end(reply)
        elif item.wanted:
            self._found -= 1
            self._place(item)

    async def _ended(self, batch: Batch) -> None:
        """Until a batch has ended, and its replies are there. One task looks for all."""
        if batch.task is None:
            batch.task = asyncio.create_task(self._watch(batch))
            self._tasks.add(batch.task)
        await asyncio.shield(batch.task)

    async def _watch(self, batch: Batch) -> None:
        pause, most = self._poll
        while batch.replies is None:
            try:
                batch.look = await self._look(batch)
                if batch.look is None:
                    batch.replies = {}
                elif batch.look.ended:
                    seconds = time.time() - batch.record.at
                    batch.replies = await batch.service.replies(batch.look, seconds)
            except Refused as refused:
                if not refused.failure.retryable:
                    batch.replies = {}
            if batch.replies is None:
                await asyncio.sleep(pause)
                pause = min(1.5 * pause, most)

    async def _look(self, batch: Batch) -> Look | None:
        """How it stands; None for one that was never made."""
        if batch.record.id:
            return await batch.service.look(batch.record.id)
        found = await batch.service.find(batch.record.mark)
        if found is not None:
            batch.record = self._records.named(batch.record, found.id)
        return found

    async def _leave(self, batch: Batch) -> None:
        if batch.used_up:
            self._records.remove(batch.record)
        elif batch.replies is None and batch.record.id and batch.task is not None:
            with suppress(Refused):
                await batch.service.cancel(batch.record.id)

    def _service_of(self, record: BatchRecord) -> BatchService | None:
        """Of the lane whose calls it holds."""
        for name, service in self._services.items():
            settings = self._lanes.by_name[name].settings
            if (settings.endpoint, settings.api) == (record.endpoint, record.api):
                return service
        return None


def _parts(items: Sequence[Item], service: BatchService) -> Iterator[dict[str, Item]]:
    """By the names of their lines, as many as one batch takes."""
    part: dict[str, Item] = {}
    size = 0
    for item in items:
        try:
            name = f"{item.call.key}-{len(part)}"
            more = len(service.line(item.call, name))
        except Exception as error:  # noqa: BLE001 - a mistake of ours, told to who asked
            item.fail(error)
            continue
        if part and (len(part) == MOST_LINES or size + more > MOST_BYTES):
            yield part
            part, size = {}, 0
        part[name] = item
        size += more
    if part:
        yield part

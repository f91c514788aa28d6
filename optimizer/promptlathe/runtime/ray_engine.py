"""The engine in worker processes of a Ray cluster.

    send ──→ waiting ──(next turn of the event loop, in chunks)──→ Link → Worker → model
    reply ←───────────────(whatever has come, in chunks)────────── Link ← Worker ← model

A chunk is how calls travel, not how they are answered: a worker sends each answer on within a
few milliseconds, and takes new calls while the old ones are at the model. The slots of every lane
are divided among the workers, and none is ever given more calls of a lane than it has slots for: a
call that waits behind a slow one in one worker could not use the slot that is free in another. A
slot so stays empty for the way there and back, 5–10 ms.

When a worker dies, its calls go once more to another; the second time they come back as
failures. A worker that had answered something is replaced, one that died at once is not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import replace
from itertools import count
from types import TracebackType
from typing import Any, Self

from promptlathe.errors import InputError
from promptlathe.models import check_key
from promptlathe.records import Answer, Call, Failure
from promptlathe.runtime.cluster import Cluster
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.runtime.links import Item, Link
from promptlathe.runtime.shares import pools, shares, slots

_START = 60.0
"""Seconds for the workers to come up: importing takes one or two, a far node some more."""


class RayEngine:
    """An `Engine`; `workers` processes at most. `address` is as for `Cluster`."""

    def __init__(self, lanes: Lanes, *, workers: int, address: str = "auto") -> None:
        self._lanes, self._workers, self._address = lanes, workers, address
        self._pools = pools(lanes)
        self._waiting: dict[str, deque[Item]] = {pool: deque() for pool in slots(lanes)}
        self._cluster: Cluster | None = None
        self._links: list[Link] = []
        self._starting: list[Link] = []
        """Workers that replace dead ones, on their way up."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = count()
        self._flushing = False

    async def start(self) -> None:
        """Join or start the cluster and its workers: 3 s on one machine.

        Raises `InputError` for a missing key, an address that cannot be joined, and workers
        that do not start.
        """
        self._keys = {name: check_key(one.settings) for name, one in self._lanes.by_name.items()}
        pinned = Lanes({name: _pinned(lane) for name, lane in self._lanes.by_name.items()})
        # Ray must be started in the main thread, so this holds up the event loop.
        self._cluster = Cluster(self._address)
        links: list[Link] = []
        try:
            links += [self._spawn(share) for share in shares(pinned, self._workers)]
            await _ready(links)
        except BaseException:
            for link in links:
                _kill(link)
            await self.close()
            raise
        for link in links:
            self._open(link)

    async def send(self, call: Call) -> Answer | Failure:
        """One attempt; it travels in the next turn of the event loop, with its neighbours."""
        if self._cluster is None:
            raise RuntimeError("the engine is not open")
        pool = self._pools[self._lanes.name_of(call.role, call.step)]
        future: asyncio.Future[Answer | Failure] = asyncio.get_running_loop().create_future()
        item = Item(next(self._numbers), call, pool, future)
        self._waiting[pool].append(item)
        self._wake()
        try:
            return await future
        except asyncio.CancelledError:
            if any(link.forget(item.number) for link in self._links):
                self._wake()
            raise

    async def close(self) -> None:
        """Stop the workers, and Ray if this started it."""
        cluster, self._cluster = self._cluster, None
        tasks, self._tasks = list(self._tasks), set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        links = [*self._links, *self._starting]
        self._links, self._starting = [], []
        left = [item for link in links for item in link.sent.values()]
        for waiting in self._waiting.values():
            left += waiting
            waiting.clear()
        for item in left:
            item.fail("the engine was closed")
        if cluster is None:
            return
        for link in links:
            _kill(link)
        cluster.close()

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

    def _spawn(self, share: Lanes) -> Link:
        import ray

        from promptlathe.runtime.worker import Worker

        # Waiting for a service takes no processor, so as many workers as wanted fit a node.
        actor_class: Any = ray.remote(Worker)
        options = actor_class.options(num_cpus=0, max_concurrency=16, scheduling_strategy="SPREAD")
        keys = {name: self._keys[name] for name in share.by_name}
        return Link(options.remote(share, keys), share, slots(share))

    def _open(self, link: Link) -> None:
        self._links.append(link)
        self._run(self._pump(link))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _wake(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Tell the workers what to forget, then send what waits to those with the most room."""
        self._flushing = False
        for link in self._links:
            if link.forgotten:
                numbers, link.forgotten = link.forgotten, []
                self._run(_done(link.actor.forget.remote(numbers), []))
        chunks: dict[Link, list[Item]] = {}
        for pool, waiting in self._waiting.items():
            self._deal(pool, waiting, chunks)
        for link, items in chunks.items():
            told = link.actor.submit.remote([(item.number, item.call) for item in items])
            self._run(_done(told, items))

    def _deal(self, pool: str, waiting: deque[Item], chunks: dict[Link, list[Item]]) -> None:
        able = [link for link in self._links if pool in link.slots]
        hopeless = not able and not any(pool in link.slots for link in self._starting)
        while waiting:
            if not waiting[0].wanted:
                waiting.popleft()
            elif hopeless:
                waiting.popleft().end(Failure("connection", "every Ray worker has died"))
            else:
                link = max(able, key=lambda one: one.room(pool), default=None)
                if link is None or link.room(pool) <= 0:
                    return
                item = waiting.popleft()
                link.add(item)
                chunks.setdefault(link, []).append(item)

    async def _pump(self, link: Link) -> None:
        """Fetch replies for as long as the worker lives."""
        from ray.exceptions import RayActorError, RayError

        try:
            while True:
                for number, reply in await link.actor.drain.remote():
                    link.answered = True
                    item = link.remove(number)
                    if item is None:
                        continue
                    if isinstance(reply, str):
                        item.fail(f"in a Ray worker:\n{reply}")
                    else:
                        item.end(reply)
                self._wake()
        except RayActorError:
            self._bury(link)
        except RayError as error:
            for item in link.sent.values():
                item.fail(str(error))
            self._bury(link)

    def _bury(self, link: Link) -> None:
        self._links.remove(link)
        _kill(link)
        for item in reversed(link.sent.values()):
            if item.again:
                died = "two Ray workers died while they had this call"
                item.end(Failure("connection", died, billed=1))
            else:
                item.again = True
                self._waiting[item.pool].appendleft(item)
        if link.answered:
            self._run(self._replace(link.lanes))
        self._wake()

    async def _replace(self, share: Lanes) -> None:
        fresh = self._spawn(share)
        self._starting.append(fresh)
        try:
            await _ready([fresh])
        except InputError:
            _kill(fresh)  # the others go on
        else:
            self._open(fresh)
        self._starting.remove(fresh)
        self._wake()


def _pinned(lane: Lane) -> Lane:
    """The worker's environment may name another service than this one."""
    if lane.settings.embedded:
        return lane
    pinned = lane.settings.model_copy(update={"base_url": lane.settings.endpoint})
    return replace(lane, settings=pinned)


async def _ready(links: list[Link]) -> None:
    from ray.exceptions import RayError

    starts = [_result(link.actor.start.remote()) for link in links]
    try:
        await asyncio.wait_for(asyncio.gather(*starts), _START)
    except TimeoutError:
        what, fix = f"the Ray workers did not start within {_START:g} s", None
    except RayError as error:
        what = f"the Ray workers do not start: {str(error).strip().splitlines()[-1]}"
        fix = "install this version of promptlathe on every node of the cluster"
    else:
        return
    raise InputError(what, "parallel", fix)


async def _done(ref: Any, items: list[Item]) -> None:
    from ray.exceptions import RayActorError, RayError

    try:
        await ref
    except RayActorError:
        pass  # the pump sees it too, and sends the calls to another worker
    except RayError as error:
        for item in items:
            item.fail(str(error))


async def _result(ref: Any) -> Any:
    return await ref


def _kill(link: Link) -> None:
    """Also one that only seems to be dead, or its calls would be paid for twice."""
    import ray

    ray.kill(link.actor)

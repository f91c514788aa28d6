"""The engine in worker processes of a Ray cluster.

    send ──→ waiting ──(next turn of the event loop, in chunks)──→ Link → Worker → model
    reply ←───────────────(whatever has come, in chunks)────────── Link ← Worker ← model

A chunk is how calls travel, not how they are answered: a worker sends each answer on within a
few milliseconds, and takes new calls while the old ones are at the model. The slots of every lane
are divided among the workers, and none is ever given more calls of a lane than it has slots for: a
call that waits behind a slow one in one worker could not use the slot that is free in another. A
slot so stays empty for the way there and back, 5–10 ms.

A worker is lost when Ray says that it died, or when it was not heard for 20 s. Its calls go once
more to another; the second time they come back as failures. It is replaced, unless it and the one
before it died without an answer. When the cluster itself is gone, or its last worker, every call
raises ClusterLost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from promptlathe.errors import ClusterLost, InputError
from promptlathe.models import check_key
from promptlathe.records import Answer, Call, Failure
from promptlathe.runtime.actors import done, heard, kill, ready, spawn
from promptlathe.runtime.cluster import Cluster
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.lanes import Lane, Lanes
from promptlathe.runtime.links import Item, Link
from promptlathe.runtime.local import LocalEngine
from promptlathe.runtime.losses import Losses
from promptlathe.runtime.shares import pools, shares, slots


class RayEngine(Engine):
    """An `Engine`; `workers` processes at most. `address` is as for `Cluster`."""

    def __init__(self, lanes: Lanes, *, workers: int, address: str = "auto") -> None:
        self._lanes, self._workers, self._address = lanes, workers, address
        here, there = _apart(lanes)
        self._here = LocalEngine(here)
        """For models whose files are served on this machine, which workers need not see."""
        self._there = there
        self._pools = pools(there)
        self._waiting: dict[str, deque[Item]] = {pool: deque() for pool in slots(there)}
        self._cluster: Cluster | None = None
        self._links: list[Link] = []
        self._starting: list[Link] = []
        """Workers that replace dead ones, on their way up."""
        self._losses = Losses()
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = count()
        self._flushing = False

    async def start(self) -> None:
        """Join or start the cluster and its workers: 3 s on one machine.

        Raises `InputError` for a missing key, an address that cannot be joined, and workers
        that do not start; `ClusterLost` for a cluster that goes away meanwhile.
        """
        self._keys = {name: check_key(one.settings) for name, one in self._there.by_name.items()}
        pinned = Lanes({name: _pinned(lane) for name, lane in self._there.by_name.items()})
        # Ray must be started in the main thread, so this holds up the event loop.
        self._gone: asyncio.Future[ClusterLost] = asyncio.get_running_loop().create_future()
        self._cluster = Cluster(self._address)
        links: list[Link] = []
        try:
            await self._here.start()
            self._watch = self._cluster.watch()
            self._run(self._look())
            links += [spawn(share, self._keys) for share in shares(pinned, self._workers)]
            await ready(links, self._gone)
        except BaseException:
            self._starting += links
            await self.close()
            raise
        for link in links:
            self._open(link)

    async def send(self, call: Call) -> Answer | Failure:
        """One attempt; it travels in the next turn of the event loop, with its neighbours."""
        if self._cluster is None:
            raise RuntimeError("the engine is not open")
        if self._gone.done():
            raise _again(self._gone.result())
        lane = self._lanes.name_of(call.role, call.step)
        if lane not in self._pools:
            return await self._here.send(call)
        pool = self._pools[lane]
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

    @property
    def notices(self) -> Sequence[str]:
        """A part of the cluster that is away, and the last loss."""
        away = [self._watch.notice] if self._cluster and self._watch.notice else []
        return (*away, *self._losses.notices(starting=bool(self._starting)))

    @property
    def notes(self) -> Sequence[str]:
        """Of all workers that were lost."""
        return self._losses.notes

    async def close(self) -> None:
        """Stop the workers, and Ray if this started it."""
        await self._here.close()
        cluster, self._cluster = self._cluster, None
        tasks, self._tasks = list(self._tasks), set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        links = [*self._links, *self._starting]
        self._links, self._starting = [], []
        self._end(links, RuntimeError("the engine was closed"))
        if cluster is None:
            return
        for link in links:
            kill(link)
        cluster.close()

    def _open(self, link: Link) -> None:
        self._links.append(link)
        self._run(self._pump(link))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self) -> None:
        self._lose(await self._watch.until_lost())

    def _lose(self, error: ClusterLost) -> None:
        """Nothing can carry a call any more."""
        if not self._gone.done():
            self._gone.set_result(error)
        self._end(self._links, error)

    def _end(self, links: Sequence[Link], error: Exception) -> None:
        """All calls, those that wait too."""
        left = [item for link in links for item in link.sent.values()]
        for waiting in self._waiting.values():
            left += waiting
            waiting.clear()
        for item in left:
            item.fail(_again(error))

    def _wake(self) -> None:
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Tell the workers what to forget, then send what waits to those with the most room."""
        self._flushing = False
        if self._cluster and not (self._links or self._starting):
            self._lose(ClusterLost("every Ray worker has died", _LOGS))
        for link in self._links:
            if link.forgotten:
                numbers, link.forgotten = link.forgotten, []
                self._run(done(link.actor.forget.remote(numbers), []))
        chunks: dict[Link, list[Item]] = {}
        for pool, waiting in self._waiting.items():
            self._deal(pool, waiting, chunks)
        for link, items in chunks.items():
            told = link.actor.submit.remote([(item.number, item.call) for item in items])
            self._run(done(told, items))

    def _deal(self, pool: str, waiting: deque[Item], chunks: dict[Link, list[Item]]) -> None:
        able = [link for link in self._links if pool in link.slots]
        hopeless = not able and not any(pool in link.slots for link in self._starting)
        while waiting:
            if not waiting[0].wanted:
                waiting.popleft()
            elif hopeless:
                waiting.popleft().end(
                    Failure("connection", "every Ray worker of this model has died")
                )
            else:
                link = max(able, key=lambda one: one.room(pool), default=None)
                if link is None or link.room(pool) <= 0:
                    return
                item = waiting.popleft()
                link.add(item)
                chunks.setdefault(link, []).append(item)

    async def _pump(self, link: Link) -> None:
        """Fetch replies for as long as the worker lives."""
        from ray.exceptions import ActorUnavailableError, RayError, RayTaskError

        try:
            while True:
                for number, reply in await heard(link):
                    link.answered = True
                    item = link.remove(number)
                    if item is None:
                        continue
                    if isinstance(reply, str):
                        item.fail(RuntimeError(f"in a Ray worker:\n{reply}"))
                    else:
                        item.end(reply)
                self._wake()
        except RayTaskError as error:
            for item in link.sent.values():
                item.fail(RuntimeError(str(error)))
            self._bury(link, "it failed")
        except RayError as error:
            self._bury(link, "it died", aside=isinstance(error, ActorUnavailableError))
        except TimeoutError as silent:
            self._bury(link, str(silent), aside=True)

    def _bury(self, link: Link, why: str, *, aside: bool = False) -> None:
        """aside: Ray may not know yet that the worker's node is lost, and would use it again."""
        self._links.remove(link)
        kill(link)
        again = 0
        for item in reversed(link.sent.values()):
            if item.again:
                died = "two Ray workers died while they had this call"
                item.end(Failure("connection", died, billed=1))
            elif item.wanted:
                item.again = True
                again += 1
                self._waiting[item.pool].appendleft(item)
        self._losses.add(link.place, why, again)
        if self._cluster and (link.answered or link.spare):
            others = {other.place.node for other in self._links} - {link.place.node}
            node = min(others, default=self._cluster.node) if aside else ""
            self._run(self._replace(link, node))
        self._wake()

    async def _replace(self, lost: Link, node: str) -> None:
        fresh = spawn(lost.lanes, self._keys, node=node)
        fresh.spare = lost.answered
        self._starting.append(fresh)
        try:
            await ready([fresh], self._gone)
        except (InputError, ClusterLost):
            kill(fresh)  # the others go on
        else:
            self._losses.replaced()
            self._open(fresh)
        self._starting.remove(fresh)
        self._wake()


_LOGS = (
    "/tmp/ray/session_latest/logs on their nodes says why; mend it, then start the same command "
    "again: it goes on"
)


def _apart(lanes: Lanes) -> tuple[Lanes, Lanes]:
    """Those of local files, and all others."""
    local = {name: lane.settings.gguf is not None for name, lane in lanes.by_name.items()}
    here, there = (
        Lanes({name: lane for name, lane in lanes.by_name.items() if local[name] is wanted})
        for wanted in (True, False)
    )
    return here, there


def _pinned(lane: Lane) -> Lane:
    """The worker's environment may name another service than this one."""
    if lane.settings.embedded:
        return lane
    pinned = lane.settings.model_copy(update={"base_url": lane.settings.endpoint})
    return replace(lane, settings=pinned)


def _again(error: Exception) -> Exception:
    """The same: each call has one of its own."""
    return type(error)(*error.args)

"""The engine in worker processes of a Ray cluster.

    submit → waiting ──(next turn of the event loop, in chunks)──→ Link → Worker → model
    next   ← inbox   ←────(whatever has come, in chunks)────────── Link ← Worker ← model

A chunk is how calls travel, not how they are answered: a worker sends each answer on within a
few milliseconds, and takes new calls while the old ones are at the model. A worker is never
given more calls than it has slots: a call that waits behind a slow one in one worker could not
use the slot that is free in another. A slot so stays empty for the way there and back, 5–10 ms.

When a worker dies, its calls go once more to another; the second time they come back as
failures. A worker that had answered something is replaced, one that died at once is not.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from promptlathe.errors import InputError
from promptlathe.models import ModelSettings, check_key
from promptlathe.records import Call, Failure
from promptlathe.runtime.cluster import Cluster
from promptlathe.runtime.engine import Reply
from promptlathe.runtime.inbox import Inbox

_START = 60.0
"""Seconds for the workers to come up: importing takes one or two, a far node some more."""


@dataclass(frozen=True, slots=True)
class _Sent:
    call: Call
    key: str
    again: bool = False


@dataclass
class _Link:
    """A worker as the driver sees it."""

    actor: Any
    share: int
    sent: dict[str, list[_Sent]] = field(default_factory=dict[str, list[_Sent]])
    load: int = 0
    answered: bool = False

    @property
    def room(self) -> int:
        return self.share - self.load

    def add(self, item: _Sent) -> None:
        self.sent.setdefault(item.key, []).append(item)
        self.load += 1

    def remove(self, key: str) -> Call:
        items = self.sent[key]
        item = items.pop()
        if not items:
            del self.sent[key]
        self.load -= 1
        self.answered = True
        return item.call


class RayEngine:
    """`workers` processes share the `concurrency`; `address` is as for `Cluster`."""

    def __init__(
        self, settings: ModelSettings, concurrency: int, *, workers: int, address: str = "auto"
    ) -> None:
        self.concurrency = concurrency
        self._settings = settings
        self._workers = min(workers, concurrency)
        self._address = address
        self._cluster: Cluster | None = None
        self._links: list[_Link] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[_Sent] = deque()
        self._flushing = False
        self._starting = 0
        self._inbox: Inbox[Reply] = Inbox()

    async def start(self) -> None:
        """Join or start the cluster and its workers: 3 s on one machine.

        Raises `InputError` for a missing key, an address that cannot be joined, and workers
        that do not start.
        """
        self._key = check_key(self._settings)
        if not self._settings.embedded:
            # The worker's environment may name another service than this one.
            self._settings = self._settings.model_copy(update={"base_url": self._settings.endpoint})
        # Ray must be started in the main thread, so this holds up the event loop.
        self._cluster = Cluster(self._address)
        size, rest = divmod(self.concurrency, self._workers)
        links = [self._spawn(size + (i < rest)) for i in range(self._workers)]
        try:
            await self._ready(links)
        except BaseException:
            await self.close()
            raise
        for link in links:
            self._open(link)

    def submit(self, call: Call) -> None:
        """Take a call; it is sent in the next turn of the event loop, with its neighbours."""
        if self._cluster is None:
            raise RuntimeError("the engine is not open")
        self._waiting.append(_Sent(call, call.key))
        self._inbox.expected += 1
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def next(self) -> list[Reply]:
        """All that has come, at least one; [] when no submitted call is left."""
        return await self._inbox.fetch()

    async def close(self) -> None:
        """Stop the workers, and Ray if this started it."""
        cluster, self._cluster = self._cluster, None
        tasks, self._tasks = list(self._tasks), set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._waiting.clear()
        self._inbox.clear()
        links, self._links = self._links, []
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

    def _spawn(self, share: int) -> _Link:
        import ray

        from promptlathe.runtime.worker import Worker

        # Waiting for a service takes no processor, so as many workers as wanted fit a node.
        actor_class: Any = ray.remote(Worker)
        options = actor_class.options(num_cpus=0, max_concurrency=16, scheduling_strategy="SPREAD")
        return _Link(options.remote(self._settings, share, self._key), share)

    async def _ready(self, links: list[_Link]) -> None:
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
        for link in links:
            _kill(link)
        raise InputError(what, "parallel", fix)

    def _open(self, link: _Link) -> None:
        self._links.append(link)
        self._run(self._pump(link))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _flush(self) -> None:
        """Send what waits to the workers with the most room, one chunk for each."""
        self._flushing = False
        if not self._links and not self._starting:
            self._give_up()
        chunks: dict[int, list[Call]] = {}
        while self._waiting and self._links:
            i, link = max(enumerate(self._links), key=lambda pair: pair[1].room)
            if link.room <= 0:
                break
            item = self._waiting.popleft()
            link.add(item)
            chunks.setdefault(i, []).append(item.call)
        for i, calls in chunks.items():
            self._run(self._send(self._links[i], calls))

    async def _send(self, link: _Link, calls: list[Call]) -> None:
        from ray.exceptions import RayActorError, RayError

        try:
            await link.actor.submit.remote(calls)
        except RayActorError:
            pass  # the pump sees it too, and sends the calls to another worker
        except RayError as error:
            self._inbox.fail(RuntimeError(str(error)))

    async def _pump(self, link: _Link) -> None:
        """Fetch answers for as long as the worker lives."""
        from ray.exceptions import RayActorError, RayError

        try:
            while True:
                chunk = await link.actor.drain.remote()
                if chunk.crash:
                    raise RuntimeError(f"in a Ray worker:\n{chunk.crash}")
                for key, reply in chunk.replies:
                    self._inbox.put((link.remove(key), reply))
                if self._waiting:
                    self._flush()
        except RayActorError:
            self._bury(link)
        except (RayError, RuntimeError) as error:
            self._inbox.fail(RuntimeError(str(error)))

    def _bury(self, link: _Link) -> None:
        self._links.remove(link)
        _kill(link)
        for item in (item for items in link.sent.values() for item in items):
            if item.again:
                died = Failure("connection", "two Ray workers died while they had this call")
                self._inbox.put((item.call, died))
            else:
                self._waiting.append(replace(item, again=True))
        if link.answered:
            self._starting += 1
            self._run(self._replace(link))
        self._flush()

    async def _replace(self, link: _Link) -> None:
        from ray.exceptions import RayError

        fresh = self._spawn(link.share)
        try:
            await fresh.actor.start.remote()
        except RayError:
            pass  # the others go on
        else:
            self._open(fresh)
        self._starting -= 1
        self._flush()

    def _give_up(self) -> None:
        """No worker is left."""
        while self._waiting:
            call = self._waiting.popleft().call
            self._inbox.put((call, Failure("connection", "every Ray worker has died")))


async def _result(ref: Any) -> Any:
    return await ref


def _kill(link: _Link) -> None:
    """Also one that only seems to be dead, or its calls would be paid for twice."""
    import ray

    ray.kill(link.actor)

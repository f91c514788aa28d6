"""The engine in this process: an event loop is enough for thousands of slow calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from promptlathe.models import Model, connect
from promptlathe.records import Answer, Call, Failure
from promptlathe.runtime.lanes import Lanes


class LocalEngine:
    """An `Engine`; `keys` (by lane) spare the environment, for a worker on another machine."""

    def __init__(self, lanes: Lanes, *, keys: Mapping[str, SecretStr] | None = None) -> None:
        self._lanes, self._keys = lanes, keys or {}
        self._open: dict[str, tuple[Model, asyncio.Semaphore]] = {}
        self._tasks: set[asyncio.Task[Answer | Failure]] = set()

    async def start(self) -> None:
        """Open the models. Raises `InputError` for a missing key."""
        pools: dict[str, asyncio.Semaphore] = {}
        opened: dict[str, tuple[Model, asyncio.Semaphore]] = {}
        for name, lane in self._lanes.by_name.items():
            slots = pools.setdefault(lane.pool or name, asyncio.Semaphore(lane.slots))
            opened[name] = connect(lane.settings, key=self._keys.get(name)), slots
        self._open = opened

    async def send(self, call: Call) -> Answer | Failure:
        """One attempt, once a slot of the call's lane is free."""
        if not self._open:
            raise RuntimeError("the engine is not open")
        model, slots = self._open[self._lanes.name_of(call.role, call.step)]
        # A task of its own, so that `close` ends the call and not its caller.
        task = asyncio.create_task(_answer(model, slots, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await task
        except asyncio.CancelledError:
            if self._open or not task.cancelled() or _cancelled():
                raise
            raise RuntimeError("the engine was closed") from None

    async def close(self) -> None:
        """Close the models."""
        models, self._open = list(self._open.values()), {}
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for model, _ in models:
            await model.close()

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


async def _answer(model: Model, slots: asyncio.Semaphore, call: Call) -> Answer | Failure:
    async with slots:
        return await model.answer(call)


def _cancelled() -> bool:
    """The running task itself is cancelled, not only what it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

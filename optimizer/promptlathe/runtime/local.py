"""The engine in this process: an event loop is enough for thousands of slow calls."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from promptlathe.models import Model, connect
from promptlathe.records import Answer, Call, Failure
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.lanes import Lanes


class LocalEngine(Engine):
    """An `Engine`; `keys` (by lane) spare the environment, for a worker on another machine."""

    def __init__(self, lanes: Lanes, *, keys: Mapping[str, SecretStr] | None = None) -> None:
        self._lanes, self._keys = lanes, keys or {}
        self._open: dict[str, tuple[Model, asyncio.Semaphore]] = {}
        self._callers: set[asyncio.Task[Any]] = set()
        """Tasks that wait for an answer."""
        self._ended: set[asyncio.Task[Any]] = set()
        """Those whose wait `close` ends."""

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
        caller = asyncio.current_task()
        assert caller is not None, "an engine is used within a task"
        self._callers.add(caller)
        try:
            async with slots:
                return await model.answer(call)
        except asyncio.CancelledError:
            # As `asyncio.timeout` does it: a task for each call would cost a tenth of its time.
            if caller in self._ended and caller.uncancel() == 0:
                raise RuntimeError("the engine was closed") from None
            raise
        finally:
            self._callers.discard(caller)
            self._ended.discard(caller)

    async def close(self) -> None:
        """Close the models."""
        models, self._open = list(self._open.values()), {}
        self._ended |= self._callers
        for caller in self._ended:
            caller.cancel()
        while self._callers:
            await asyncio.sleep(0)
        for model, _ in models:
            await model.close()

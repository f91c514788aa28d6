"""The engine in this process: an event loop is enough for thousands of slow calls."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Self, cast

from pydantic import SecretStr

from promptlathe.models import Model, ModelSettings, connect
from promptlathe.records import Call
from promptlathe.runtime.engine import Reply
from promptlathe.runtime.inbox import Inbox


class LocalEngine:
    """Each slot is a task that takes calls off the queue until it is empty."""

    def __init__(
        self, settings: ModelSettings, concurrency: int, *, key: SecretStr | None = None
    ) -> None:
        self.concurrency = concurrency
        self._settings = settings
        self._key = key
        self._model: Model | None = None
        self._queue: deque[Call] = deque()
        self._slots: set[asyncio.Task[None]] = set()
        self._inbox: Inbox[Reply] = Inbox()

    async def start(self) -> None:
        """Open the model."""
        self._model = connect(self._settings, key=self._key)

    @property
    def outstanding(self) -> int:
        """Submitted calls that `next` has not returned yet."""
        return self._inbox.expected

    def submit(self, call: Call) -> None:
        """Queue the call, and open a slot for it if one is free."""
        if self._model is None:
            raise RuntimeError("the engine is not open")
        self._inbox.expected += 1
        self._queue.append(call)
        if len(self._slots) < self.concurrency:
            self._slots.add(asyncio.create_task(self._work(self._model)))

    async def next(self) -> list[Reply]:
        """All that has come, at least one; [] when no submitted call is left."""
        return await self._inbox.fetch()

    def take(self) -> list[Reply]:
        """All that has come by now, without waiting."""
        return self._inbox.take()

    async def close(self) -> None:
        """Cancel the slots, close the model."""
        model, self._model = self._model, None
        self._queue.clear()
        slots, self._slots = self._slots, set()
        for slot in slots:
            slot.cancel()
        await asyncio.gather(*slots, return_exceptions=True)
        self._inbox.clear()
        if model is not None:
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

    async def _work(self, model: Model) -> None:
        try:
            while self._queue:
                call = self._queue.popleft()
                self._inbox.put((call, await model.answer(call)))
        except Exception as error:  # noqa: BLE001 - a mistake of ours: the caller must see it
            self._inbox.fail(error)
        finally:
            # In the same step as the look at the empty queue (a done callback would come too
            # late): a call that is submitted next must find this slot free.
            self._slots.discard(cast(asyncio.Task[None], asyncio.current_task()))

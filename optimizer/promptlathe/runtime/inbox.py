"""What has arrived and not been fetched, and how many are still to come."""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Inbox(Generic[T]):
    """One reader waits, many tasks of the same event loop put. Nothing is lost or doubled."""

    def __init__(self) -> None:
        self.expected = 0
        """How many items are still to be fetched, arrived or not."""
        self._arrived: list[T] = []
        self._error: BaseException | None = None
        self._event = asyncio.Event()

    def put(self, item: T) -> None:
        """An expected item has come."""
        self._arrived.append(item)
        self._event.set()

    def fail(self, error: BaseException) -> None:
        """No more will come: the reader gets the error."""
        self._error = error
        self._event.set()

    def clear(self) -> None:
        """Forget everything; a waiting reader gets []."""
        self.expected = 0
        self._arrived = []
        self._event.set()

    def take(self) -> list[T]:
        """What has arrived by now, which may be nothing."""
        taken, self._arrived = self._arrived, []
        self.expected -= len(taken)
        self._event.clear()
        return taken

    async def fetch(self) -> list[T]:
        """What has arrived, waiting for the first; [] when nothing is expected.

        Raises what `fail` was given.
        """
        if self.expected and not self._arrived and self._error is None:
            self._event.clear()
            await self._event.wait()
        if self._error is not None:
            raise self._error
        return self.take()

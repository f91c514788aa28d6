"""The Ray engine's books: calls under way, and the workers that have them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from promptlathe.records import Answer, Call, Failure
from promptlathe.runtime.lanes import Lanes


@dataclass(eq=False)
class Item:
    """A call that somebody waits for."""

    number: int
    call: Call
    pool: str
    future: asyncio.Future[Answer | Failure]
    again: bool = False
    """A worker died while it had the call."""

    @property
    def wanted(self) -> bool:
        return not self.future.done()

    def end(self, reply: Answer | Failure) -> None:
        """Hand the reply over, unless nobody waits any more."""
        if self.wanted:
            self.future.set_result(reply)

    def fail(self, error: Exception) -> None:
        """A mistake of ours, or the engine's end."""
        if self.wanted:
            self.future.set_exception(error)


@dataclass(frozen=True)
class Place:
    """Where a worker runs."""

    host: str = "a node"
    """Its IP address, once it has started."""
    node: str = ""
    """Ray's name of the node."""
    process: int = 0
    """Its number there, which the names of its log files end with."""
    version: str = "unknown"
    """Of promptlathe there."""


@dataclass(eq=False)
class Link:
    """A worker as the driver sees it."""

    actor: Any
    lanes: Lanes
    """Its share."""
    slots: Mapping[str, int]
    """By pool."""
    spare: bool = True
    """It is replaced when it dies before it has answered anything: once, and no more."""
    place: Place = Place()
    sent: dict[int, Item] = field(default_factory=dict[int, Item])
    answered: bool = False
    forgotten: list[int] = field(default_factory=list[int])
    """Numbers of calls to be given up, not told to the worker yet."""
    _load: Counter[str] = field(default_factory=Counter[str])

    def room(self, pool: str) -> int:
        """Slots that are free."""
        return self.slots.get(pool, 0) - self._load[pool]

    def add(self, item: Item) -> None:
        self.sent[item.number] = item
        self._load[item.pool] += 1

    def remove(self, number: int) -> Item | None:
        """None: it was forgotten while its reply was on the way."""
        item = self.sent.pop(number, None)
        if item is not None:
            self._load[item.pool] -= 1
        return item

    def forget(self, number: int) -> bool:
        """Whether the worker had the call."""
        had = self.remove(number) is not None
        if had:
            self.forgotten.append(number)
        return had

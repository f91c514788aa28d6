"""Answers and events on their way to the disk, in a thread: an fsync never holds up the loop.

What comes while a write is under way goes into the next one. An event is handed on once it is
written, in the order in which it came.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from promptlathe.ledger import Ledger
from promptlathe.records import Answer, Call, Event, Key


@dataclass
class Writer:
    """Of one run; `run` None: answers only are written, for a replay has its events."""

    ledger: Ledger
    run: str | None
    unwritten: dict[str, Answer] = field(default_factory=dict[str, Answer])
    """Answers by key that the ledger does not hold yet."""
    written: deque[Event] = field(default_factory=deque[Event])
    """Events that may be handed on."""
    told: int = 0
    """Events handed on so far."""
    recorded: Collection[Key] = ()
    """Units of this stage whose events stand in the ledger already: the run is gone on with."""
    ended: bool = False
    """The end of this stage stands there too."""
    kept: Callable[[str], object] = lambda key: None
    """Told of the key of each answer that is written."""
    _answers: list[tuple[Call, Answer]] = field(default_factory=list[tuple[Call, Answer]])
    _events: list[tuple[Event, int]] = field(default_factory=list[tuple[Event, int]])
    _task: asyncio.Task[None] | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _error: BaseException | None = None
    _thread: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "promptlathe-ledger")
    )

    def answer(self, call: Call, answer: Answer) -> None:
        """A new answer."""
        self.unwritten[call.key] = answer
        self._answers.append((call, answer))
        self._wake()

    def event(self, event: Event, after: int) -> None:
        """What became of a unit that was begun after so many events."""
        self._events.append((event, after))
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Nothing will be handed on any more: whoever waits gets the error."""
        self._error = self._error or error
        self._news.set()

    async def wait(self) -> None:
        """Until an event may be handed on. Raises what `fail` was given."""
        while not self.written:
            if self._error is not None:
                raise self._error
            self._news.clear()
            await self._news.wait()
        if self._error is not None:
            raise self._error

    async def flush(self) -> None:
        """Until everything is written. Raises what `fail` was given."""
        while self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        if self._error is not None:
            raise self._error

    async def stop(self, limit: str, *, decision: bool) -> None:
        """A stage of the search, or of the decision, has ended after the events told so far."""
        if self.run is not None and not self.ended:
            await self._in_thread(
                lambda: self.ledger.stop(str(self.run), limit, told=self.told, decision=decision)
            )

    async def close(self) -> None:
        """Write what is left."""
        while self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._thread.shutdown()

    def _wake(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._answers or self._events:
                answers, self._answers = self._answers, []
                events, self._events = self._events, []
                new = [one for one in events if one[0].unit.key not in self.recorded]
                if answers or (new and self.run is not None):
                    await self._in_thread(self._batch(answers, new))
                for call, _ in answers:
                    self.unwritten.pop(call.key, None)
                    self.kept(call.key)
                self.written.extend(event for event, _ in events)
                self._news.set()
        except BaseException as error:  # noqa: BLE001 - the reader gets it
            if self.unwritten:
                error.add_note(
                    f"answers that had just come and could not be kept: {len(self.unwritten)}"
                )
            self.fail(error)
        finally:
            self._task = None

    def _batch(
        self, answers: Sequence[tuple[Call, Answer]], events: Sequence[tuple[Event, int]]
    ) -> Callable[[], None]:
        return lambda: self.ledger.record(answers, self.run, events)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, work)

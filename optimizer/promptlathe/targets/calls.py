"""The calls of one cell, for code that is not ours: a function of yours, or a framework's.

Such code may catch what ends its cell, go on after it, or ask from threads of its own. Here it is
held to the contract of a target: what a call raised ends the cell, whatever became of it; once the
cell has ended there are no further calls.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from promptlathe.data.values import plain
from promptlathe.records import Answer, Failure, Json, Request
from promptlathe.runtime.seam import CallFailed, Context, UnitEnded

MOST_THREADS = 4096
"""As many as cells may be under way."""


@dataclass(eq=False)
class Calls:
    """What one cell asks; made in the event loop."""

    ctx: Context
    ended: UnitEnded | None = None
    """What a call raised."""
    over: bool = False
    """The cell has ended: there are no further calls."""
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _loop_thread: int = field(default_factory=threading.get_ident)
    _asking: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])
    """Tasks that wait for an answer."""
    _waiting: set[Future[Answer]] = field(default_factory=set[Future[Answer]])
    """What threads wait for."""

    async def send(self, request: Request, step: str = "") -> Answer:
        """The answer. Raises what ends the cell."""
        if self.over:
            raise asyncio.CancelledError
        task = asyncio.current_task()
        assert task is not None, "calls are made within a task"
        self._asking.add(task)
        try:
            return await self.ctx.call(request, step=step)
        except UnitEnded as ended:
            self.ended = self.ended or ended
            raise
        finally:
            self._asking.discard(task)

    def wait(self, request: Request, step: str = "") -> Answer:
        """The same from another thread, which waits.

        Raises RuntimeError in the event loop's own thread, where nothing may wait.
        """
        if threading.get_ident() == self._loop_thread:
            raise RuntimeError(
                "a model was asked within async code without `await`: use its async method there"
            )
        future = asyncio.run_coroutine_threadsafe(self.send(request, step), self.loop)
        self._waiting.add(future)
        try:
            return future.result()
        except CancelledError:  # an `Exception`, which such code may catch
            raise asyncio.CancelledError from None
        finally:
            self._waiting.discard(future)

    async def output_of(self, work: Callable[[], Awaitable[Any]]) -> Json:
        """What the work gives, as JSON holds it. Raises what ended the cell, if anything did."""
        output: Any = None
        failed: BaseException | None = None
        try:
            output = await work()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told below
            failed = error
        finally:
            self.end()
        # The code may have swallowed what ends the cell.
        if self.ended is not None:
            raise self.ended from None
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise asyncio.CancelledError
        if failed is not None:
            said = f"{type(failed).__name__}: {failed}"
            raise CallFailed(Failure("target", said)) from failed
        return _plain(output)

    def end(self) -> None:
        """Nothing is asked any more, and what is under way is given up."""
        self.over = True
        for future in tuple(self._waiting):
            future.cancel()
        for task in self._asking - {asyncio.current_task()}:
            task.cancel()


class Threads:
    """A thread for each cell under way, made when it is needed."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returns; of a coroutine what that gives, in the event loop."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(MOST_THREADS, "promptlathe-target")
        loop = asyncio.get_running_loop()
        work = partial(copy_context().run, function, *arguments)
        given = await loop.run_in_executor(self._pool, work)
        return await given if inspect.isawaitable(given) else given


def _plain(output: Any) -> Json:
    """What such code gave, as JSON holds it: it is kept, and travels to other processes."""
    try:
        return plain(output)
    except TypeError as error:
        said = f"gave a {error}, which JSON cannot hold: return texts, numbers, lists or dicts"
        raise CallFailed(Failure("target", said)) from None

"""Asynchronous work from synchronous code, with or without a loop around it; Ctrl-C cancels it."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


def interruptible(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it in an event loop of its own, whether or not the caller has one (a notebook).

    Raises KeyboardInterrupt when it was interrupted and says no more of it.
    """
    try:
        return _in_loop(work)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def _in_loop(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_with_signals(work()))
    return _in_thread(work)


def _in_thread(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it in a thread; Ctrl-C, which only the main thread hears, cancels it there."""
    done: Future[T] = Future()
    cancels: list[Callable[[], object]] = []
    heard = threading.Event()

    async def cancellable() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work())
        cancels.append(lambda: loop.call_soon_threadsafe(task.cancel))
        if heard.is_set():  # before there was anything to cancel
            task.cancel()
        return await task

    def target() -> None:
        try:
            done.set_result(asyncio.run(cancellable()))
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            done.set_exception(error)

    def stop(*_: object) -> None:
        """Once: a second Ctrl-C would cut off the end of the record."""
        if not heard.is_set() and not done.done():
            heard.set()
            for cancel in cancels:
                cancel()

    threading.Thread(target=target, name="promptlathe").start()
    if threading.current_thread() is not threading.main_thread():
        return done.result()
    before = signal.signal(signal.SIGINT, stop)
    try:
        return done.result()
    finally:
        signal.signal(signal.SIGINT, before)


async def _with_signals(work: Coroutine[Any, Any, T]) -> T:
    """SIGINT and SIGTERM cancel the work, so that it can end its records honestly."""
    task = asyncio.ensure_future(work)
    with _signals(task):
        return await task


@contextmanager
def _signals(task: "asyncio.Future[Any]") -> "Generator[None]":
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}
    heard: list[bool] = []

    def stop() -> None:
        """Once: a second Ctrl-C would cut off the end of the record."""
        if not heard:
            heard.append(task.cancel())

    for kind in before:
        loop.add_signal_handler(kind, stop)
    try:
        yield
    finally:
        for kind, handler in before.items():
            loop.remove_signal_handler(kind)
            signal.signal(kind, handler)

"""The writer's process: `python -m promptlathe.track.writer [ARTIFACTS]`, the URI in STORE.

It reads requests from its standard input until that ends, and keeps a `Book`. MLflow costs
seconds of CPU to import and milliseconds for every write; in a process of its own it takes
none of that from the loop that makes the calls. When the other side is killed the input ends,
and an open run is closed as KILLED: no run is left half-made.
"""

import gc
import logging
import os
import pickle
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO, TextIO, cast

from promptlathe.errors import InputError
from promptlathe.track.backend import STORE
from promptlathe.track.book import Book

Command = tuple[str, tuple[Any, ...], bool]
"""Method of `Book`, its arguments, and whether an answer is waited for."""
CommandResult = tuple[bool, Any]
"""Whether it went well, and the result or the exception."""


def serve(book: Book, requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer until the input ends. Requests that came together are written together."""
    inbox: SimpleQueue[Command | None] = SimpleQueue()
    Thread(target=_read, args=(requests, inbox), daemon=True).start()
    usable = True
    while (request := inbox.get()) is not None:
        method, arguments, answered = request
        if not usable and not answered:
            continue
        try:
            reply: CommandResult = True, getattr(book, method)(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side waits for it
            reply = False, _portable(error, book.hide)
            usable = usable and method != "start"
            book.problem(f"MLflow: {method} failed: {error}")
        if answered:
            pickle.dump(reply, replies)
            replies.flush()
        if usable and inbox.empty():
            book.flush()
    book.abort("KILLED", "the optimizer ended unexpectedly")


def _read(requests: BinaryIO, inbox: "SimpleQueue[Command | None]") -> None:
    try:
        while True:
            inbox.put(pickle.load(requests))
    except (EOFError, OSError, pickle.UnpicklingError):
        inbox.put(None)


class _Hiding:
    """A stream to which no secret is written."""

    def __init__(self, stream: TextIO, hide: Callable[[str], str]) -> None:
        self._stream, self._hide = stream, hide

    def write(self, text: str) -> int:
        return self._stream.write(self._hide(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _portable(error: Exception, hide: Callable[[str], str]) -> Exception:
    """An exception that the other side can read; it has not imported MLflow."""
    if isinstance(error, InputError):
        return error
    logging.getLogger(__name__).exception("request failed")
    return RuntimeError(hide(f"{type(error).__name__}: {error}"))


def main() -> None:
    """Serve standard input and output; whatever is printed goes to standard error."""
    # MLflow makes a million objects that stay: looking through them again and again would take
    # a sixth of this process's time.
    gc.set_threshold(20_000, 20, 20)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    book = Book(os.environ.pop(STORE), *sys.argv[1:])
    sys.stderr = cast(TextIO, _Hiding(sys.stderr, book.hide))
    serve(book, sys.stdin.buffer, replies)
    logging.shutdown()
    os._exit(0)  # everything is committed: taking MLflow down in order costs a second


if __name__ == "__main__":
    main()

"""`kill` and Ctrl-C are one thing to us: an end in order."""

import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def sigterm_as_interrupt() -> Generator[None]:
    """Within it, `kill` ends us as Ctrl-C does: by KeyboardInterrupt."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread: signals are not ours
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

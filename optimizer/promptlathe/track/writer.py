"""The writer's process: `python -m promptlathe.track.writer STATE [SPOOL]`.

It sends what earlier runs of the workspace left, then the run's own spool as it grows. MLflow costs
seconds of CPU to import and milliseconds for every write; in a process of its own it takes none of
that from the loop that makes the calls, and a store that hangs holds up nobody else.

    standard input    a line for each question; its end is the end of the run's process
    standard output   news, pickled

When the input ends before the run has said how it ended, that process was killed: the writer notes
it, has ENDING seconds to tell the store, and is gone. Whatever is left stands in the spool.
"""

import gc
import logging
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TextIO, cast

from promptlathe.documents import HIDDEN, hiding, secrets_of, shown_url
from promptlathe.errors import InputError
from promptlathe.track.backend import STORE, Away, Backend, said
from promptlathe.track.records import Begun, Concluded, Started, Stopped
from promptlathe.track.sender import KILLED, send, send_leftovers
from promptlathe.track.spool import ENDS, Spooled

News = tuple[
    Literal[
        "working",
        "alive",
        "away",
        "started",
        "refused",
        "champion",
        "sent",
        "said",
        "concluded",
        "left",
    ],
    Any,
]
"""What it is about, and what there is to say."""
NICE = 5
"""Of the import of MLflow, which takes a core for seconds while calls are under way; with more, a
machine with other work on it would leave it too little."""
ENDING = 3.0
"""Seconds that are left when the run's process is gone."""
LOOK = 0.05
"""Seconds between two looks at a spool that grows."""
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds between attempts at a store that is away."""


class Writer:
    """Sends one workspace's records, and answers questions about the champion meanwhile.

    news: told to the run's process. hidden: told of each store whose secrets must not be printed.
    given: the whole URI of a store that spools name without its password.
    """

    def __init__(
        self,
        state: Path,
        spool: Path | None,
        news: Callable[[News], object],
        hidden: Callable[[str], object],
        given: str = "",
    ) -> None:
        self._state, self._news, self._hidden, self._given = state, news, hidden, given
        self._own = Spooled(spool) if spool else None
        self._stores: dict[str, Backend] = {}
        self._opening = threading.Lock()
        self._imported = threading.Event()
        """In one thread: parts of MLflow crash when two import them."""
        self.orphaned = threading.Event()
        """Nobody is there any more to tell records, or to hear news."""

    def run(self) -> None:
        """All there is to send; until the run has ended, when it is one's own."""
        _patiently(lambda: import_module("mlflow.tracking"))
        self._imported.set()
        self._alive()
        if self._own is None:
            self._leftovers()
            return
        with self._own.lock.acquire(timeout=10):
            _patiently(self._open_own)
            self._leftovers()
            try:
                send(
                    self._own,
                    self._store,
                    more=self._more,
                    tell=self._tell,
                    pause=self._pause,
                    alive=self._alive,
                )
            except InputError as error:
                self._news(("refused", error))

    def answer(self) -> None:
        """Who the champion is now, as soon as the store says it."""
        from promptlathe.track.registry import champion

        self._imported.wait()
        begun = self._begun()
        for attempt in range(1000):
            try:
                store = self._store(begun.uri, begun.artifacts)
                store.check()
                self._news(("champion", champion(store, begun.about.registered)))
                return
            except InputError as error:
                self._news(("refused", error))
                return
            except Exception as error:  # noqa: BLE001 - a server may answer with anything
                self._news(("away", said(self._given or begun.uri, error)))
                time.sleep(PAUSES[min(attempt, 2)])

    def _begun(self) -> Begun:
        assert self._own is not None
        (first, *_) = Spooled(self._own.path).read()
        assert isinstance(first.content, Begun)
        return first.content

    def _open_own(self) -> None:
        """Waits for the store."""
        begun, attempts = self._begun(), 0
        while True:
            try:
                self._store(begun.uri, begun.artifacts)
                return
            except InputError:
                return  # told when the first record is sent
            except Away as error:
                attempts += 1
                self._pause(attempts, error)

    def _store(self, uri: str, artifacts: str | None) -> Backend:
        with self._opening:
            if uri not in self._stores:
                whole = self._given if shown_url(self._given) == uri else uri
                if HIDDEN in whole:
                    raise Away(uri, "its password is not kept: set MLFLOW_TRACKING_URI to it all")
                self._hidden(whole)
                self._stores[uri] = Backend(
                    whole, artifacts, working=lambda: self._news(("working", None))
                )
                self._alive()
            return self._stores[uri]

    def _leftovers(self) -> None:
        send_leftovers(
            self._state,
            self._store,
            own=self._own,
            say=lambda line: self._news(("said", line)),
            left=lambda line: self._news(("left", line)),
            store=self._begun().uri if self._own else None,
            alive=self._alive,
        )

    def _more(self) -> bool:
        """Wait a moment for the next record. When nobody is there to tell it, that is the end."""
        assert self._own is not None
        if self.orphaned.wait(LOOK):
            records = Spooled(self._own.path).read()
            if not isinstance(records[-1].content, ENDS):
                self._own.append(Stopped("KILLED", KILLED))
        return True

    def _tell(self, news: Started | Concluded | int) -> None:
        match news:
            case Started():
                self._news(("started", news))
            case Concluded():
                self._news(("concluded", news))
            case _:
                self._news(("sent", news))

    def _alive(self) -> None:
        self._news(("alive", None))

    def _pause(self, attempts: int, error: Away) -> None:
        self._news(("away", error.said))
        time.sleep(PAUSES[min(attempts, len(PAUSES)) - 1])


def _patiently(work: Callable[[], object]) -> None:
    """In a thread that gives way to the calls, where threads have a niceness of their own."""
    failed: list[BaseException] = []

    def do() -> None:
        try:
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failed.append(error)

    thread = threading.Thread(target=do)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


class _Hiding:
    """A stream to which no secret of a store is written."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._secrets = stream, set[str]()
        self._hide = hiding()

    def learn(self, uri: str) -> None:
        """The secrets of one more store."""
        self._secrets |= set(secrets_of(uri))
        self._hide = hiding(*self._secrets)

    def write(self, text: str) -> int:
        return self._stream.write(self._hide(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _listen(writer: Writer) -> None:
    """Questions, until the input ends: then the process does, too."""
    for line in sys.stdin.buffer:
        if line == b"champion\n":
            threading.Thread(target=writer.answer, daemon=True).start()
    writer.orphaned.set()
    time.sleep(ENDING)
    os._exit(0)


def main() -> None:
    """Serve standard input and output; whatever is printed goes to standard error."""
    # If it is there, MLflow asks it what a call might have cost: that takes seconds to import, and
    # sends a request to GitHub. MLflow's own list serves as well.
    sys.modules["litellm"] = cast(ModuleType, None)
    # MLflow makes a million objects that stay: looking through them again and again would take
    # a sixth of this process's time.
    gc.set_threshold(20_000, 20, 20)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    lock = threading.Lock()

    def news(one: News) -> None:
        with lock:
            try:
                pickle.dump(one, out)
                out.flush()
            except OSError:  # nobody hears it
                pass

    state, *spool = map(Path, sys.argv[1:])
    printed = _Hiding(sys.stderr)
    sys.stderr = cast(TextIO, printed)
    writer = Writer(
        state, spool[0] if spool else None, news, printed.learn, os.environ.pop(STORE, "")
    )
    threading.Thread(target=_listen, args=[writer], daemon=True).start()
    news(("working", None))
    writer.run()
    logging.shutdown()
    out.flush()
    os._exit(0)  # everything is committed: taking MLflow down in order costs a second


if __name__ == "__main__":
    main()

"""One worker process for what may block or never end; see `worker_main` for its side.

What takes too long costs its own output: the process is ended, another is started, and what had
been sent behind it is sent again. Outputs are sent ahead, so that the process need not wait.
"""

from __future__ import annotations

import asyncio
import json
import pickle
import queue
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from promptlathe.records import Example, Score, Trace
from promptlathe.scoring.scorer import Unscored

AHEAD = 32 * 1024
"""Bytes that are sent before they are wanted: less than what a pipe holds, so that sending never
waits for a process that hangs."""
STARTING = 120.0
"""Seconds for a process to start, and for a scorer to load what it imports."""
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from promptlathe.scoring.worker_main import main; main()"
)

ENDED = "the run ended before it was scored"


class NotThere(Exception):
    """The worker process cannot load a scorer."""


@dataclass(frozen=True)
class Blueprint:
    """A scorer as it travels."""

    scorer: bytes
    """Pickled."""
    labels: Mapping[str, Sequence[str]]
    folder: Path


@dataclass
class _Task:
    number: int
    """Of the scorer."""
    order: bytes
    seconds: float
    future: Future[Score] = field(default_factory=Future[Score])


class Worker:
    """Started when it is first needed; ends with `close`, or when nobody holds it."""

    def __init__(self, blueprints: Mapping[int, Blueprint]) -> None:
        self._blueprints = blueprints
        self._line: _Line | None = None

    async def score(self, number: int, seconds: float, example: Example, trace: Trace) -> Score:
        """By the scorer of that number. Raises `Unscored`, and `NotThere` for one that does not
        load in another process."""
        order = pickle.dumps(("score", number, seconds, example, trace))
        if self._line is None:
            self._line = _Line(self._blueprints)
            weakref.finalize(self, self._line.close)
        task = _Task(number, order, seconds)
        self._line.tasks.put(task)
        return await asyncio.wrap_future(task.future)

    def close(self) -> None:
        """End the process; what is under way has no score. Another use starts it again."""
        if self._line is not None:
            self._line.close()
            self._line = None


class _Line:
    """The thread that feeds the process."""

    def __init__(self, blueprints: Mapping[int, Blueprint]) -> None:
        self._blueprints = blueprints
        self.tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._waiting: deque[_Task] = deque()
        """Taken, not sent."""
        self._sent: deque[_Task] = deque()
        self._process: _Process | None = None
        self._open = True
        threading.Thread(target=self._work, name="scorers", daemon=True).start()

    def close(self) -> None:
        """End the process, whatever it does."""
        self._open = False
        self.tasks.put(None)
        if process := self._process:
            process.kill()

    def _work(self) -> None:
        while self._open:
            self._take()
            self._send()
            if self._sent:
                self._receive()
        if self._process:
            self._process.end()
        with suppress(queue.Empty):
            while True:
                task = self.tasks.get_nowait()
                self._waiting.extend([task] if task else [])
        for task in (*self._sent, *self._waiting):
            _fail(task, Unscored(ENDED))

    def _take(self) -> None:
        idle = not self._sent and not self._waiting
        with suppress(queue.Empty):
            while self._open:
                task = self.tasks.get(block=idle)
                idle = False
                if task is not None and not task.future.cancelled():
                    self._waiting.append(task)

    def _send(self) -> None:
        """As many as may be sent ahead."""
        while self._open and self._waiting:
            task = self._waiting[0]
            ahead = sum(len(one.order) for one in self._sent) + len(task.order)
            known = self._process is not None and task.number in self._process.known
            if self._sent and (ahead > AHEAD or not known):
                return
            self._waiting.popleft()
            if not known:
                try:
                    if self._process is None:
                        self._process = _Process()
                        if not self._open:  # `close` did not see it
                            self._process.kill()
                        self._process.answer(STARTING)
                    self._process.make(task.number, self._blueprints[task.number])
                except NotThere as error:
                    _fail(task, error)
                    continue
                except (TimeoutError, EOFError, OSError) as error:
                    self._drop()
                    why = NotThere(f"the worker process does not start: {error}")
                    _fail(task, why if self._open else Unscored(ENDED))
                    continue
            assert self._process is not None
            if not self._sent:
                self._began = monotonic()
            self._sent.append(task)
            self._process.send(task.order)

    def _receive(self) -> None:
        """The next answer, or the end of what takes too long."""
        assert self._process is not None
        task = self._sent[0]
        try:
            kind, said = self._process.answer(self._began + task.seconds - monotonic())
        except (TimeoutError, EOFError) as error:
            self._sent.popleft()
            late = isinstance(error, TimeoutError)
            ended = self._drop()
            why = f"took longer than {task.seconds:g} s" if late else f"ended its process: {ended}"
            _fail(task, Unscored(why))
            self._waiting.extendleft(reversed(self._sent))
            self._sent.clear()
            return
        self._sent.popleft()
        self._began = monotonic()
        if kind == "ok":
            with suppress(asyncio.InvalidStateError, Exception):  # nobody waits any more
                task.future.set_result(said)
        else:
            _fail(task, Unscored(said))

    def _drop(self) -> str:
        process, self._process = self._process, None
        return f"exit code {process.end()}" if process else "it is not there"


class _Process:
    """The process, its pipes, and the thread that reads one of them. Its first answer says that it
    has started."""

    def __init__(self) -> None:
        self.known: set[int] = set()
        """Numbers of the scorers that it has."""
        self._broken: dict[int, str] = {}
        self._answers: queue.SimpleQueue[tuple[str, Any] | None] = queue.SimpleQueue()
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _BOOT, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the run, which then ends this
        )
        threading.Thread(target=self._read, name="scores", daemon=True).start()

    def make(self, number: int, plan: Blueprint) -> None:
        """Have a scorer made. Raises `NotThere` when it does not load there."""
        if number not in self._broken:
            self.send(pickle.dumps(("make", number, plan.scorer, plan.labels, str(plan.folder))))
            kind, said = self.answer(STARTING)
            if kind == "ok":
                self.known.add(number)
                return
            self._broken[number] = said
        raise NotThere(self._broken[number])

    def send(self, order: bytes) -> None:
        assert self._popen.stdin is not None
        with suppress(OSError):  # it ended: the next answer says so
            self._popen.stdin.write(order)
            self._popen.stdin.flush()

    def answer(self, seconds: float) -> tuple[str, Any]:
        """The next. Raises TimeoutError, and EOFError when the process ended."""
        try:
            found = self._answers.get(timeout=max(seconds, 0))
        except queue.Empty:
            raise TimeoutError(f"nothing in {seconds:g} s") from None
        if found is None:
            raise EOFError("it ended")
        return found

    def kill(self) -> None:
        self._popen.kill()

    def end(self) -> int:
        """Its exit code; it is ended, unless it did so itself."""
        assert self._popen.stdin is not None
        with suppress(OSError):
            self._popen.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            return self._popen.wait(0.1)
        self._popen.kill()
        return self._popen.wait()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as pipe, suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                self._answers.put(pickle.load(pipe))
        self._answers.put(None)


def _fail(task: _Task, error: Exception) -> None:
    with suppress(Exception):  # nobody waits any more
        task.future.set_exception(error)

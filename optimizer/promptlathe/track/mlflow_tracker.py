"""The tracker that writes to MLflow, through a process of its own."""

import contextlib
import pickle
import subprocess
import sys
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import IO, Any, Literal, Self

from promptlathe.errors import InputError
from promptlathe.records import FinalistName, Outcome, Standing
from promptlathe.track.backend import STORE, environment
from promptlathe.track.records import About, Concluded, Conclusion, Started

CLOSE_SECONDS = 60.0
"""A slow server may need this long for what is still to be written."""
_LAST_LINES = 2000


class MlflowTracker:
    """A `Tracker` that writes to the store at `uri`.

    uri: anything MLflow takes as a tracking URI. artifacts: folder or URI for the artifacts of
    new experiments; None leaves it to the server. log: file for what MLflow prints.

    `start` costs a process start (milliseconds); everything else here only puts a record into
    a queue. Usable once.
    """

    def __init__(self, uri: str, artifacts: str | None = None, *, log: Path | None = None) -> None:
        self._uri, self._artifacts, self._log = uri, artifacts, log
        self._requests: SimpleQueue[tuple[str, tuple[Any, ...], Future[Any] | None] | None]
        self._requests = SimpleQueue()
        self._waiting: deque[Future[Any]] = deque()
        self._ready: Future[Started | None] = Future()
        self._process: subprocess.Popen[bytes] | None = None
        self._threads: list[Thread] = []

    def start(self, about: About) -> None:
        """Start the writer's process, which imports MLflow and begins the run."""
        arguments = [self._artifacts] if self._artifacts else []
        with contextlib.ExitStack() as stack:
            errors: Any = subprocess.DEVNULL
            if self._log:
                self._log.parent.mkdir(parents=True, exist_ok=True)
                errors = stack.enter_context(self._log.open("ab"))
            self._process = subprocess.Popen(
                [sys.executable, "-m", "promptlathe.track.writer", *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(self._artifacts) | {STORE: self._uri},
                # Ctrl-C in the terminal is for us: the writer still has to write the end.
                start_new_session=True,
            )
        self._threads = [
            Thread(target=self._send, args=[self._process.stdin], daemon=True),
            Thread(target=self._receive, args=[self._process.stdout], daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._ask("start", about, future=self._ready)

    @property
    def ready(self) -> Future[Started | None]:
        """Done when MLflow has the run. Fails with InputError when it cannot."""
        return self._ready

    def candidate(self, standing: Standing) -> None:
        """Queue a nested run."""
        self._tell("candidate", standing)

    def progress(self, calls: int, best: float | None, seed: float | None) -> None:
        """Queue a point of the parent's curves; most are thinned out."""
        self._tell("progress", calls, best, seed)

    def test_outcome(self, side: FinalistName, outcome: Outcome) -> None:
        """Queue a row of the final comparison."""
        self._tell("test_outcome", side, outcome)

    def conclude(self, conclusion: Conclusion) -> Concluded:
        """Write the result and end the run. Waits; raises InputError as `ready` does."""
        started = self._ready.result()
        try:
            return self._ask("conclude", conclusion).result()
        except InputError:
            raise
        except RuntimeError as error:  # the writer died: the result is still worth telling
            run_id = started.run_id if started else None
            return Concluded(run_id, problems=(f"MLflow's writer failed: {error}",))

    def abort(self, status: Literal["FAILED", "KILLED"], reason: str) -> None:
        """End the run without a result. Waits; a run that never began needs no end."""
        with contextlib.suppress(Exception):
            self._ready.result()
            self._ask("abort", status, reason).result()

    def close(self) -> None:
        """End the writer's process, and with it a run that is still open."""
        process, self._process = self._process, None
        if process is None:
            return
        self._requests.put(None)
        try:
            process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _tell(self, method: str, *arguments: Any) -> None:
        self._requests.put((method, arguments, None))

    def _ask(self, method: str, *arguments: Any, future: Future[Any] | None = None) -> Future[Any]:
        future = future or Future()
        future.set_running_or_notify_cancel()  # an impatient waiter must not cancel the answer
        self._requests.put((method, arguments, future))
        return future

    def _send(self, pipe: IO[bytes]) -> None:
        alive = True
        while (request := self._requests.get()) is not None:
            method, arguments, future = request
            if future:
                self._waiting.append(future)
            try:
                if alive:
                    pickle.dump((method, arguments, future is not None), pipe)
                    pipe.flush()
            except OSError:  # the process is gone
                alive = False
            if not alive:
                self._give_up()
        with contextlib.suppress(OSError):
            pipe.close()

    def _receive(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                good, value = pickle.load(pipe)
                future = self._waiting.popleft()
                if good:
                    future.set_result(value)
                else:
                    future.set_exception(value)
        self._give_up()

    def _give_up(self) -> None:
        """The writer is gone: nobody shall wait for it."""
        error = RuntimeError("its process ended" + self._last_words())
        while self._waiting:
            with contextlib.suppress(IndexError):
                self._waiting.popleft().set_exception(error)

    def _last_words(self) -> str:
        if self._log is None or not self._log.exists():
            return ""
        lines = self._log.read_text("utf-8", "replace")[-_LAST_LINES:].strip().splitlines()
        return f": {lines[-1]}" if lines else ""

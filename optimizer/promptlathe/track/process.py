"""The writer's process, seen from the run's: started, heard, and never waited for without end."""

import contextlib
import pickle
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, Any

from promptlathe.track.backend import STORE, environment

if TYPE_CHECKING:
    from promptlathe.track.writer import News

PATIENCE = 15.0
"""Seconds without a sign of life after which a store counts as away."""
KNOWN = 1.0
"""The same when it was known for PATIENCE seconds already that it is."""
LONG = 60.0
"""The same while MLflow is imported, or a SQLite store opened: that is work of this machine."""
_LAST_LINES = 2000


class WriterProcess:
    """Runs until `close`. `hear` is called in a thread, with each piece of news; store: the whole
    URI of one that spools name without its password; patience: seconds without a sign of life
    after which a store that has said nothing of itself counts as away.
    """

    def __init__(
        self,
        state: Path,
        spool: Path | None,
        hear: Callable[["News"], object],
        *,
        store: str | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._log, self._hear = state / "mlflow.log", hear
        self._patience = patience
        self._busy, self._last = True, time.monotonic()
        self._away = 0.0
        """Since when."""
        self.said = ""
        """Why the store takes nothing, as long as that is so."""
        with self._log.open("ab") as errors:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "promptlathe.track.writer"),
                    *map(str, (state, spool) if spool else (state,)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment() | ({STORE: store} if store else {}),
                # Ctrl-C in the terminal is for us: the writer still has to write the end. Not a
                # session of its own: Linux shares the cores among sessions, whatever the niceness.
                process_group=0,
            )
        self._thread = Thread(target=self._listen, args=[self._process.stdout], daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        """It has nothing more to do, and all its news was heard."""
        return not self._thread.is_alive()

    def ask(self) -> None:
        """Who the champion is: the answer is news."""
        pipe = self._process.stdin
        assert pipe is not None
        with contextlib.suppress(OSError):  # it is gone: no news comes
            pipe.write(b"champion\n")
            pipe.flush()

    def lost_patience(self, since: float) -> bool:
        """Whether nothing was heard of the store for too long, or ever will be."""
        now = time.monotonic()
        if self._busy:
            most = LONG
        elif self.said:
            most = KNOWN if now - self._away >= PATIENCE else PATIENCE
        else:
            most = self._patience
        lost = self.ended or now - max(self._last, since) > most
        if lost and not self.said:
            self.said, self._away = "it does not answer", now - PATIENCE
        return lost

    def close(self) -> None:
        """End it at once; what it has not sent is in the spool."""
        if not self.ended:
            self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def _listen(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                news: News = pickle.load(pipe)
                self._note(*news)
                self._hear(news)
        self.said = self.said or self._last_words()

    def _note(self, about: str, value: Any) -> None:
        if about == "away":
            self._away = self._away if self.said else time.monotonic()
            self.said, self._busy = value, False
            return
        if about == "working" and self.said:
            return  # it is tried again, which is no sign of life yet
        self.said, self._busy = "", about == "working"
        self._last = time.monotonic()

    def _last_words(self) -> str:
        lines: list[str] = []
        with contextlib.suppress(OSError):
            lines = self._log.read_text("utf-8", "replace")[-_LAST_LINES:].strip().splitlines()
        return f"its writer ended: {lines[-1]}" if lines else "its writer ended"

"""The tracker that writes to MLflow: into a spool, which a process of its own sends.

start         the spool is made, and the writer started (milliseconds)
progress …    a line more in the spool now and then (microseconds)
champion      asked in the store; at most PATIENCE seconds without a sign of life
candidate …   a line each, at the end
conclude      the last line: from here on nothing of the run can be lost
settle        waits for the store, as long as it takes records; at most FINISH seconds
"""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

from promptlathe.documents import shown_url
from promptlathe.errors import InputError
from promptlathe.records import FinalistName, Outcome
from promptlathe.track.records import (
    About,
    Begun,
    Candidacy,
    Champion,
    Concluded,
    Conclusion,
    Curve,
    Started,
    Stopped,
    TestRow,
)
from promptlathe.track.spool import Content, Spool, waiting
from promptlathe.track.store import sqlite_file
from promptlathe.track.tracker import NOTHING, Points

if TYPE_CHECKING:
    from promptlathe.track.process import WriterProcess
    from promptlathe.track.writer import News

FINISH = 120.0
"""Seconds that a slow store may take for what is left at the end."""
NEAR_PATIENCE = 30.0
"""Seconds without a sign of life after which a SQLite store counts as away: its records are work
of this machine, which may be busy."""
HURRY = 3.0
"""The same when the user has interrupted the run, or its disk is full."""
LOOK = 0.05


class MlflowTracker:
    """A `Tracker` of one run that writes to the store at `uri`. Usable once.

    state: the workspace's state folder. run: the ledger's name of the run. uri: anything MLflow
    takes as a tracking URI. artifacts: folder or URI for the artifacts of new experiments; None
    leaves it to the server.
    """

    def __init__(self, state: Path, run: str, uri: str, artifacts: str | None = None) -> None:
        self._state, self._run, self._uri, self._artifacts = state, run, uri, artifacts
        self._spool: Spool | None = None
        self._process: WriterProcess | None = None
        self._started: Future[Started | None] = Future()
        self._ended: Future[Concluded] = Future()
        self._champion: Future[Champion] | None = None
        """The answer to the last question."""
        self._lines: list[str] = []
        """What became of earlier runs' records."""
        self._broken = ""

    def start(self, about: About) -> None:
        """Begin the spool, and start the writer's process, which imports MLflow."""
        from promptlathe.track.process import PATIENCE, WriterProcess

        try:
            self._spool = Spool(self._state / "spool", self._run)
            self._append(Begun(shown_url(self._uri), self._artifacts, about))
            self._process = WriterProcess(
                self._state,
                self._spool.path,
                self._hear,
                store=self._uri,
                patience=NEAR_PATIENCE if sqlite_file(self._uri) else PATIENCE,
            )
        except OSError as error:
            self._fail(error)

    @property
    def started(self) -> Future[Started | None]:
        """Done when MLflow has the run. Fails with InputError when it refuses it."""
        return self._started

    async def champion(self) -> Champion | None:
        """Who it is now; None when the store does not say it within PATIENCE seconds.

        Raises InputError when the store cannot be used.
        """
        from promptlathe.track.process import LONG

        if self._refusal:
            raise self._refusal
        if self._process is None:
            return None
        if self._champion is None or self._champion.done():
            self._champion = Future()
            self._process.ask()
        champion = self._champion
        return champion.result() if await self._comes(champion, LONG) else None

    @property
    def away(self) -> str:
        """Why the store takes nothing now, in its words."""
        if self._refusal:
            return self._refusal.what
        return self._broken or (self._process.said if self._process else "")

    @property
    def _refusal(self) -> InputError | None:
        """Why the run cannot be in this store."""
        error = self._started.exception() if self._started.done() else None
        return error if isinstance(error, InputError) else None

    @property
    def writer(self) -> int | None:
        """The process that sends, as long as there is one."""
        return self._process.pid if self._process else None

    def candidate(self, candidacy: Candidacy) -> None:
        """Where it stands, on its side's run or on a nested one."""
        self._append(candidacy)

    def progress(self, points: Points) -> None:
        """Points of the parent's curves."""
        flat = ((name, calls, value) for calls, named in points for name, value in named.items())
        self._append(Curve(points[-1][0], tuple(flat)))

    def test_outcome(self, side: FinalistName, outcome: Outcome) -> None:
        """A row of the final comparison."""
        self._append(TestRow(side, outcome))

    def conclude(self, conclusion: Conclusion) -> None:
        """How the run ended."""
        self._append(conclusion)

    async def settle(self) -> Concluded:
        """What MLflow holds now. Does not raise: when it is cancelled, it waits no longer."""
        try:
            await self._comes(self._ended, FINISH)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        return self._settled()

    async def abort(
        self,
        status: Literal["FAILED", "KILLED"],
        reason: str,
        tables: Mapping[str, str] = NOTHING,
        *,
        hurry: bool = False,
    ) -> Concluded:
        """End the run without a result; one that MLflow refused leaves nothing."""
        self._append(Stopped(status, reason, tables))
        await self._comes(self._ended, HURRY if hurry else FINISH)
        if self._refusal and self._spool:
            self._spool.remove()
            return Concluded(None)
        return self._settled()

    def close(self) -> None:
        """End the writer's process. A run that is still open is closed by a later start."""
        if self._process:
            self._process.close()
            self._process = None
        if self._spool:
            self._spool.close()
            self._spool = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, content: Content) -> None:
        if self._spool is None or self._broken:
            return
        try:
            self._spool.append(content)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._broken = f"{self._state / 'spool'}: {error.strerror}"

    def _settled(self) -> Concluded:
        started = None if self._refusal or not self._started.done() else self._started.result()
        ended = self._ended.result() if self._ended.done() else None
        problems = [*(started.problems if started else ()), *self._lines]
        if self._broken:
            problems.append(f"MLflow has a part of this run's record only: {self._broken}")
        if ended:
            problems += ended.problems
        left = waiting(self._state, self._run)
        if own := left.pop(self._run, 0):
            why = self.away or "it has not taken all in time"
            problems.append(f"{_wait(own)} ({why}): promptlathe sync")
        if others := left.total():
            problems.append(f"{_wait(others)} (of earlier runs): promptlathe sync")
        run = ended.run_id if ended else started and started.run_id
        if ended is None:
            return Concluded(run, problems=tuple(problems))
        return Concluded(run, ended.registered, ended.alias, tuple(problems))

    async def _comes(self, future: "Future[Any]", most: float) -> bool:
        """Whether it is done while the store shows signs of life, within `most` seconds."""
        since = time.monotonic()
        while not future.done():
            process = self._process
            late = time.monotonic() - since > most
            if process is None or late or process.lost_patience(since):
                return False
            await asyncio.sleep(LOOK)
        return True

    def _hear(self, news: "News") -> None:
        about, value = news
        match about:
            case "started":
                self._started.set_result(value)
            case "refused":
                for future in (self._started, self._champion):
                    if future and not future.done():
                        future.set_exception(value)
            case "champion" if self._champion and not self._champion.done():
                self._champion.set_result(value)
            case "concluded":
                self._ended.set_result(value)
            case "said":
                self._lines.append(value)
            case _:
                pass


def _wait(records: int) -> str:
    return f"{records} record{'s wait' if records > 1 else ' waits'} for MLflow"

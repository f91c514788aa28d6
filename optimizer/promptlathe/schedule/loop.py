"""The scheduler: waits for the next time, starts its job, keeps what became of it.

a time passed while no scheduler ran     the job is started at once, once
a time passes while the job still runs   it is left out, and told
a job was cut off                        it is begun again, as the same run
the clock was put back                   nothing is run twice
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from promptlathe import clock
from promptlathe.errors import Busy, InputError
from promptlathe.job.stores import make_state, writable
from promptlathe.schedule.entries import Entry, entries_in, stamps
from promptlathe.schedule.kept import Kept, born, keep, kept_of
from promptlathe.schedule.starting import Ended, left_result, start_job
from promptlathe.schedule.wording import ended_line, overlaps, shown

LOOK = 20.0
"""Seconds at most between two looks at the clock, which somebody may set, and at the run files."""
BACK = timedelta(days=1)
"""Of a time that was dealt with further in the future, nothing is believed: the clock was wrong."""
GREETED = 20
"""Jobs whose next times are told at the start."""

Start = Callable[[Entry, Callable[[int], object]], Awaitable[Ended]]
Say = Callable[[str], object]


class Scheduler:
    """Starts the jobs of run files at their times until it is cancelled.

    paths: run files, and folders of them. at_once: jobs that run side by side at most; of one
    prompt it is one. say: told in lines what is done. start, sleep: for tests.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        workspace: Path | None = None,
        at_once: int = 1,
        say: Say,
        start: Start = start_job,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._paths, self._workspace, self._say = paths, workspace, say
        self._start, self._sleep = start, sleep
        self._slots = asyncio.Semaphore(at_once)
        self._prompts: dict[tuple[Path, str], asyncio.Lock] = {}
        self._jobs: dict[str, asyncio.Task[None]] = {}
        self._kept: dict[str, Kept] = {}
        self._times: dict[str, datetime] = {}
        """The next time by entry, as long as nothing changes it."""
        self._stamps = stamps(paths)
        self._entries = entries_in(paths, workspace)

    @property
    def entries(self) -> Sequence[Entry]:
        """What it serves now."""
        return self._entries

    async def serve(self) -> None:
        """Until it is cancelled: jobs that run are interrupted then, and gone on with by the next.

        Raises Busy when another scheduler serves one of the workspaces.
        """
        with alone(self._entries):
            try:
                self._greet()
                while True:
                    now = clock.now()
                    for entry in self._entries:
                        if entry.key not in self._jobs and self._due(entry, now):
                            task = asyncio.create_task(self._carry_out(entry))
                            self._jobs[entry.key] = task
                    await self._sleep(self._pause(clock.now()))
                    self._read_again()
            finally:
                for task in self._jobs.values():
                    task.cancel()
                await asyncio.gather(*self._jobs.values(), return_exceptions=True)

    def _greet(self) -> None:
        now, many = clock.now(), len(self._entries)
        self._say(f"serving {many} job{'s' * (many != 1)}; Ctrl-C ends it")
        for line in overlaps(self._entries, now):
            self._say(f"note: {line}")
        for entry in self._entries:
            self._meet(entry, now)
        soonest = sorted(self._entries, key=self._next)
        for entry in soonest[:GREETED]:
            self._say(f"{entry.name}: next {shown(self._next(entry))}")
        if many > GREETED:
            self._say(f"and {many - GREETED} more, later")

    def _meet(self, entry: Entry, now: datetime) -> None:
        kept = kept_of(entry)
        if kept is not None and kept.settled > now + BACK:
            self._say(
                f"note: {entry.name}: its last time is kept as {shown(kept.settled)}, which is to "
                "come: the clock was wrong then, or is now; it goes on from now"
            )
            kept = None
        if kept is None:
            self._keep(entry, Kept(now))
        else:
            self._kept[entry.key] = kept
            self._times.pop(entry.key, None)

    def _next(self, entry: Entry) -> datetime:
        if entry.key not in self._times:
            self._times[entry.key] = next(entry.cron.after(self._kept[entry.key].settled))
        return self._times[entry.key]

    def _due(self, entry: Entry, now: datetime) -> bool:
        return self._kept[entry.key].due is not None or self._next(entry) <= now

    def _pause(self, now: datetime) -> float:
        """Until the next time, or the next look."""
        idle = (entry for entry in self._entries if entry.key not in self._jobs)
        until = min((self._next(entry) - now for entry in idle), default=timedelta(seconds=LOOK))
        return min(LOOK, max(0.05, until.total_seconds()))

    async def _carry_out(self, entry: Entry) -> None:
        try:
            lock = self._prompts.setdefault((entry.workspace, entry.prompt), asyncio.Lock())
            async with lock, self._slots:
                await self._run(entry)
        except Exception as error:  # noqa: BLE001 - one job must not end the others
            self._keep(entry, Kept(max(clock.now(), self._kept[entry.key].settled)))
            self._say(f"{entry.name}: could not be carried out: {type(error).__name__}: {error}")
        finally:
            self._jobs.pop(entry.key, None)

    async def _run(self, entry: Entry) -> None:
        kept = self._kept[entry.key]
        again = kept.due is not None
        if kept.lives:
            self._say(f"{entry.name}: process {kept.process} still carries it out: waiting for it")
            while kept.lives:
                await self._sleep(1.0)
            if left := left_result(entry):
                now = clock.now()
                self._keep(entry, Kept(max(now, kept.settled)))
                self._say(ended_line(entry, left, now - kept.settled))
                return
        due = kept.due or self._next(entry)
        began = clock.now()
        kept = replace(kept, settled=max(began, kept.settled), due=due, process=None, born=None)
        self._keep(entry, kept)
        late = f", due {shown(due)}" if began - due > timedelta(minutes=1) else ""
        self._say(f"{entry.name}: {'begun again' if again else 'begun'}{late}")

        def started(process: int) -> None:
            self._keep(entry, replace(kept, process=process, born=born(process)))

        ended = await self._start(entry, started)
        now = clock.now()
        left_out = sum(1 for _ in _until(entry, began, now))
        self._keep(entry, Kept(max(now, kept.settled)))
        self._say(ended_line(entry, ended, now - began))
        if left_out:
            self._say(
                f"note: {entry.name}: {left_out} of its times passed while it ran, and were left "
                "out: it takes longer than its schedule allows"
            )
        self._say(f"{entry.name}: next {shown(self._next(entry))}")

    def _keep(self, entry: Entry, kept: Kept) -> None:
        self._kept[entry.key] = kept
        self._times.pop(entry.key, None)
        try:
            keep(entry, kept)
        except OSError as error:
            self._say(f"note: {entry.name}: its times are not kept: {error.strerror}")

    def _read_again(self) -> None:
        """Run files may come, go and change; one that cannot be read is told once, and waits."""
        now = stamps(self._paths)
        if now == self._stamps:
            return
        self._stamps = now
        try:
            found = entries_in(self._paths, self._workspace)
        except InputError as error:
            self._say(f"note: the schedules stay as they were: {error}")
            return
        before = {entry.key: entry for entry in self._entries}
        for entry in found:
            known = before.pop(entry.key, None)
            if known is None:
                self._meet(entry, clock.now())
            elif known.cron != entry.cron:
                self._keep(entry, replace(self._kept[entry.key], settled=clock.now()))
            if known is None or known.cron != entry.cron:
                self._say(f"{entry.name}: next {shown(self._next(entry))}")
        for gone in before.values():
            self._say(f"{gone.name}: has no schedule any more")
        self._entries = found


@contextmanager
def alone(entries: Sequence[Entry]) -> Generator[None]:
    """Within, no other scheduler serves these workspaces. Raises Busy."""
    with ExitStack() as stack:
        for workspace in sorted({entry.workspace for entry in entries}):
            folder = next(one.folder for one in entries if one.workspace == workspace)
            writable(folder.parent)
            make_state(folder.parent)
            folder.mkdir(exist_ok=True)
            try:
                stack.enter_context(FileLock(folder / "scheduler.lock", timeout=0))
            except Timeout:
                raise Busy(
                    f"another scheduler serves {workspace}",
                    "stop that one first: one scheduler takes several files and folders",
                ) from None
        yield


def _until(entry: Entry, after: datetime, last: datetime) -> Generator[datetime]:
    for moment in entry.cron.after(after):
        if moment > last:
            return
        yield moment

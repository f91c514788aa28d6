"""A run that was interrupted goes on when its job is started again in the same workspace.

the job's course      what decides how the run goes, the clock and the service aside
runs without result   of this course, in the ledger, the latest first
running/RUN.lock      held by the process that carries the run out (track/running.py)
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from filelock import BaseFileLock, Timeout

from promptlathe.job.job import Job
from promptlathe.job.plan import Plan
from promptlathe.job.resolved import resolved
from promptlathe.job.warm import terms
from promptlathe.ledger import Ledger, RecordedRun, Segment
from promptlathe.records import content_hash
from promptlathe.track.running import begun_here, forget, lock_of

LOOK = 0.5
"""Seconds to wait for a run's lock: who asks whether it is carried out holds it for a moment."""
MOST_KEPT = 1_000_000
"""Characters of a run file that the ledger keeps: one may hold a whole dataset."""


@dataclass(frozen=True)
class Course:
    """The run that this process carries out, and what it follows."""

    run: str
    recorded: RecordedRun | None = None
    """What was told before it was interrupted, or by the run that is replayed."""
    replay: str | None = None
    """The run that is replayed: nothing of it is recorded again."""

    @property
    def told(self) -> int:
        """How many events an interrupted run had told."""
        if self.replay or self.recorded is None:
            return 0
        last = (self.recorded.unfinished,) if self.recorded.unfinished else ()
        parts = (*self.recorded.stages, *self.recorded.decision, *last)
        return sum(len(part.events) for part in parts)


def course_of(job: Job, plan: Plan) -> str:
    """Equal for two starts of one job: same space, data, models, search and budget."""
    rows = [[e.id for e in part] for part in (plan.space.train, plan.select, plan.test)]
    return content_hash([resolved(job), job.objective.scoring, plan.space.seed.id, rows])


@contextmanager
def begun(job: Job, plan: Plan, ledger: Ledger) -> Generator[Course]:
    """The interrupted run of this job, or a new one; nobody else goes on with it meanwhile."""
    course = course_of(job, plan)
    lock = _interrupted(job, ledger, course)
    if lock is not None:
        run = Path(lock.lock_file).stem
        last = ledger.recorded(run).unfinished
        ledger.forget(run, outage(last, job.parallel.concurrency) if last else 0)
        begins = Course(run, ledger.recorded(run))
    else:
        run = uuid4().hex[:12]
        lock = lock_of(job.state, run)
        lock.acquire()
        file = resolved(_named(job))
        kept = file if len(file) <= MOST_KEPT else ""
        ledger.begin(run, terms(job), warm=job.search.warm_start, course=course, file=kept)
        begins = Course(run)
    try:
        yield begins
        if run not in ledger.unfinished(course):
            forget(job.state, run)
    finally:
        lock.release()


def _named(job: Job) -> Job:
    """A prompt is called like the run file, which is to be read under another name."""
    track = job.track and job.track.model_copy(update={"prompt": job.prompt_name})
    return replace(job, track=track)


def _interrupted(job: Job, ledger: Ledger, course: str) -> BaseFileLock | None:
    """The lock, held, of the latest run of this course that was begun here and that no process
    carries out."""
    for run in ledger.unfinished(course):
        if not begun_here(job.state, run):
            continue  # with the same ledger, elsewhere
        lock = lock_of(job.state, run)
        with suppress(Timeout):
            lock.acquire(timeout=LOOK)
            if run in ledger.unfinished(course):  # its process did not just end it
                return lock
            lock.release()
    return None


@contextmanager
def replayed(job: Job, recorded: RecordedRun, replay: str) -> Generator[Course]:
    """A run that tells another one's events again."""
    run = uuid4().hex[:12]
    with lock_of(job.state, run):
        yield Course(run, recorded, replay)
    forget(job.state, run)


def outage(stage: Segment, slots: int) -> int:
    """Of the last events those since the service failed for good: they are asked again.

    slots: cells that may have been under way, and were answered meanwhile.
    """
    answered = found = 0
    for place, (key, _) in enumerate(reversed(stage.events), 1):
        failure = stage.failures.get(key)
        if failure is not None and not failure.of_prompt:
            answered, found = 0, place
        else:
            answered += 1
        if answered > slots:
            break
    return found

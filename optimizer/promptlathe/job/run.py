"""A job from its checks to its result: one at a time on a prompt, on from where it was stopped."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from functools import partial

from promptlathe.errors import InputError, Interrupted, PromptlatheError, StorageFailed
from promptlathe.job.champions_levels import from_champion
from promptlathe.job.interrupts import interruptible
from promptlathe.job.job import Job
from promptlathe.job.lanes import engine_of, lanes_of
from promptlathe.job.placing import division
from promptlathe.job.plan import Plan, make_plan
from promptlathe.job.progress import Progress
from promptlathe.job.recording import Recorder
from promptlathe.job.resume import Course, begun, replayed
from promptlathe.job.rivals import check_rivals, with_rivals
from promptlathe.job.running import Running
from promptlathe.job.scouting import check_scout, scouted
from promptlathe.job.stores import check_stores, ledger_url, make_state, point_to_ledger, storage
from promptlathe.job.taking_turns import IfBusy, turn
from promptlathe.ledger import Ledger, RecordedRun, existing_ledger
from promptlathe.results import Result
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.health import check_reachable
from promptlathe.runtime.replay import LeftRecord

LOGGER = logging.getLogger("promptlathe")


def check(job: Job) -> Plan:
    """The plan, after everything that could stop the job was checked, the stores too.

    Raises InputError or BudgetTooSmall; sends nothing.
    """
    plan = make_plan(job)
    check_rivals(job)
    check_scout(job)
    return replace(plan, notes=(*plan.notes, *check_stores(job)))


def run(
    job: Job,
    *,
    progress: Progress | None = None,
    replay: str | None = None,
    tell: Callable[[Result], object] = lambda result: None,
    announce: Callable[[str], object] = lambda what: None,
    if_busy: IfBusy = "wait",
    waiting: Callable[[str], object] = LOGGER.warning,
) -> Result:
    """Run a job to the end.

    replay: the `run` of an earlier result; its events are told in the same order again.
    tell: given the result as soon as it is decided. What is returned, after seconds at most, says
    besides what MLflow made of it.
    announce: told what is done before the first call, where it may take a while.
    if_busy: whether to wait for another job that works on the same prompt; waiting: told of it, by
    default as a warning of LOGGER.
    Raises InputError, BudgetTooSmall, ModelUnavailable, StorageFailed, ClusterLost, Busy or
    Interrupted.
    """
    job = replace(job, as_of=_began(job, replay)) if replay else job
    prepared = _prepare(job)
    with storage(job.state):
        make_state(job.state)
        point_to_ledger(job)
        turns = partial(turn, if_busy=if_busy, waiting=waiting)
        return interruptible(lambda: _run(job, prepared, progress, replay, tell, announce, turns))


def _prepare(given: Job) -> tuple[Job, Plan]:
    """The job as it is carried out now, and its plan."""
    job, champion = from_champion(given)
    plan = check(job)
    return job, replace(plan, notes=(*plan.notes, champion)) if champion else plan


def _began(job: Job, run: str) -> datetime | None:
    """When a run of this ledger began; whether there is one, `recorded_run` says."""
    with existing_ledger(ledger_url(job)) as ledger:
        return next((one.at for one in ledger.begun() if one.run == run), None) if ledger else None


async def _run(
    given: Job,
    prepared: tuple[Job, Plan],
    progress: Progress | None,
    replay: str | None,
    tell: Callable[[Result], object],
    announce: Callable[[str], object],
    turns: Callable[[Job, Ledger], AbstractAsyncContextManager[bool]],
) -> Result:
    job, plan = prepared
    job = with_rivals(job, plan)
    ledger = Ledger(ledger_url(job))
    try:
        recorded = recorded_run(ledger, replay) if replay else None
        if job.parallel.engine != "ray":
            for name, lane in lanes_of(job).by_name.items():
                if name != "rewrite":  # a search can go on without
                    if not lane.settings.embedded and lane.settings.gguf is None:
                        announce(f"looking for {lane.settings.name}")
                    await check_reachable(lane.settings)
        else:
            announce("starting Ray")
        async with engine_of(job) as engine:
            if replay and recorded:
                with replayed(job, recorded, replay) as course:
                    start = partial(_carry_out, job, plan, ledger, engine, progress, tell)
                    return await _replayed(start, course)
            async with turns(job, ledger) as waited:
                if waited:  # what the other job promoted and held out counts
                    job.objective.close()
                    job, plan = _prepare(given)
                    job = with_rivals(job, plan)
                objective = job.objective
                ledger.keep_placements(
                    objective.name, division(objective.splits), objective.placements
                )
                said = await scouted(job, plan, ledger, announce)
                plan = replace(plan, notes=(*plan.notes, *said))
                start = partial(_carry_out, job, plan, ledger, engine, progress, tell)
                return await _gone_on_with(start, job, plan, ledger)
    finally:
        job.objective.close()
        ledger.close()


async def _replayed(start: Callable[[Course], Awaitable[Result]], course: Course) -> Result:
    try:
        return await start(course)
    except LeftRecord:
        raise InputError(
            "the recorded run took another course: its space, objective or seed differ",
            "--replay",
            "replay a run with the run file that it was made with",
        ) from None


async def _gone_on_with(
    start: Callable[[Course], Awaitable[Result]], job: Job, plan: Plan, ledger: Ledger
) -> Result:
    """From where the job was interrupted, if it was."""
    while True:
        with begun(job, plan, ledger) as course:
            try:
                return await start(course)
            except LeftRecord:  # something that is not recorded decided its course
                ledger.end(course.run)


async def _carry_out(
    job: Job,
    plan: Plan,
    ledger: Ledger,
    engine: Engine,
    progress: Progress | None,
    tell: Callable[[Result], object],
    course: Course,
) -> Result:
    recorder = Recorder(job, plan, course.run, replay=course.replay is not None)
    running = Running(job, plan, ledger, engine, recorder, progress, tell, course)
    try:
        return await running.to_the_end()
    except asyncio.CancelledError:
        stopped = Interrupted(ledger.count(course.run))
        _add_notes(stopped, await recorder.abort("KILLED", "interrupted", hurry=True))
        raise stopped from None
    except LeftRecord:
        await recorder.abort("KILLED", "took another course than before it was interrupted")
        raise
    except PromptlatheError as error:
        hurry = isinstance(error, StorageFailed)
        _add_notes(error, await recorder.abort("FAILED", str(error), hurry=hurry))
        raise
    except BaseException as error:
        await recorder.abort("FAILED", f"{type(error).__name__}: {error}")
        raise
    finally:
        await running.close()


def _add_notes(error: PromptlatheError, notes: Sequence[str]) -> None:
    for note in notes:
        error.add_note(note)


def recorded_run(ledger: Ledger, replay: str, where: str = "--replay") -> RecordedRun:
    """A run whose search has ended. Raises InputError."""
    if not replay.isascii() or not ledger.order(replay):
        raise InputError(
            f"no run {replay!r} is in the ledger",
            where,
            "name the `run` of a result that was made in this workspace",
        )
    recorded = ledger.recorded(replay)
    if not recorded.stages:
        raise InputError(
            f"the run {replay!r} was interrupted before its search ended",
            where,
            "name a run that has a result",
        )
    return recorded

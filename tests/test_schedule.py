"""A scheduler, with a clock that the test sets and jobs that take as long as it says."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner

from promptlathe import clock
from promptlathe.cli import main
from promptlathe.errors import Busy, InputError
from promptlathe.schedule.entries import Entry, entries_in
from promptlathe.schedule.kept import Kept, keep, kept_of
from promptlathe.schedule.loop import Scheduler
from promptlathe.schedule.starting import Ended

MONDAY = datetime(2027, 1, 4, 0, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RESULT = {
    "verdict": "better",
    "compared_with": "champion",
    "test": None,
    "test_champion": {"gain": 0.12, "interval": [0.05, 0.19]},
    "registered": {"triage": 4},
    "calls": {"total": 1500},
}


class Over(Exception):
    """The test's time is."""


@dataclass
class World:
    """A clock, a workspace, and what was started when."""

    folder: Path
    now: datetime = MONDAY
    until: datetime = MONDAY + 30 * DAY
    takes: timedelta = timedelta(minutes=10)
    ended: Ended = field(default_factory=lambda: Ended(0, dict(RESULT)))
    started: list[tuple[str, datetime]] = field(default_factory=list[tuple[str, datetime]])
    said: list[str] = field(default_factory=list[str])
    steps: dict[datetime, Callable[[], object]] = field(
        default_factory=dict[datetime, Callable[[], object]]
    )
    """What somebody does at a moment."""
    side_by_side: int = 0
    most: int = 0

    def file(self, name: str, schedule: str | None = "0 3 * * 1", **more: Any) -> Path:
        runs = self.folder / "runs"
        runs.mkdir(exist_ok=True)
        content = {"space": "s.yaml", "objective": "o.yaml", "model": "pocket", **more}
        content |= {"schedule": schedule, "timezone": "UTC"} if schedule else {}
        (runs / name).write_text(json.dumps(content))
        return runs / name

    async def sleep(self, seconds: float) -> None:
        for _ in range(5):  # what is ready goes first
            await asyncio.sleep(0)
        self.now += timedelta(seconds=seconds)
        for moment in sorted(self.steps):
            if moment <= self.now:
                self.steps.pop(moment)()
        if self.now >= self.until:
            raise Over

    async def start(self, entry: Entry, began: Callable[[int], object]) -> Ended:
        self.started.append((entry.name, self.now))
        self.side_by_side += 1
        self.most = max(self.most, self.side_by_side)
        try:
            began(os.getpid())
            done = self.now + self.takes
            while self.now < done:
                await asyncio.sleep(0)
            return self.ended
        finally:
            self.side_by_side -= 1

    def serve(self, *paths: Path, **options: Any) -> None:
        async def go() -> None:
            scheduler = Scheduler(
                paths or (self.folder / "runs",),
                say=self.said.append,
                start=self.start,
                sleep=self.sleep,
                **options,
            )
            with suppress(Over):
                await scheduler.serve()

        with clock.told_by(lambda: self.now):
            asyncio.run(go())

    @property
    def when(self) -> list[str]:
        return [f"{moment:%m-%d %H:%M}" for _, moment in self.started]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("promptlathe.schedule.loop.LOOK", 300.0)
    return World(tmp_path.resolve())


def test_a_month_of_mondays(world: World):
    world.file("triage.yaml")
    world.serve()
    assert world.when == ["01-04 03:00", "01-11 03:00", "01-18 03:00", "01-25 03:00", "02-01 03:00"]
    assert "triage: next Mon 2027-01-04 03:00 UTC" in world.said
    better = "triage: better than the champion: +0.120 [+0.050, +0.190]; triage/4 is the champion"
    assert f"{better} (1,500 calls), after 10 min" in world.said


def test_a_watch_has_times_of_its_own(world: World):
    world.file("only.yaml", None, watch={"schedule": "30 6 * * *"}, timezone="UTC")
    world.until = MONDAY + 2 * DAY
    began = "2027-01-03T06:00"
    look = {"verdict": "drift", "champion": {"triage": 2}, "drop": 0.09, "began": began}
    world.ended = Ended(7, look)
    world.file("triage.yaml", None, watch={"schedule": "0 6 * * *"}, timezone="UTC")
    world.serve()
    assert [name for name, _ in world.started] == [
        "triage-watch",
        "only-watch",
        "triage-watch",
        "only-watch",
    ]
    assert any(
        line.startswith("triage-watch: triage/2: drift, 9 points lower since 2027-01-03")
        for line in world.said
    )


def test_times_that_passed_while_no_scheduler_ran_are_made_up_once(world: World):
    world.file("triage.yaml", "0 3 * * *")
    world.until = MONDAY + 2 * HOUR
    world.serve()
    assert world.when == []
    world.now, world.until = MONDAY + 5 * DAY + 9 * HOUR, MONDAY + 7 * DAY
    world.serve()
    assert world.when == ["01-09 09:00", "01-10 03:00"]
    assert "triage: begun, due Mon 2027-01-04 03:00 UTC" in world.said


def test_what_was_never_served_is_not_made_up(world: World):
    world.file("triage.yaml", "0 3 * * *")
    world.now, world.until = MONDAY + 5 * DAY + 9 * HOUR, MONDAY + 6 * DAY
    world.serve()
    assert world.when == []


def test_times_that_pass_while_the_job_runs_are_left_out(world: World):
    world.file("triage.yaml", "*/10 * * * *")
    world.takes, world.until = timedelta(minutes=35), MONDAY + 2 * HOUR
    world.serve()
    assert world.when == ["01-04 00:10", "01-04 00:50", "01-04 01:30"]
    assert any("3 of its times passed while it ran" in line for line in world.said)


def test_a_job_that_was_cut_off_is_begun_again(world: World):
    world.file("triage.yaml")
    world.until = MONDAY + 3 * HOUR + timedelta(minutes=5)
    world.serve()
    (entry,) = entries_in([world.folder / "runs"])
    kept = kept_of(entry)
    assert kept
    assert kept.due
    # Its process is another one by now.
    keep(entry, Kept(kept.settled, kept.due, kept.process, 1.0))
    world.now, world.until = MONDAY + 4 * HOUR, MONDAY + 6 * HOUR
    world.serve()
    assert world.when == ["01-04 03:00", "01-04 04:00"]
    assert "triage: begun again, due Mon 2027-01-04 03:00 UTC" in world.said


@pytest.mark.parametrize("finished", [True, False])
def test_a_job_that_outlived_its_scheduler_is_waited_for(world: World, finished: bool):
    """When it comes to its end, it is not begun again."""
    world.file("triage.yaml")
    (entry,) = entries_in([world.folder / "runs"])
    entry.folder.mkdir(parents=True)
    left = {"status": "finished", "exit_code": 0, **RESULT} if finished else {"status": "running"}
    (entry.folder / f"{entry.key}.json").write_text(json.dumps(left))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        born = psutil.Process(other.pid).create_time()
        keep(entry, Kept(MONDAY, MONDAY, other.pid, born))

        def end() -> None:
            other.kill()
            other.wait()

        world.steps = {MONDAY + HOUR: end}
        world.until = MONDAY + 2 * HOUR
        world.serve()
    assert any(f"process {other.pid} still carries it out" in line for line in world.said)
    assert world.when == ([] if finished else ["01-04 01:00"])
    better = any(line.startswith("triage: better than the champion") for line in world.said)
    assert better or not finished


def test_a_clock_that_is_put_back_runs_nothing_twice(world: World):
    world.file("triage.yaml", "0 3 * * *")

    def back() -> None:
        world.now -= 2 * HOUR

    world.steps = {MONDAY + 4 * HOUR: back}
    world.until = MONDAY + 2 * DAY
    world.serve()
    assert world.when == ["01-04 03:00", "01-05 03:00"]


def test_a_clock_that_was_years_ahead_is_told_of(world: World):
    world.file("triage.yaml", "0 3 * * *")
    (entry,) = entries_in([world.folder / "runs"])
    keep(entry, Kept(MONDAY + 900 * DAY))
    world.until = MONDAY + DAY
    world.serve()
    assert any("the clock was wrong then, or is now" in line for line in world.said)
    assert world.when == ["01-04 03:00"]


def test_a_clock_that_jumps_ahead_makes_up_once(world: World):
    world.file("triage.yaml", "0 3 * * *")

    def ahead() -> None:
        world.now += 3 * DAY

    world.steps = {MONDAY + HOUR: ahead}
    world.until = MONDAY + 4 * DAY
    world.serve()
    assert world.when == ["01-07 01:00", "01-07 03:00"]


def test_jobs_on_one_prompt_take_turns_and_are_told_of(world: World):
    for name in ("one", "two"):
        world.file(f"{name}.yaml", track={"prompt": "triage"})
    world.file("other.yaml")
    world.until = MONDAY + DAY
    world.serve(at_once=3)
    assert world.most == 2
    assert {name for name, _ in world.started} == {"one", "two", "other"}
    assert any("both due on Mon 2027-01-04 03:00 UTC, and work on the prompt triage" in line
               for line in world.said)  # fmt: skip


def test_files_that_come_change_go_and_break(world: World):
    first = world.file("first.yaml", "0 3 * * *")
    world.steps = {
        MONDAY + 5 * HOUR: lambda: world.file("second.yaml", "0 6 * * *"),
        MONDAY + 10 * HOUR: lambda: world.file("first.yaml", "0 12 * * *"),
        MONDAY + 14 * HOUR: lambda: first.write_text("schedule: 1 2 3\n"),
        MONDAY + 20 * HOUR: lambda: first.unlink(),
    }
    world.until = MONDAY + DAY + 8 * HOUR
    world.serve()
    assert world.started == [
        ("first", MONDAY + 3 * HOUR),
        ("second", MONDAY + 6 * HOUR),
        ("first", MONDAY + 12 * HOUR),
        ("second", MONDAY + DAY + 6 * HOUR),
    ]
    (broken,) = [line for line in world.said if "the schedules stay as they were" in line]
    assert f"{first}" in broken
    assert "first: has no schedule any more" in world.said


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (Ended(5, {"error": {"what": "auth: no"}}), "failed: auth: no (exit code 5; "),
        (Ended(-9, {}), "was killed by signal 9 ("),
        (Ended(1, {}), "ended with exit code 1 and no result ("),
        (
            Ended(0, RESULT | {"verdict": "no significant gain", "registered": {}}),
            "no significant gain over the champion: +0.120 [+0.050, +0.190] (1,500 calls)",
        ),
    ],
)
def test_how_a_job_ended_is_said(world: World, ended: Ended, said: str):
    world.file("triage.yaml")
    world.ended, world.until = ended, MONDAY + 4 * HOUR
    world.serve()
    assert any(line.startswith(f"triage: {said}") for line in world.said), world.said


def test_a_job_that_cannot_be_started_waits_for_its_next_time(world: World):
    world.file("triage.yaml", "0 3 * * *")
    world.file("other.yaml", "0 3 * * *")
    world.until = MONDAY + 2 * DAY
    world.ended = Ended(0, {"verdict": "of another version"})
    world.serve()
    assert len(world.started) == 4
    assert any(line.startswith("triage: could not be carried out: KeyError") for line in world.said)


def test_a_second_scheduler_refuses(world: World):
    world.file("triage.yaml")

    async def beside() -> None:
        scheduler = Scheduler([world.folder / "runs"], say=world.said.append)
        task = asyncio.create_task(scheduler.serve())
        await asyncio.sleep(0.05)
        with pytest.raises(Busy, match=f"another scheduler serves {world.folder}"):
            await Scheduler([world.folder / "runs"], say=world.said.append).serve()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        again = asyncio.create_task(
            Scheduler([world.folder / "runs"], say=world.said.append).serve()
        )
        await asyncio.sleep(0.05)
        assert not again.done()
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)

    asyncio.run(beside())


def test_two_hundred_run_files(world: World):
    for number in range(200):
        world.file(f"job_{number:03}.yaml", f"{number % 60} {number % 24} * * *")
    world.takes = timedelta(minutes=1)
    world.until = MONDAY + DAY + HOUR
    world.serve(at_once=4)
    assert len({name for name, _ in world.started}) == 200
    assert world.most <= 4
    assert "and 180 more, later" in world.said


def test_bad_input(world: World, tmp_path: Path):
    runs = world.folder / "runs"
    world.file("none.yaml", None)
    with pytest.raises(InputError, match=r"no run file in .* has a schedule"):
        entries_in([runs])
    with pytest.raises(InputError, match="has no schedule"):
        entries_in([runs / "none.yaml"])
    with pytest.raises(InputError, match=r"missing.yaml|is missing|no file"):
        entries_in([runs / "missing.yaml"])
    bad = world.file("bad.yaml", "0 0 31 2 *")
    said = CliRunner().invoke(main, ["schedule", "run", str(runs)])
    assert said.exit_code == 2
    assert f"{bad}:" in said.output
    assert "never fires" in said.output


def test_next_prints_the_next_times(world: World):
    file = world.file("triage.yaml")
    with clock.told_by(lambda: MONDAY):
        said = CliRunner().invoke(main, ["schedule", "next", str(file)])
    assert said.exit_code == 0
    assert said.output.splitlines() == [
        "triage: At 03:00 on Monday, UTC",
        "Mon 2027-01-04 03:00 UTC",
        "Mon 2027-01-11 03:00 UTC",
        "Mon 2027-01-18 03:00 UTC",
        "Mon 2027-01-25 03:00 UTC",
        "Mon 2027-02-01 03:00 UTC",
    ]


@pytest.mark.slow
def test_a_real_job_and_the_end_of_the_scheduler(tmp_path: Path):
    """A time that has passed: its job runs as a process of its own, and SIGTERM ends both well."""
    assert CliRunner().invoke(main, ["init", str(tmp_path / "w")]).exit_code == 0
    workspace = (tmp_path / "w").resolve()
    file = workspace / "runs" / "support_triage.yaml"
    text = file.read_text().replace("calls: 2000", "calls: 400")
    file.write_text(text + 'schedule: "0 3 * * *"\n')
    (entry,) = entries_in([workspace / "runs"])
    keep(entry, Kept(datetime.now(UTC) - 2 * DAY))
    command = [sys.executable, "-m", "promptlathe", "schedule", "run", str(workspace / "runs")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as scheduler:
        assert scheduler.stderr
        lines: list[str] = []
        for line in scheduler.stderr:
            lines.append(line)
            if ": next " in line and len(lines) > 3:
                break
        scheduler.send_signal(signal.SIGTERM)
        lines += scheduler.stderr.read().splitlines(keepends=True)
        assert scheduler.wait(30) == 0
    said = "".join(lines)
    assert "support-triage: begun, due" in said
    assert "the seed: " in said
    assert lines[-1].endswith("gone on with by the next scheduler\n")
    kept = kept_of(entry)
    assert kept
    assert kept.due is None

"""An interrupted run goes on: little is paid twice, and it takes the same course."""

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.jobs import Jitter, essence
from tests.test_job import CALLS, job, served

from promptlathe.job import Job, Result, run
from promptlathe.job.progress import View
from promptlathe.job.runfile import SearchOptions, TrackOptions
from promptlathe.models.pocket.server import PocketServer, serve


class Stop(Exception):
    """The process ends here."""


class StopsAfter:
    """Progress that ends the run after so many events."""

    def __init__(self, events: int) -> None:
        self.left = events

    def update(self, view: View) -> None:
        del view
        self.left -= 1
        if self.left < 0:
            raise Stop


def lives(one: Job, stops: list[int]) -> Result:
    """The job, ended and started again after so many events each time."""
    for events in stops:
        with pytest.raises(Stop):
            run(one, progress=StopsAfter(events))
    return run(one)


def told(workspace: Path) -> dict[str, list[tuple[str, str, int]]]:
    """By run, the units of its events in order."""
    found: dict[str, list[tuple[str, str, int]]] = {}
    with closing(sqlite3.connect(workspace / ".promptlathe" / "ledger.db")) as ledger:
        which = 'SELECT run, candidate, example, repeat FROM told WHERE "limit" IS NULL'
        rows = ledger.execute(f"{which} ORDER BY seq")
        for name, *key in rows:
            found.setdefault(name, []).append((key[0], key[1], key[2]))
    return found


@pytest.fixture
async def server() -> AsyncIterator[PocketServer]:
    async with serve(faults=Jitter()) as started:
        yield started


@pytest.mark.parametrize(
    ("policy", "stops"),
    [("lathe", [1, 60, 70, 140, 165]), ("halving", [60]), ("tpe", [60])],
)
async def test_one_call_in_flight_ends_as_if_undisturbed(
    server: PocketServer, tmp_path: Path, policy: str, stops: list[int]
) -> None:
    search = SearchOptions.model_validate({"policy": policy})
    alone = run(job(tmp_path / "alone", search=search))
    one = job(tmp_path / "broken", model=served(server), search=search)
    result = await asyncio.to_thread(lives, one, stops)
    assert essence(result) == essence(alone)
    assert server.requests <= alone.spent.calls + len(stops)
    first, second = told(tmp_path / "alone"), told(tmp_path / "broken")
    assert list(first.values()) == list(second.values())
    (name,) = second
    assert result.run == name
    assert any(note.startswith("went on with an interrupted run after") for note in result.notes)


@pytest.mark.parametrize("concurrency", [4, 64])
async def test_at_most_the_calls_in_flight_are_paid_again(
    server: PocketServer, tmp_path: Path, concurrency: int
) -> None:
    rng = random.Random(concurrency)
    one = job(tmp_path, model=served(server), concurrency=concurrency)
    stops = [rng.randrange(1, 40) + 40 * i for i in range(4)]
    result = await asyncio.to_thread(lives, one, stops)
    assert server.requests <= CALLS + concurrency * len(stops)
    assert result.spent.used_calls <= CALLS
    (events,) = told(tmp_path).values()
    assert max(Counter(events).values()) == 1
    replay = run(one, replay=result.run)
    assert essence(replay) == essence(result)


@pytest.mark.slow
async def test_a_decision_that_broke_off_opens_the_test_rows_once(
    server: PocketServer, tracked: Path
) -> None:
    one = job(tracked, model=served(server), concurrency=8, track=TrackOptions())
    result = await asyncio.to_thread(lives, one, [CALLS - 10])
    assert result.verdict == "better"
    assert result.opened == 1
    assert result.promoted == 2
    with closing(sqlite3.connect(tracked / ".promptlathe" / "ledger.db")) as ledger:
        assert ledger.execute("SELECT number, promoted FROM openings").fetchall() == [(1, 1)]


async def test_another_job_and_a_finished_one_begin_anew(
    server: PocketServer, tmp_path: Path
) -> None:
    one = job(tmp_path, model=served(server), calls=100)
    with pytest.raises(Stop):
        await asyncio.to_thread(run, one, progress=StopsAfter(30))
    other = await asyncio.to_thread(run, job(tmp_path, model=served(server), calls=90))
    result = await asyncio.to_thread(run, one)
    again = await asyncio.to_thread(run, one)
    assert len({other.run, result.run, again.run}) == 3
    assert set(told(tmp_path)) == {other.run, result.run, again.run}
    assert not [note for note in again.notes if note.startswith("went on")]


async def test_a_run_under_way_is_left_alone(server: PocketServer, tmp_path: Path) -> None:
    """Two starts of one job at once are two runs, and share the answers."""
    one = job(tmp_path, model=served(server), concurrency=4)
    results = await asyncio.gather(*(asyncio.to_thread(run, one) for _ in range(2)))
    assert len({result.run for result in results}) == 2


async def test_a_course_that_was_not_recorded_so_begins_anew(
    server: PocketServer, tmp_path: Path
) -> None:
    one = job(tmp_path, model=served(server), calls=140)
    with pytest.raises(Stop):
        await asyncio.to_thread(run, one, progress=StopsAfter(60))
    (name,) = told(tmp_path)
    with closing(sqlite3.connect(tmp_path / ".promptlathe" / "ledger.db")) as ledger:
        ledger.execute("UPDATE told SET candidate = 'another' WHERE seq = 20")
        ledger.commit()
    result = await asyncio.to_thread(run, one)
    assert result.run != name
    assert essence(result) == essence(run(job(tmp_path / "alone", calls=140)))
    assert server.requests <= 140 + 2


KILLED = """
    import sys
    from pathlib import Path
    from tests.test_job import job
    from promptlathe.job import run
    url, folder = sys.argv[1:]
    model = {"name": "pocket", "base_url": url, "retries": 0, "timeout": 20}
    run(job(Path(folder), model=model, concurrency=8))
"""


@pytest.mark.slow
async def test_a_killed_process_loses_what_was_in_flight_only(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    async with serve(faults=Jitter()) as server:
        for target in (50, 120):
            script = textwrap.dedent(KILLED)
            command = [sys.executable, "-c", script, server.base_url, str(tmp_path / "work")]
            with subprocess.Popen(command, cwd=root) as process:
                while server.requests < target and process.poll() is None:
                    await asyncio.sleep(0.002)
                process.send_signal(signal.SIGKILL)
            assert process.returncode == -signal.SIGKILL
        one = job(tmp_path / "work", model=served(server), concurrency=8)
        result = await asyncio.to_thread(run, one)
        assert server.requests <= CALLS + 2 * 8
    assert result.spent.used_calls <= CALLS
    assert len(told(tmp_path / "work")) == 1

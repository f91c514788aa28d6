"""One job at a time works on a prompt."""

import asyncio
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.databases import Postgres
from tests.test_job import job, served

from promptlathe.errors import Busy
from promptlathe.job import run
from promptlathe.job.runfile import TrackOptions
from promptlathe.job.stores import ledger_url
from promptlathe.job.taking_turns import turn
from promptlathe.ledger import Holder, Ledger, sqlite_url
from promptlathe.ledger.locks import LEASE
from promptlathe.ledger.tables import locks
from promptlathe.models.pocket.server import serve

HOLDS = """
import sys
from promptlathe.ledger import Holder, Ledger
assert Ledger(sys.argv[1]).take("triage", Holder()) is None
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return str(sqlite_url(tmp_path / "ledger.db"))


@pytest.fixture
def ledger(url: str) -> Generator[Ledger]:
    with closing(Ledger(url)) as opened:
        yield opened


def test_a_second_job_finds_the_first_and_then_its_place(ledger: Ledger):
    first, second = Holder(), Holder()
    assert ledger.take("triage", first) is None
    assert ledger.take("triage", first) is None, "kept fresh"
    assert ledger.take("triage", second) == first
    assert ledger.take("other", second) is None
    ledger.release("triage", second)
    assert ledger.take("triage", second) == first, "only its holder lets go of it"
    ledger.release("triage", first)
    assert ledger.take("triage", second) is None


def test_a_lock_of_a_process_that_was_killed_is_taken_over(url: str, ledger: Ledger):
    command = [sys.executable, "-c", HOLDS, url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        there = ledger.take("triage", Holder())
        assert there
        assert there.process == other.pid
        assert f"process {other.pid} on " in there.words
        other.kill()
        other.wait()
    assert ledger.take("triage", Holder()) is None


def test_a_number_of_a_process_that_was_given_again(ledger: Ledger):
    assert ledger.take("triage", replace(Holder(), born=1.0)) is None
    assert ledger.take("triage", Holder()) is None


def test_another_machines_lock_lasts_as_long_as_it_is_kept_fresh(ledger: Ledger):
    far = replace(Holder(), machine="elsewhere 1 2", process=1)
    assert ledger.take("triage", far) is None
    assert ledger.take("triage", Holder()) == far
    with ledger._engine.begin() as connection:  # pyright: ignore[reportPrivateUsage]
        connection.execute(update(locks).values(beat=locks.c.beat - LEASE - 1))
    me = Holder()
    assert ledger.take("triage", me) is None
    assert ledger.take("triage", far) == me, "who slept meanwhile finds the new one"


async def test_waiting_and_leaving(tmp_path: Path, ledger: Ledger):
    one = job(tmp_path, track=TrackOptions())
    first = Holder()
    ledger.take(one.prompt_name, first)
    with pytest.raises(Busy, match=f"works on the prompt {one.prompt_name!r}: process"):
        async with turn(one, ledger, "leave", lambda what: None):
            pass
    told: list[str] = []

    def waiting(what: str) -> None:
        told.append(what)
        ledger.release(one.prompt_name, first)

    async with turn(one, ledger, "wait", waiting):
        assert ledger.take(one.prompt_name, Holder())
    assert ledger.take(one.prompt_name, first) is None, "released at the end"
    (what,) = told
    assert "waiting for its end" in what
    for other in (job(tmp_path, track=False), job(tmp_path, track=TrackOptions(promote="never"))):
        async with turn(other, ledger, "leave", told.append):
            pass


async def test_a_job_that_leaves_has_paid_nothing(tmp_path: Path):
    async with serve() as service:
        one = job(tmp_path, model=served(service), track=TrackOptions())
        with closing(Ledger(ledger_url(one))) as held:
            held.take(one.prompt_name, Holder())
            with pytest.raises(Busy):
                await asyncio.to_thread(run, one, if_busy="leave")
        assert service.requests == 0


@pytest.mark.database
def test_on_postgresql(postgres: Postgres):
    url = postgres.url()
    with closing(Ledger(url)) as one, closing(Ledger(url)) as other:
        first, second = Holder(), Holder()
        assert one.take("triage", first) is None
        assert other.take("triage", second) == first
        one.release("triage", first)
        assert other.take("triage", second) is None

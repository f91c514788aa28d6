"""A ledger whose disk is full, whose file is gone, or whose server stops: what is said and kept."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from tests.databases import Postgres
from tests.test_job import CALLS, job
from tests.test_ledger import call, outcome, told

from promptlathe.errors import StorageFailed
from promptlathe.job import run
from promptlathe.job.progress import View
from promptlathe.ledger import Ledger, ScoringTerms
from promptlathe.records import Answer


def filled(url: str) -> Ledger:
    ledger = Ledger(url)
    ledger.record([(call("a"), Answer("a"))], "run", told(outcome("a")))
    return ledger


def test_a_deleted_file_is_written_once_more_and_told(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = filled(f"sqlite:///{file}")
    for path in tmp_path.glob("ledger.db*"):
        path.unlink()
    with pytest.raises(StorageFailed, match="was deleted while the run went on") as caught:
        ledger.record([(call("b"), Answer("b"))])
    assert caught.value.exit_code == 1
    assert "start the same command again" in str(caught.value)
    ledger.close()
    again = Ledger(f"sqlite:///{file}")
    assert again.find([call("a").key]) == {call("a").key: Answer("a")}
    assert again.count("run") == 1
    again.close()


def test_another_file_in_its_place_is_told(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = filled(f"sqlite:///{file}")
    file.replace(tmp_path / "moved.db")
    file.touch()
    with pytest.raises(StorageFailed, match="another file took the place"):
        ledger.find(["a"])
    ledger.close()


FULL = """
import resource, sys
from promptlathe.errors import StorageFailed
from promptlathe.job import run
from promptlathe.job.progress import View
from promptlathe.ledger import Ledger
from promptlathe.records import Answer, Call, Message

ledger = Ledger(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
try:
    for number in range(100):
        call = Call("m", (Message("user", str(number)),))
        ledger.record([(call, Answer("x" * 20_000))])
        print(number, flush=True)
except StorageFailed as error:
    print(error, file=sys.stderr)
"""


def test_a_disk_that_gets_full_keeps_what_was_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    done = subprocess.run(
        [sys.executable, "-c", FULL, url], capture_output=True, text=True, check=True
    )
    kept = [call(number).key for number in done.stdout.split()]
    assert kept
    assert url in done.stderr
    assert "start the same command again" in done.stderr
    ledger = Ledger(url)
    assert ledger.find(kept).keys() == set(kept)
    ledger.close()


TERMS = ScoringTerms("objective", "m", "http://x", "parameters")


@pytest.mark.database
def test_postgresql_keeps_what_sqlite_keeps(postgres: Postgres) -> None:
    url = postgres.url()
    for _ in range(2):  # opening it again changes nothing
        Ledger(url).close()
    one, two = Ledger(url), Ledger(url)
    one.begin("run", TERMS, warm=True, course="course")
    rich = Answer("é", 9, 5, 0.5, "stop", ({"id": "1"},), 4, None, 2)
    one.record([(call("a"), rich)], "run", told(outcome("a"), outcome("b")))
    two.record([(call("a"), Answer("later")), (call("b"), Answer("b"))])
    keys = [call("a").key, call("b").key]
    assert two.find(keys) == {keys[0]: rich, keys[1]: Answer("b")}
    one.stop("run", "calls", told=2)
    assert two.unfinished("course") == ("run",)
    one.end("run")
    assert two.unfinished("course") == ()
    assert [len(stage.events) for stage in two.recorded("run").stages] == [2]
    two.begin("next", TERMS, warm=True)
    found = two.earlier("next", {"e-a", "e-b"})
    assert [one.example for one in found] == ["e-b", "e-a"]
    one.close()
    two.close()


@pytest.mark.database
def test_several_that_come_first_make_the_tables_once(postgres: Postgres) -> None:
    url = postgres.url()
    together = Barrier(4)

    def open_ledger(_: int) -> Ledger:
        together.wait()
        return Ledger(url)

    with ThreadPoolExecutor(4) as pool:
        for ledger in pool.map(open_ledger, range(4)):
            ledger.close()


@pytest.mark.database
def test_a_server_that_is_started_again_is_waited_for(postgres: Postgres) -> None:
    ledger = filled(postgres.url())
    postgres.stop()
    postgres.start()
    ledger.record([(call("b"), Answer("b"))], "run", told(outcome("b")))
    assert ledger.count("run") == 2
    ledger.close()


@pytest.mark.database
def test_a_server_that_stays_away_is_told_without_its_password(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptlathe.ledger.ledger.RECONNECT", (0.1,))
    url = postgres.url().replace("tests@", "tests:secret@")
    ledger = filled(url)
    postgres.stop()
    try:
        with pytest.raises(StorageFailed, match="the ledger went away") as caught:
            ledger.find(["a"])
        assert "secret" not in str(caught.value)
    finally:
        postgres.start()
    assert ledger.count("run") == 1
    ledger.close()


class Stops:
    """Progress that stops the server after so many events."""

    def __init__(self, server: Postgres, events: int) -> None:
        self.server, self.left = server, events

    def update(self, view: View) -> None:
        del view
        self.left -= 1
        if self.left == 0:
            self.server.stop()


@pytest.mark.database
def test_a_job_whose_ledger_goes_away_keeps_its_answers_and_goes_on(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("promptlathe.ledger.ledger.RECONNECT", (0.1,))
    one = job(tmp_path, ledger=postgres.url())
    try:
        with pytest.raises(StorageFailed, match="the ledger went away"):
            run(one, progress=Stops(postgres, 70))
    finally:
        postgres.start()
    result = run(one)
    assert result.verdict == "better"
    assert any(note.startswith("went on with an interrupted run") for note in result.notes)
    assert result.spent.cached_calls >= 69
    assert result.spent.used_calls == CALLS

"""The ledger: what `record` returned from is there, whatever happens next."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promptlathe.errors import InputError
from promptlathe.ledger import Ledger
from promptlathe.records import (
    Answer,
    Call,
    Candidate,
    Cell,
    Dropped,
    Event,
    Example,
    Failure,
    Message,
    Outcome,
    Prompt,
    Rewrite,
)
from promptlathe.testing.records import outcome as made

texts = st.text(st.characters(codec="utf-8"), max_size=20)
counts = st.none() | st.integers(0, 10**9)
answers = st.builds(
    Answer,
    texts,
    counts,
    counts,
    st.floats(0, 1e6),
    st.none() | st.sampled_from(["stop", "length", "content_filter"]),
)
calls = st.builds(
    Call,
    st.sampled_from(["m", "n", "modèle"]),
    st.tuples(st.builds(Message, st.just("user"), texts)),
    st.sampled_from([(), (("temperature", 0.5),), (("temperature", 0),)]),
    st.integers(0, 2),
    st.sampled_from(["", "http://a/v1", "http://b/v1"]),
)
failures = st.builds(Failure, st.sampled_from(["timeout", "server_error"]), texts)


YES = Answer("yes")


def outcome(name: str, reply: Answer | Failure = YES) -> Outcome:
    candidate = Candidate.single((), Prompt((Message("user", name),)))
    cell = Cell(candidate, Example(f"e-{name}", {}, "select"))
    return made(cell, reply, value=1.0 if isinstance(reply, Answer) else None)


def told(*events: Event) -> list[tuple[Event, int]]:
    """Each begun after as many events as stand before it here."""
    return [(event, i) for i, event in enumerate(events)]


def call(text: str, model: str = "m") -> Call:
    return Call(model, (Message("user", text),))


@contextmanager
def opened(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(f"sqlite:///{path}")
    try:
        yield ledger
    finally:
        ledger.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(calls, answers | failures), max_size=5),
            st.sampled_from(["first", "second", None]),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_what_is_recorded_is_found_in_its_order(
    batches: list[tuple[list[tuple[Call, Answer | Failure]], str | None, bool]],
) -> None:
    """Batches of calls with their replies, under runs, the file reopened before some of them."""
    known: dict[str, Answer] = {}
    asked: set[str] = set()
    orders: dict[str, list[tuple[str, str, int]]] = {"first": [], "second": []}
    with TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/ledger.db"
        ledger = Ledger(url)
        for batch, run, reopen in batches:
            if reopen:
                ledger.close()
                ledger = Ledger(url)
            events = [outcome(one.key, reply) for one, reply in batch]
            new = [(one, reply) for one, reply in batch if isinstance(reply, Answer)]
            ledger.record(new, run, told(*events))
            for one, reply in new:
                known.setdefault(one.key, reply)
            asked |= {one.key for one, _ in batch}
            if run:
                orders[run] += [one.cell.key for one in events]
        assert ledger.find(sorted(asked)) == known
        for run, order in orders.items():
            assert ledger.order(run) == order
            assert ledger.count(run) == len(order)
        ledger.close()


def test_any_number_of_keys_is_looked_up(path: Path) -> None:
    pairs = [(call(str(i)), Answer(str(i))) for i in range(1201)]
    with opened(path) as ledger:
        ledger.record(pairs)
        found = ledger.find([one.key for one, _ in pairs] + ["unknown"])
        assert found == {one.key: answer for one, answer in pairs}
        assert ledger.find([]) == {}


def test_failures_are_told_and_not_cached(path: Path) -> None:
    failed = outcome("a", Failure("timeout", "no answer"))
    with opened(path) as ledger:
        ledger.record([], "run", told(failed, outcome("b")))
        ledger.stop("run", "calls", told=2)
        assert ledger.order("run") == [failed.cell.key, outcome("b").cell.key]
        [segment] = ledger.recorded("run").stages
        [reply] = segment.failures.values()
    assert reply.reason == "timeout"


def test_what_was_dropped_is_told_with_its_limit(path: Path) -> None:
    dropped = Dropped(outcome("a").cell, "tokens")
    rewrite = Rewrite("rephrase", (Message("user", "shorter"),), 3)
    with opened(path) as ledger:
        ledger.record([], "run", told(dropped, Dropped(rewrite, "usd"), outcome("b")))
        ledger.stop("run", "tokens", told=3)
        [segment] = ledger.recorded("run").stages
    assert segment.dropped == {dropped.unit.key: "tokens", rewrite.key: "usd"}
    assert segment.failures == {}


def test_a_recorded_run_is_cut_into_its_stages(path: Path) -> None:
    events = [outcome(name) for name in "abcdefg"]
    keys = [one.cell.key for one in events]
    begun = [0, 0, 1, 2, 4, 4, 5]
    pairs = list(zip(events, begun, strict=True))
    with opened(path) as ledger:
        ledger.record([], "run", pairs[:3])
        ledger.stop("run", "minutes", told=3)
        ledger.stop("other", "calls", told=0)
    with opened(path) as ledger:
        ledger.record([], "run", pairs[3:])
        # An event that came when the stage was over was told in the next.
        ledger.stop("run", "", told=4)
        ledger.stop("run", "minutes", told=6, decision=True)
        ledger.stop("run", "", told=7, decision=True)
        course = ledger.recorded("run")
        place = list(zip(keys, begun, strict=True))
        assert [(list(s.events), s.limit) for s in course.stages] == [
            (place[:3], "minutes"),
            (place[3:4], ""),
        ]
        assert [(list(s.events), s.limit) for s in course.decision] == [
            (place[4:6], "minutes"),
            (place[6:], ""),
        ]
        assert [(s.events, s.limit) for s in ledger.recorded("other").stages] == [((), "calls")]
        assert ledger.recorded("other").decision == ()
        assert ledger.recorded("nobody").stages == ()
        assert ledger.order("run") == keys


OLD = """
CREATE TABLE answers (
    key VARCHAR(16) NOT NULL, model VARCHAR(200) NOT NULL, endpoint VARCHAR(500) NOT NULL,
    role VARCHAR(20) NOT NULL, text TEXT NOT NULL, input_tokens INTEGER, output_tokens INTEGER,
    latency FLOAT NOT NULL, finish_reason VARCHAR(40), at DATETIME NOT NULL, PRIMARY KEY (key)
);
CREATE TABLE told (
    run VARCHAR(32) NOT NULL, seq INTEGER NOT NULL, candidate VARCHAR(16) NOT NULL,
    example VARCHAR(40) NOT NULL, repeat INTEGER NOT NULL, value FLOAT, failure VARCHAR(20),
    cached BOOLEAN NOT NULL, PRIMARY KEY (run, seq)
);
CREATE TABLE stops (
    run VARCHAR(32) NOT NULL, stage INTEGER NOT NULL, told INTEGER NOT NULL,
    "limit" VARCHAR(20) NOT NULL, PRIMARY KEY (run, stage)
);
INSERT INTO told VALUES ('old', 0, 'c', 'e', 0, 1.0, NULL, 0);
INSERT INTO told VALUES ('old', 1, 'c', 'f', 0, NULL, 'timeout', 0);
INSERT INTO stops VALUES ('old', 0, 2, 'calls');
"""


def test_a_ledger_of_an_older_version_gets_what_it_lacks(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as old:
        old.executescript(OLD)
        old.execute(
            "INSERT INTO answers VALUES (?, 'm', '', 'task', 'known', 3, 1, 0.5, 'stop', ?)",
            (call("a").key, "2025-01-01 00:00:00.000000"),
        )
        old.commit()
    rich = Answer("b", 9, 5, tool_calls=({"id": "1"},), cached_tokens=4, reasoning_tokens=2)
    for _ in range(2):  # opening it again changes nothing
        with opened(path) as ledger:
            assert ledger.find([call("a").key]) == {
                call("a").key: Answer("known", 3, 1, 0.5, "stop")
            }
            [segment] = ledger.recorded("old").stages
            assert segment.events == ((("c", "e", 0), 0), (("c", "f", 0), 0))
            assert segment.failures.keys() == {("c", "f", 0)}
            ledger.record([(call("b"), rich)], "new", told(outcome("b")))
            assert ledger.find([call("b").key]) == {call("b").key: rich}


def test_two_ledgers_on_one_file_share_what_they_know(path: Path) -> None:
    with opened(path) as one, opened(path) as two:
        one.record([(call("a"), Answer("from one"))], "one", told(outcome("a")))
        assert two.find([call("a").key]) == {call("a").key: Answer("from one")}
        # Both have paid for it: the answer that was first is kept, and nothing fails.
        two.record([(call("a"), Answer("from two"))], "two", told(outcome("a"), outcome("b")))
        two.record([(call("b"), Answer("b"))])
        found = one.find([call("a").key, call("b").key])
        assert found == {call("a").key: Answer("from one"), call("b").key: Answer("b")}
        assert one.order("two") == [outcome("a").cell.key, outcome("b").cell.key]


DIES = """
import os, signal, sys
from promptlathe.ledger import Ledger
from promptlathe.records import Answer, Call, Candidate, Cell, Example, Message, Prompt
from promptlathe.testing.records import outcome

ledger = Ledger(sys.argv[1])
for i in range(20):
    candidate = Candidate.single((), Prompt((Message("user", str(i)),)))
    cell = Cell(candidate, Example(f"e{i}", {}, "select"))
    call = Call("m", (Message("user", str(i)),))
    ledger.record([(call, Answer(f"answer {i}"))], "run", [(outcome(cell, Answer("x")), i)])
    print(i, flush=True)
"""
ENDS = {"os._exit": "os._exit(0)", "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)"}


@pytest.mark.parametrize("end", ENDS)
def test_a_process_that_dies_loses_nothing(path: Path, end: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIES + ENDS[end], f"sqlite:///{path}"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    assert done.stdout.split() == [str(i) for i in range(20)]
    with opened(path) as ledger:
        found = ledger.find([call(str(i)).key for i in range(20)])
        assert sorted(answer.text for answer in found.values()) == sorted(
            f"answer {i}" for i in range(20)
        )
        assert [example for _, example, _ in ledger.order("run")] == [f"e{i}" for i in range(20)]


def test_it_is_flushed_to_the_disk_at_every_commit(path: Path) -> None:
    """What a power cut needs, and no test can show otherwise."""
    with opened(path) as ledger:
        [[level]] = ledger._connection.exec_driver_sql("PRAGMA synchronous").fetchall()
    assert level == 2  # FULL


def not_a_database(folder: Path) -> str:
    (folder / "notes.txt").write_text("some text that is longer than a header of SQLite's")
    return f"sqlite:///{folder / 'notes.txt'}"


def another_program(folder: Path) -> str:
    with sqlite3.connect(folder / "other.db") as other:
        other.execute("CREATE TABLE answers (question TEXT)")
    return f"sqlite:///{folder / 'other.db'}"


def behind_a_file(folder: Path) -> str:
    (folder / "file").touch()
    return f"sqlite:///{folder / 'file' / 'ledger.db'}"


URLS: dict[str, Callable[[Path], str]] = {
    "no URL": lambda folder: "ledger.db",
    "unknown database": lambda folder: "nosql://somewhere/ledger",
    "missing driver": lambda folder: "oracle://someone:hidden@127.0.0.1:1/ledger",
    "a folder": lambda folder: f"sqlite:///{folder}",
    "not a database": not_a_database,
    "behind a file": behind_a_file,
    "another program's": another_program,
}


@pytest.mark.parametrize("case", URLS)
def test_what_cannot_be_opened_is_an_input_error(tmp_path: Path, case: str) -> None:
    url = URLS[case](tmp_path)
    with pytest.raises(InputError) as caught:
        with_answer(url)
    message = str(caught.value)
    assert "hidden" not in message
    assert url.split("://")[0] in message
    assert "ledger:" in message


def with_answer(url: str) -> None:
    ledger = Ledger(url)
    try:
        ledger.record([(call("a"), Answer("a"))])
    finally:
        ledger.close()

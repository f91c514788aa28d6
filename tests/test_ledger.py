"""The ledger: what `record` returned from is there, whatever happens next."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    Example,
    Failure,
    Message,
    Outcome,
    Prompt,
)

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
    value = 1.0 if isinstance(reply, Answer) else None
    return Outcome(Cell(candidate, Example(f"e-{name}", {}, "select")), reply, value=value)


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
            told = [outcome(one.key, reply) for one, reply in batch]
            new = [(one, reply) for one, reply in batch if isinstance(reply, Answer)]
            ledger.record(new, run, told)
            for one, reply in new:
                known.setdefault(one.key, reply)
            asked |= {one.key for one, _ in batch}
            if run:
                orders[run] += [one.cell.key for one in told]
        assert ledger.find(sorted(asked)) == known
        for run, order in orders.items():
            assert ledger.order(run) == order
            assert ledger.count(run) == len(order)
        ledger.close()


def test_any_number_of_keys_is_looked_up(path: Path) -> None:
    made = [(call(str(i)), Answer(str(i))) for i in range(1201)]
    with opened(path) as ledger:
        ledger.record(made)
        found = ledger.find([one.key for one, _ in made] + ["unknown"])
        assert found == {one.key: answer for one, answer in made}
        assert ledger.find([]) == {}


def test_failures_are_told_and_not_cached(path: Path) -> None:
    failed = outcome("a", Failure("timeout", "no answer"))
    with opened(path) as ledger:
        ledger.record([], "run", [failed, outcome("b")])
        ledger.stop("run", "calls")
        assert ledger.order("run") == [failed.cell.key, outcome("b").cell.key]
        [reply] = ledger.course("run").failures.values()
    assert reply.reason == "timeout"


def test_the_course_of_a_run_is_cut_into_its_stages(path: Path) -> None:
    told = [outcome(name) for name in "abcdef"]
    keys = [one.cell.key for one in told]
    with opened(path) as ledger:
        ledger.record([], "run", told[:3])
        ledger.stop("run", "minutes")
        ledger.stop("other", "calls")
    with opened(path) as ledger:
        ledger.record([], "run", told[3:4])
        ledger.stop("run", "")
        ledger.record([], "run", told[4:])
        ledger.stop("run", "minutes", decision=True)
        assert ledger.course("run").stages == ((tuple(keys[:3]), "minutes"), (tuple(keys[3:4]), ""))
        assert ledger.course("run").decision == (tuple(keys[4:]), "minutes")
        assert ledger.course("other").stages == (((), "calls"),)
        assert ledger.course("other").decision is None
        assert ledger.course("nobody").stages == ()
        assert ledger.order("run") == keys


def test_two_ledgers_on_one_file_share_what_they_know(path: Path) -> None:
    with opened(path) as one, opened(path) as two:
        one.record([(call("a"), Answer("from one"))], "one", [outcome("a")])
        assert two.find([call("a").key]) == {call("a").key: Answer("from one")}
        # Both have paid for it: the answer that was first is kept, and nothing fails.
        two.record([(call("a"), Answer("from two"))], "two", [outcome("a"), outcome("b")])
        two.record([(call("b"), Answer("b"))])
        found = one.find([call("a").key, call("b").key])
        assert found == {call("a").key: Answer("from one"), call("b").key: Answer("b")}
        assert one.order("two") == [outcome("a").cell.key, outcome("b").cell.key]


DIES = """
import os, signal, sys
from promptlathe.ledger import Ledger
from promptlathe.records import Answer, Call, Candidate, Cell, Example, Message, Outcome, Prompt

ledger = Ledger(sys.argv[1])
for i in range(20):
    cell = Cell(Candidate.single((), Prompt((Message("user", str(i)),))), Example(f"e{i}", {}, "select"))
    call = Call("m", (Message("user", str(i)),))
    ledger.record([(call, Answer(f"answer {i}"))], "run", [Outcome(cell, Answer("x"), value=1.0)])
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
    import sqlite3

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

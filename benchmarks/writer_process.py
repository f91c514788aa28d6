"""What recording a run in MLflow takes from the process that makes the calls.

    python benchmarks/writer_process.py [--candidates 100] [--rows 150]

The same record twice into an empty SQLite store: by `Book` in this process, and through
`MlflowTracker`, which hands it to a process of its own. Wall time, and processor time of this
process, in milliseconds. Each way runs in a fresh interpreter.
"""

import argparse
import asyncio
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

from promptlathe.decide import Comparison
from promptlathe.records import (
    Answer,
    Call,
    Candidate,
    Cell,
    Estimate,
    Example,
    FinalistName,
    Message,
    Outcome,
    Prompt,
    Sent,
    Standing,
    Trace,
)
from promptlathe.track import About, Conclusion, MlflowTracker, default_artifacts, default_uri
from promptlathe.track.backend import Backend, environment
from promptlathe.track.book import Book
from promptlathe.track.records import Candidacy, TestRow

TEXT = "Say which team should handle the ticket. " * 60  # 2,400 characters


def candidate(number: int) -> Candidate:
    messages = Message("system", f"{TEXT}{number}"), Message("user", "Ticket: {{ text }}")
    return Candidate.single(
        tuple((f"part{i}", f"level {number}") for i in range(8)), Prompt(messages)
    )


def outcome(side: Candidate, number: int) -> Outcome:
    row = Example(
        f"row{number}", {"text": "Where is my parcel? " * 10, "label": "delivery"}, "test"
    )
    sent = Sent(Call("pocket", side.prompt.messages), Answer("delivery", 700, 2, 0.1))
    scores = {"exact_match": 1.0}
    return Outcome(Cell(side, row), Trace("delivery", (sent,)), scores, 1.0, "delivery")


NOW = 1_700_000_000_000
ABOUT = About("bench", "bench", "bench", "model: pocket\n", "pocket", "label")


def standings(count: int) -> list[Standing]:
    estimate = Estimate(0.5, 0.4, 0.6, 100)
    return [
        Standing(candidate(number), estimate, "complete", 100, 70_000, 0.0, 0, 0, 0, number)
        for number in range(count)
    ]


def test_rows(count: int) -> list[TestRow]:
    sides: tuple[tuple[FinalistName, Candidate], ...]
    sides = ("seed", candidate(0)), ("best", candidate(1))
    return [TestRow(side, outcome(one, number)) for number in range(count) for side, one in sides]


def conclusion(rows: int) -> Conclusion:
    first, second = candidate(0).prompts, candidate(1).prompts
    comparison = Comparison(0.5, 0.6, 0.1, 0.02, 0.18, rows, 0)
    return Conclusion("better", "budget: calls", first, second, comparison, True, "bench")


def by_book(state: Path, candidates: int, rows: int) -> None:
    """One run, as its records would arrive, by `Book` in this process."""
    clock = Clock()
    book = Book(Backend(default_uri(state), default_artifacts(state)), "bench")
    book.start(ABOUT)
    clock.show("import, open, start")
    for standing in standings(candidates):
        book.candidate(Candidacy(standing), NOW)
    clock.show(f"{candidates} candidates")
    told = [(row, NOW) for row in test_rows(rows)]
    for first in range(0, len(told), 30):
        book.rows(told[first : first + 30])
    clock.show(f"2 × {rows} test rows")
    book.conclude(conclusion(rows), NOW)
    clock.show("conclude")


async def by_tracker(state: Path, candidates: int, rows: int) -> None:
    """The same through the spool, by a process of its own."""
    clock = Clock()
    uri, artifacts = default_uri(state), default_artifacts(state)
    with MlflowTracker(state, "bench", uri, artifacts) as tracker:
        tracker.start(ABOUT)
        clock.show("start returns")
        while not tracker.started.done():
            await asyncio.sleep(0.05)
        clock.show("the run is there")
        for standing in standings(candidates):
            tracker.candidate(Candidacy(standing))
        clock.show(f"{candidates} candidates")
        for row in test_rows(rows):
            tracker.test_outcome(row.side, row.outcome)
        clock.show(f"2 × {rows} test rows")
        tracker.conclude(conclusion(rows))
        clock.show("conclude")
        await tracker.settle()
        clock.show("all is written")


class Clock:
    def __init__(self) -> None:
        self._wall, self._cpu = perf_counter(), process_time()

    def show(self, what: str) -> None:
        wall, cpu = perf_counter(), process_time()
        print(f"  {what:22} {1000 * (wall - self._wall):8.0f} wall  ", end="")
        print(f"{1000 * (cpu - self._cpu):8.0f} processor", flush=True)
        self._wall, self._cpu = perf_counter(), process_time()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--rows", type=int, default=150)
    parser.add_argument("--way", choices=("book", "tracker"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way is None:
        again = [sys.executable, __file__, *sys.argv[1:], "--way"]
        print("in the same process")
        subprocess.run([*again, "book"], check=True, env=environment())
        print("in a process of its own")
        subprocess.run([*again, "tracker"], check=True)
        return
    with TemporaryDirectory() as folder:
        state = Path(folder)
        if options.way == "book":
            by_book(state, options.candidates, options.rows)
        else:
            asyncio.run(by_tracker(state, options.candidates, options.rows))


if __name__ == "__main__":
    main()

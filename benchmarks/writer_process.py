"""What recording a run in MLflow takes from the process that makes the calls.

    python benchmarks/writer_process.py [--candidates 100] [--rows 150]

The same record twice into an empty SQLite store: by `Book` in this process, and through
`MlflowTracker`, which hands it to a process of its own. Wall time, and processor time of this
process, in milliseconds. Each way runs in a fresh interpreter.
"""

import argparse
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
    Message,
    Outcome,
    Prompt,
    Sent,
    Standing,
    Trace,
)
from promptlathe.track import About, Conclusion, MlflowTracker, default_artifacts, default_uri
from promptlathe.track.backend import environment
from promptlathe.track.book import Book

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


def record(writer: Book | MlflowTracker, candidates: int, rows: int) -> None:
    """One run: candidates, and both sides of the comparison, as they would arrive."""
    clock = Clock()
    writer.start(About("bench", "bench", "bench", "model: pocket\n", "pocket", "label"))
    if isinstance(writer, MlflowTracker):
        clock.show("start returns")
        writer.ready.result()
        clock.show("the run is there")
    else:
        clock.show("import, open, start")
    for number in range(candidates):
        estimate = Estimate(0.5, 0.4, 0.6, 100)
        standing = Standing(
            candidate(number), estimate, "complete", 100, 70_000, 0.0, 0, 0, 0, number
        )
        writer.candidate(standing)
        if isinstance(writer, Book) and number % 30 == 29:
            writer.flush()
    if isinstance(writer, Book):
        writer.flush()
    clock.show(f"{candidates} candidates")
    for number in range(rows):
        for side, one in (("seed", candidate(0)), ("best", candidate(1))):
            writer.test_outcome(side, outcome(one, number))  # type: ignore[arg-type]
    if isinstance(writer, Book):
        writer.flush()
    clock.show(f"2 × {rows} test rows")
    first, second = candidate(0).prompts, candidate(1).prompts
    comparison = Comparison(0.5, 0.6, 0.1, 0.02, 0.18, rows, 0)
    writer.conclude(Conclusion("better", "budget: calls", first, second, comparison, True, "bench"))
    clock.show("conclude")


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
        subprocess.run([*again, "book"], check=True, env=environment(None))
        print("in a process of its own")
        subprocess.run([*again, "tracker"], check=True)
        return
    with TemporaryDirectory() as folder:
        state = Path(folder)
        store = default_uri(state), default_artifacts(state)
        if options.way == "book":
            record(Book(*store), options.candidates, options.rows)
        else:
            with MlflowTracker(*store) as tracker:
                record(tracker, options.candidates, options.rows)


if __name__ == "__main__":
    main()

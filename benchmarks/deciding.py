"""What deciding costs: milliseconds a cell that the policy `lathe` takes, and its memory.

    python benchmarks/deciding.py [--case demo,large] [--json OUT]

    demo   2,000 calls in the space of `search_spaces/support_triage.yaml`, 300 examples
    large  100,000 calls in a space of 10^6 candidates (6 components of 10 texts), 1,000 examples

No model is asked: answers are simulated, and their making is not counted. One cell is in flight,
and the search does not end by itself. `ms a cell` is the mean wall time of `propose` and `tell`
over the run; `last tenth` that of its last tenth, with the most outcomes; `longest` one cell's,
which is a refit. Each case has a process of its own; `peak MB` is the most memory it ever held.
"""

import argparse
import json
import math
import multiprocessing
import resource
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from promptlathe.records import Answer, Cell, Example
from promptlathe.search.lathe import LathePolicy, Settings
from promptlathe.space import BoundSpace, Choice, SearchSpace
from promptlathe.testing.records import outcome

DEMO = Path(__file__).parents[1] / "search_spaces" / "support_triage.yaml"
LABELS = ("billing", "delivery", "cancellation", "how_to")
WORDS = ("answer", "label", "only", "name", "team", "ticket", "handle", "brief", "exact", "think")


@dataclass(frozen=True)
class Row:
    """The figures of one case."""

    case: str
    calls: int
    candidates: int
    """That met an example."""
    ms: float
    ms_last_tenth: float
    longest_ms: float
    peak_mb: float


def demo() -> tuple[BoundSpace, int, int]:
    """(space, examples, calls) of the demo's space, with made-up rows to show."""
    rows = [
        Example(f"t{i:03}", {"text": f"No. {i}, about {label}", "label": label}, "train")
        for i, label in enumerate(LABELS * 15)
    ]
    return BoundSpace(SearchSpace.load(DEMO), rows), 300, 2_000


def large() -> tuple[BoundSpace, int, int]:
    """(space, examples, calls) of six components with ten texts each."""
    rng = np.random.default_rng(0)
    names = [f"part{i}" for i in range(6)]
    parts = {
        name: Choice({f"{name}-{k}": f"{name} {k}: " + _text(rng) for k in range(10)})
        for name in names
    }
    message = " ".join(f"{{{{ {name} }}}}" for name in names) + " {{ text }}"
    return BoundSpace(SearchSpace(messages=message, components=parts), []), 1_000, 100_000


CASES: dict[str, Callable[[], tuple[BoundSpace, int, int]]] = {"demo": demo, "large": large}


def run(case: str) -> Row:
    """One case, in this process."""
    space, count, calls = CASES[case]()
    examples = [Example(f"e{i:04}", {"text": f"question {i}"}, "select") for i in range(count)]
    answer = _answers(np.random.default_rng(1), examples)
    settings = Settings(doubt=0)
    begin = time.perf_counter()
    policy = LathePolicy(space, examples, study=None, seed=0, settings=settings)
    spent = [time.perf_counter() - begin]
    while len(spent) <= calls:
        begin = time.perf_counter()
        cells = policy.propose((), 1)
        proposed = time.perf_counter()
        if not cells:
            break
        value = answer(cells[0])
        event = outcome(cells[0], Answer("", 100, 10), {"score": value}, value)
        told = time.perf_counter()
        policy.tell(event)
        spent.append(proposed - begin + time.perf_counter() - told)
    ms = 1000 * np.array(spent)
    return Row(
        case=case,
        calls=len(ms) - 1,
        candidates=len(policy.standings),
        ms=float(ms.mean()),
        ms_last_tenth=float(ms[-len(ms) // 10 :].mean()),
        longest_ms=float(ms.max()),
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )


def _answers(rng: np.random.Generator, examples: list[Example]) -> Callable[[Cell], float]:
    """Right or wrong at random: effects of the levels against the example's difficulty."""
    hard = dict(zip((e.id for e in examples), 2 * rng.standard_normal(len(examples)), strict=True))

    def answer(cell: Cell) -> float:
        hashes = (zlib.crc32(repr(level).encode()) for level in cell.candidate.levels)
        logit = sum(0.8 * (h / 2**32 - 0.5) for h in hashes) - hard[cell.example.id]
        return float(rng.random() < 1 / (1 + math.exp(-logit)))

    return answer


def _text(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(WORDS, 8))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", default="demo,large", metavar="NAMES")
    parser.add_argument("--json", type=Path, metavar="OUT", help="where the rows are written")
    args = parser.parse_args()
    cases = args.case.split(",")
    if unknown := set(cases) - CASES.keys():
        parser.error(f"no case {', '.join(sorted(unknown))}; there are: {', '.join(CASES)}")
    rows: list[Row] = []
    print("case     calls  candidates  ms a cell  last tenth  longest  peak MB")
    for case in cases:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            row = pool.submit(run, case).result()
        rows.append(row)
        print(
            f"{row.case:6} {row.calls:7,} {row.candidates:11,} {row.ms:10.3f} "
            f"{row.ms_last_tenth:11.3f} {row.longest_ms:8.0f} {row.peak_mb:8.0f}",
            flush=True,
        )
    if args.json is not None:
        args.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Whether a job's verdict, gain and interval are true, in simulated worlds: no model is asked.

    python benchmarks/honesty.py [--runs 200] [--calls 600] [--before 0] [--soft] [--jobs 2]
        [--json OUT]

Each run is a world of its own (lab/factorial.py, 720 candidates): the policy `lathe` searches on
100 examples from a random seed prompt, ends by itself or after `--calls`, and then seed and best
are compared as a job does it (promptlathe.decide) on 143 fresh examples of the same kind. `null`
are worlds in which no candidate differs; `structured` are equal parts of all other kinds.

The true gain is the difference in success over all examples of that kind. What a comparison says
of one and the same best varies by several points with the rows it is given, so each run is
compared on SETS independent sets of fresh rows; the search is the same for all of them. `better`
and `first` are the shares of the verdict `better` on all sets, and on the first set of each run,
which is what 200 jobs would have said. +- is one standard error over runs.

`--before N`: the search remembers a run of N calls of another model, whose examples are as hard and
whose prompts are as good. `--soft`: the model says how likely the right answers were, up to an
offset of each prompt's and an error of each answer's.
"""

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lab.factorial import (  # isort: skip  # before numpy: it sets the number of threads
    KINDS,
    Factorial,
    Kind,
    draw_difficulties,
    simulate,
)
import numpy as np

from lab.schemes.lathe import WorldLandscape
from lab.warmed import run_before
from promptlathe.decide import Comparison, compare
from promptlathe.records import Candidate, Cell, Example, Outcome, Trace
from promptlathe.search.lathe import LathePolicy

SIZE = "720x200"
SELECT, TEST, SETS = 100, 143, 20
POPULATION = 100_000
"""Examples over which the true gain is taken."""
OFFSET, ERROR = 0.5, 1.0
"""Standard deviations on the logit scale, of the chances that a model says."""


@dataclass(frozen=True)
class Run:
    """One search and its comparisons; shares and points (0 to 100), lists have SETS items."""

    kind: Kind
    calls: int
    changed: bool
    """The best is not the seed."""
    truth: float
    gains: list[float]
    better: list[bool]
    covered: list[bool]


@dataclass(frozen=True)
class Given:
    """Of all searches."""

    calls: int
    before: int
    soft: bool


def run(kind: Kind, seed: int, given: Given) -> Run:
    rng = np.random.default_rng([seed, 11])
    base = simulate(kind, SIZE, seed)
    drawn = draw_difficulties(rng, SELECT + SETS * TEST)
    world = replace(base, examples=SELECT, difficulties=drawn)
    first, best, spent = _search(world, seed, given, rng)
    everyone = replace(base, difficulties=draw_difficulties(rng, POPULATION))
    truth = 100 * float(everyone.quality(_codes(best)) - everyone.quality(_codes(first)))
    found = [_compared(world, first, best, SELECT + i * TEST) for i in range(SETS)]
    return Run(
        kind=kind,
        calls=spent,
        changed=best != first,
        truth=truth,
        gains=[100 * one.gain for one in found],
        better=[one.verdict == "better" for one in found],
        covered=[bool(100 * one.low <= truth <= 100 * one.high) for one in found],
    )


def _search(
    world: Factorial, seed: int, given: Given, rng: np.random.Generator
) -> tuple[Candidate, Candidate, int]:
    """(seed, best, calls that were made)."""
    landscape = WorldLandscape(world)
    landscape.seed = landscape.point(
        tuple(int(rng.integers(len(c.levels))) for c in world.components)
    )
    examples = [_example(i) for i in range(SELECT)]
    another = replace(world, seed=seed + 5000)  # other luck with each answer
    earlier = run_before(another, seed, given.before, "another")
    policy = LathePolicy(landscape, examples, study=None, seed=seed, earlier=earlier)
    spent = 0
    while spent < given.calls and (cells := policy.propose((), 1)):
        outcome = _outcome(world, cells[0])
        policy.tell(replace(outcome, soft=_soft(world, cells[0])) if given.soft else outcome)
        spent += 1
    policy.close()
    return policy.seed.candidate, policy.best.candidate, spent


def _compared(world: Factorial, first: Candidate, best: Candidate, start: int) -> Comparison:
    examples = [_example(i) for i in range(start, start + TEST)]
    sides = [[_outcome(world, Cell(side, e)) for e in examples] for side in (first, best)]
    found = compare(*sides)
    assert found is not None
    return found


def _outcome(world: Factorial, cell: Cell) -> Outcome:
    value = world.outcome(_codes(cell.candidate), int(cell.example.id), cell.repeat)
    return Outcome(cell, Trace(""), {"score": value}, value)


def _soft(world: Factorial, cell: Cell) -> float:
    """How likely the right answer was, as the model has it."""
    prompt, place = world.logit(_codes(cell.candidate)), int(cell.example.id)
    offset = np.random.default_rng([world.seed, 13, round(1e6 * abs(prompt))]).standard_normal()
    error = np.random.default_rng([world.seed, 17, round(1e6 * abs(prompt)), place])
    ahead = prompt - world.difficulties[place] + OFFSET * offset + ERROR * error.standard_normal()
    return float(1 / (1 + np.exp(-ahead)))


def _example(number: int) -> Example:
    return Example(f"{number:06}", {}, "select" if number < SELECT else "test")


def _codes(candidate: Candidate) -> tuple[int, ...]:
    return tuple(int(code) for _, code in candidate.levels)


def summary(name: str, runs: Sequence[Run]) -> dict[str, object]:
    """Means over runs, and their standard errors."""

    def both(values: Sequence[float]) -> list[float]:
        return [float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))]

    return {
        "worlds": name,
        "runs": len(runs),
        "calls": float(np.mean([run.calls for run in runs])),
        "first": float(np.mean([run.better[0] for run in runs])),
        "better": both([float(np.mean(run.better)) for run in runs]),
        "true gain": both([run.truth for run in runs]),
        "gain": both([float(np.mean(run.gains)) for run in runs]),
        "bias": both([float(np.mean(run.gains)) - run.truth for run in runs]),
        "covered": both([float(np.mean(run.covered)) for run in runs]),
    }


def _print(rows: Sequence[dict[str, object]]) -> None:
    for row in rows:
        print("\n" + str(row["worlds"]))
        for key, value in list(row.items())[1:]:
            numbers = value if isinstance(value, list) else [value]
            share = key in ("first", "better", "covered")
            texts = [f"{x:.1%}" if share else f"{x:.3g}" for x in numbers]
            print(f"  {key:10} {' +- '.join(texts)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200, help="of null, and of structured worlds")
    parser.add_argument("--calls", type=int, default=600, help="at most, of a search")
    parser.add_argument("--before", type=int, default=0, help="calls of an earlier run")
    parser.add_argument("--soft", action="store_true", help="the model says chances of labels")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--json", type=Path, metavar="OUT", help="where the figures are written")
    args = parser.parse_args()
    structured: list[Kind] = [kind for kind in KINDS if kind != "null"]
    null: Kind = "null"
    kinds = [null for _ in range(args.runs)]
    kinds += [structured[i % len(structured)] for i in range(args.runs)]
    numbers = list(range(len(kinds)))
    with ProcessPoolExecutor(args.jobs) as pool:
        runs = list(
            pool.map(run, kinds, numbers, [Given(args.calls, args.before, args.soft)] * len(kinds))
        )
    groups = {
        "null": [r for r in runs if r.kind == "null"],
        "null, best differs from seed": [r for r in runs if r.kind == "null" and r.changed],
        "structured": [r for r in runs if r.kind != "null"],
        "structured, best differs from seed": [r for r in runs if r.kind != "null" and r.changed],
    }
    groups |= {kind: [r for r in runs if r.kind == kind] for kind in structured}
    rows = [summary(name, found) for name, found in groups.items() if len(found) > 1]
    _print(rows)
    if args.json is not None:
        document = {"summary": rows, "runs": [asdict(one) for one in runs]}
        args.json.write_text(json.dumps(document) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

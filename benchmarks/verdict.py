"""Is a variant of a policy better? Paired, with an interval, and once more on other seeds.

    python benchmarks/verdict.py BASE.json[:POLICY] VARIANT.json[:POLICY]
        [--again BASE.json[:POLICY] VARIANT.json[:POLICY]] [--tuned NAMES|half] [--most 1.0]
        [--kinds]

The files are what replay.py, simulated.py and warm.py write with --json, with the same tables,
seeds and calls; the policy is `lathe` where none is named, and another one of the same file may be
the base: `OUT.json:halving OUT.json:lathe`. At each number of calls the ratio of the mean regrets,
with the 95 % percentile bootstrap interval over tables, and seeds within each; `seeds only` keeps
the tables, and says less: what these tables show.

`--tuned` names the tables on which constants were chosen (half: every second one by name, as for
the recorded tables): they are shown apart, and the verdict is on the others. `--again` gives the
same for other seeds. A variant is `better` where the interval is below 1 in both, `worse` where it
is above --most in either (1.0; 1.1: "not worse than 1.1"), else it is `no difference shown`. With
fewer than 7 seeds, or without --again, there is no verdict. Exit code 1 when worse anywhere.
`--kinds` shows the tables of each kind by themselves, all seeds together, `seeds only`: those whose
names begin with the same word (`additive-100x50`, `additive-720x200`).
"""

import argparse
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lab.bench import main
from promptlathe.errors import InputError

DRAWS = 4000
FEWEST_SEEDS = 7


@dataclass(frozen=True)
class Runs:
    """Regret of one policy: tables x seeds x calls."""

    tables: tuple[str, ...]
    seeds: tuple[int, ...]
    calls: tuple[int, ...]
    regret: np.ndarray

    def of(self, tables: Sequence[str]) -> "Runs":
        places = [self.tables.index(one) for one in tables]
        return Runs(tuple(tables), self.seeds, self.calls, self.regret[places])

    def also(self, other: "Runs") -> "Runs":
        """With the other seeds of the same tables."""
        regret = np.concatenate([self.regret, other.regret], axis=1)
        return Runs(self.tables, self.seeds + other.seeds, self.calls, regret)


@dataclass(frozen=True)
class Ratio:
    """Of the variant's mean regret and the base's, at one number of calls."""

    calls: int
    ratio: float
    low: float
    high: float
    seeds_low: float
    seeds_high: float


def load(given: str) -> Runs:
    """FILE[:POLICY]. Raises InputError."""
    name, policy = given, "lathe"
    if not Path(given).is_file() and ".json:" in given:
        before, _, policy = given.partition(".json:")
        name = f"{before}.json"
    try:
        rows = json.loads(Path(name).read_text(encoding="utf-8"))
        rows = [row for row in rows if row["policy"] == policy]
        found = {(r["table"], r["seed"], r["calls"]): r["regret"] for r in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"cannot be read: {error}", name, "give what --json wrote") from error
    if not found:
        raise InputError(f"no rows of the policy {policy!r}", name, "run it with --policy")
    tables, seeds, calls = (sorted({key[i] for key in found}) for i in range(3))
    try:
        values = [[[found[t, s, c] for c in calls] for s in seeds] for t in tables]
    except KeyError as error:
        raise InputError(f"no row for {error}", name, "let the benchmark end first") from error
    return Runs(tuple(tables), tuple(seeds), tuple(calls), np.array(values))


def paired(base: str, variant: str) -> tuple[Runs, Runs]:
    """Both, of the same tables, seeds and calls. Raises InputError."""
    one, other = load(base), load(variant)
    for what in ("tables", "seeds", "calls"):
        if getattr(one, what) != getattr(other, what):
            raise InputError(f"other {what} than {base}", variant, f"use the same {what}")
    return one, other


def ratios(base: Runs, variant: Runs) -> list[Ratio]:
    tables, seeds, _ = base.regret.shape
    rng = np.random.default_rng(0)
    table = rng.integers(tables, size=(DRAWS, tables, 1))
    seed = rng.integers(seeds, size=(DRAWS, tables, seeds))
    kept = np.arange(tables)[None, :, None]
    both = _interval(base, variant, table, seed)
    within = _interval(base, variant, kept, seed)
    means = variant.regret.mean((0, 1)) / np.maximum(base.regret.mean((0, 1)), 1e-12)
    return [
        Ratio(calls, float(mean), *map(float, both[:, i]), *map(float, within[:, i]))
        for i, (calls, mean) in enumerate(zip(base.calls, means, strict=True))
    ]


def _interval(base: Runs, variant: Runs, table: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """(2, calls)."""
    drawn = [one.regret[table, seed].mean((1, 2)) for one in (base, variant)]
    return np.quantile(drawn[1] / np.maximum(drawn[0], 1e-12), (0.025, 0.975), axis=0)


def verdict(first: Ratio, again: Ratio, most: float) -> str:
    both = (first, again)
    if all(one.high < 1 for one in both):
        return "better"
    return "worse" if any(one.low > most for one in both) else "no difference shown"


def shown(title: str, found: Sequence[Ratio]) -> None:
    print(f"\n{title}\n{'calls':>8}  ratio  [95 %]          seeds only")
    for one in found:
        print(
            f"{one.calls:8,}  {_shown(one.ratio):>5}  [{_shown(one.low)}, {_shown(one.high)}]"
            f"    [{_shown(one.seeds_low)}, {_shown(one.seeds_high)}]"
        )


def shown_by_kind(base: Runs, variant: Runs) -> None:
    """A kind is the word that the names of its tables begin with."""
    kinds: dict[str, list[str]] = {}
    for table in base.tables:
        kinds.setdefault(re.split("[-_]", table)[0], []).append(table)
    width = max(map(len, kinds))
    print(f"\nby kind, {len(base.seeds)} seeds [95 %, seeds only]")
    print(" " * width + "".join(f"{calls:>20,}" for calls in base.calls))
    for kind, tables in kinds.items():
        found = ratios(base.of(tables), variant.of(tables))
        cells = (
            f"{_shown(one.ratio)} [{_shown(one.seeds_low)}, {_shown(one.seeds_high)}]"
            for one in found
        )
        print(f"{kind:{width}}" + "".join(f"{cell:>20}" for cell in cells))


def _shown(ratio: float) -> str:
    """Where the base came to no regret, there is no ratio to tell."""
    return f"{ratio:.2f}" if ratio < 100 else "inf"


def split(tables: Sequence[str], tuned: str) -> tuple[list[str], list[str]]:
    """Those that constants were chosen on, and the others. Raises InputError."""
    chosen = list(tables[::2]) if tuned == "half" else [t for t in tuned.split(",") if t]
    if unknown := sorted(set(chosen) - set(tables)):
        raise InputError(f"no table {', '.join(unknown)}", "--tuned", f"there are {tables}")
    others = [one for one in tables if one not in chosen]
    if not others:
        raise InputError("no table is left for the verdict", "--tuned", "set some aside")
    return chosen, others


def bench(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base")
    parser.add_argument("variant")
    parser.add_argument("--again", nargs=2, metavar=("BASE", "VARIANT"))
    parser.add_argument("--tuned", default="", metavar="NAMES")
    parser.add_argument("--most", type=float, default=1.0)
    parser.add_argument("--kinds", action="store_true")
    args = parser.parse_args(argv)
    first = paired(args.base, args.variant)
    tuned, others = split(first[0].tables, args.tuned)
    if tuned:
        shown("constants were chosen on these tables", ratios(*(one.of(tuned) for one in first)))
    found = ratios(*(one.of(others) for one in first))
    count = f"{len(others)} tables, seeds {first[0].seeds[0]} to {first[0].seeds[-1]}"
    shown(count, found)
    if args.again is None:
        if args.kinds:
            shown_by_kind(*first)
        print("\nno verdict: run both on other seeds, and give them with --again")
        return 0
    again = paired(*args.again)
    same = all(getattr(again[0], what) == getattr(first[0], what) for what in ("tables", "calls"))
    if not same or set(first[0].seeds) & set(again[0].seeds):
        what = "not the same tables and calls with other seeds"
        raise InputError(what, "--again", "use --first")
    repeated = ratios(*(one.of(others) for one in again))
    shown(f"once more, seeds {again[0].seeds[0]} to {again[0].seeds[-1]}", repeated)
    if args.kinds:
        shown_by_kind(*(one.also(other) for one, other in zip(first, again, strict=True)))
    if min(len(first[0].seeds), len(again[0].seeds)) < FEWEST_SEEDS:
        print(f"\nno verdict: fewer than {FEWEST_SEEDS} seeds")
        return 0
    said = [verdict(*pair, args.most) for pair in zip(found, repeated, strict=True)]
    print()
    for one, word in zip(found, said, strict=True):
        print(f"{one.calls:8,}  {word}")
    return int("worse" in said)


if __name__ == "__main__":
    main(bench)

"""How often a watch alarms when nothing changes, and how soon when something does.

    python benchmarks/watching.py [--years 400] [--rows 60] [--alpha 0.01] [--seed 1]
    python benchmarks/watching.py --recorded ../shared/replay/capo

A year of daily looks at the same canary rows. Each row is right with a probability of its own; a
model that repeats itself flips few rows from day to day, one with a temperature many. After 30 days
the probabilities fall, so that the score is 3, 5 or 10 points lower. Beside the watch: a z test of
the latest look's mean against the first look's (repeated daily), and McNemar's exact test of the
latest look against the first, row by row (repeated daily), both at the same alpha.
"""

import argparse
import random
from itertools import permutations
from math import sqrt
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, ndtri

from promptlathe.decide.drift import evidence_of

CHANGE = 30
FLIPS = (0.0, 0.01, 0.05, 0.15)
"""Share of rows whose answer differs between two days."""
DROPS = (0.0, 0.03, 0.05, 0.10)
REASKED = 0.02
"""Between 1.1 % and 4 % in these recordings, says the README beside them."""
BANDS = ((-1.0, -0.05), (-0.05, 0.02), (0.02, 0.05), (0.05, 0.1), (0.1, 1.0))
"""Of the drop on the rows that are looked at."""


def chances(rng: random.Random, rows: int, flips: float, score: float = 0.85) -> list[float]:
    """Of each row to be right: `flips` of two looks differ, on average."""
    unsure = min(1.0, 3 * flips)  # a row with a chance c flips with 2 c (1 - c): 1/3 on average
    sure = [float(rng.random() < score) for _ in range(rows)]
    return [rng.betavariate(1.0, 1.0) if rng.random() < unsure else one for one in sure]


def year(rng: random.Random, rows: int, flips: float, drop: float, days: int) -> list[list[int]]:
    """Rows' scores, day by day."""
    before = chances(rng, rows, flips)
    lost = drop * rows / max(1e-9, sum(before))
    after = [0.0 if rng.random() < lost else one for one in before]
    return [
        [int(rng.random() < one) for one in (before if day < CHANGE else after)]
        for day in range(days)
    ]


def first_alarm(values: list[bool]) -> int | None:
    return next((day for day, alarm in enumerate(values) if alarm), None)


def watch(looks: list[list[int]], alpha: float, seed: int) -> int | None:
    values = evidence_of([sum(one) / len(one) for one in looks], seed)
    return first_alarm([value >= 1 / alpha for value in values])


def means(looks: list[list[int]], alpha: float) -> int | None:
    n, bound = len(looks[0]), float(ndtri(1 - alpha))

    def low(day: int) -> bool:
        first, now = sum(looks[0]) / n, sum(looks[day]) / n
        pooled = (first + now) / 2
        return day > 0 and first - now > bound * sqrt(max(1e-12, 2 * pooled * (1 - pooled) / n))

    return first_alarm([low(day) for day in range(len(looks))])


def mcnemar(looks: list[list[int]], alpha: float) -> int | None:
    def low(day: int) -> bool:
        pairs = list(zip(looks[0], looks[day], strict=True))
        lost, won = pairs.count((1, 0)), pairs.count((0, 1))
        return lost > won and float(bdtr(won, lost + won, 0.5)) <= alpha

    return first_alarm([low(day) for day in range(len(looks))])


def pairs_of(folder: Path) -> list[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """What two models, the one before and the one after, made of the same prompt and 300 rows."""
    known: dict[str, dict[str, dict[int, NDArray[np.uint8]]]] = {}
    for file in sorted(folder.glob("*.npz")):
        task, model = file.stem.rsplit("_", 1)
        held = np.load(file)
        outcomes, ids = held["outcomes"], held["prompt_id"]
        whole = (outcomes != 255).all(1)
        rows = zip(ids[whole], outcomes[whole], strict=True)
        known.setdefault(task, {})[model] = {int(one): row for one, row in rows}
    return [
        (models[a][one], models[b][one])
        for models in known.values()
        for a, b in permutations(models, 2)
        for one in sorted(models[a].keys() & models[b].keys())
    ]


def recorded(folder: Path, rows: int, alpha: float, seed: int, draws: int) -> None:
    """A table by how much lower the second model is on the rows that are looked at."""
    rng = random.Random(seed)
    found: dict[tuple[float, float], list[int | None]] = {band: [] for band in BANDS}
    early = 0
    pairs = pairs_of(folder)
    for number in range(draws):
        before, after = rng.choice(pairs)
        chosen = rng.sample(range(len(before)), rows)
        drop = sum(int(before[i]) - int(after[i]) for i in chosen) / rows
        looks = [
            [int(side[i]) ^ (rng.random() < REASKED) for i in chosen]
            for day in range(CHANGE + 120)
            for side in (before if day < CHANGE else after,)
        ]
        alarm = watch(looks, alpha, number)
        if alarm is not None and alarm < CHANGE:
            early += 1
            continue
        band = next(one for one in BANDS if one[0] <= drop < one[1])
        found[band].append(None if alarm is None else alarm - CHANGE + 1)
    print(f"{len(pairs)} prompts and changes of model; {early} of {draws} alarms before the change")
    print("| points lower | years | seen in 120 looks | median looks |\n|---|---|---|---|")
    for (low, high), alarms in found.items():
        seen = [one for one in alarms if one is not None]
        after_ = f"{median(seen):.0f}" if seen else ""
        share = f"{100 * len(seen) / len(alarms):.1f} %" if alarms else ""
        print(f"| {100 * low:.0f} to {100 * high:.0f} | {len(alarms)} | {share} | {after_} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--years", type=int, default=400)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--alpha", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--recorded", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    if args.recorded:
        recorded(args.recorded, args.rows, args.alpha, args.seed, args.years)
    else:
        simulated(args)


def simulated(args: argparse.Namespace) -> None:
    """A line for each share of flips, drop and method."""
    print(f"{args.years} years of {args.days} looks at {args.rows} rows, alpha {args.alpha}")
    print("flips  drop   method   alarms before  after the change  median looks to it")
    for flips in FLIPS:
        for drop in DROPS:
            found: dict[str, list[int | None]] = {"watch": [], "means": [], "mcnemar": []}
            for number in range(args.years):
                rng = random.Random(f"{args.seed} {flips} {drop} {number}")
                days = args.days if drop == 0 else CHANGE + 120
                looks = year(rng, args.rows, flips, drop, days)
                found["watch"].append(watch(looks, args.alpha, number))
                found["means"].append(means(looks, args.alpha))
                found["mcnemar"].append(mcnemar(looks, args.alpha))
            for method, days_of in found.items():
                early = [d for d in days_of if d is not None and (drop == 0 or d < CHANGE)]
                late = [d - CHANGE + 1 for d in days_of if drop and d is not None and d >= CHANGE]
                said = f"{len(late) / (args.years - len(early)):7.1%}" if drop else "      -"
                soon = f"{median(late):5.0f}" if late else "    -"
                print(
                    f"{flips:5.2f}  {drop:4.2f}   {method:8} {len(early) / args.years:8.2%}"
                    f"       {said}           {soon}",
                    flush=True,
                )


if __name__ == "__main__":
    main()

"""Banking77, all 77 intents, from a one-line prompt on the pocket model: with operators or without.

    python benchmarks/one_line.py [--data DIR] [--calls 2000] [--seeds 10] [--jobs 2] [--json OUT]

DIR holds banking77_train.jsonl (text, label); by default ../shared/data beside the project. Both
have the same budget and up to 40 demos; the texts "Name the intent of the customer's question." and
"Say which intent it is." may be rewritten. Event per seed: held-out scores of the recommended
prompts, and over seeds their paired difference with a 95 % interval (Student's t).
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import promptlathe as pl

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
T_95 = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""Student's t by the number of pairs."""
Given = tuple[Path, int, int, bool]
"""Data, calls, seed, with operators."""


def space() -> pl.SearchSpace:
    return pl.SearchSpace(
        messages={
            "system": "{{ instruction }}\n\n{{ format }}",
            "user": "{{ demos }}\n\nQuestion: {{ text }}",
        },
        components={
            "instruction": pl.Text("Name the intent of the customer's question.", rewrite=True),
            "format": pl.Text("Say which intent it is.", rewrite=True),
            "demos": pl.Demos(
                count=(0, 40),
                select=("random", "balanced"),
                template="Question: {{ text }}\nIntent: {{ label }}",
            ),
        },
    )


def run(given: Given) -> dict[str, Any]:
    data, calls, seed, operators = given
    objective = pl.Objective(
        str(data / "banking77_train.jsonl"),
        scorer=pl.exact_match("label", parse="label"),
        splits={"train": 0.3, "select": 0.35, "test": 0.35, "stratify": "label"},
    )
    with TemporaryDirectory() as folder:
        result = pl.optimize(
            space(),
            objective,
            budget=pl.Budget(calls=calls),
            seed=seed,
            operators=None if operators else (),
            track=False,
            workspace=folder,
        )
    test = result.test
    return {
        "seed": seed,
        "operators": operators,
        "draft": test.seed,
        "final": test.best if result.recommended == "best" else test.seed,
        "rows": test.examples,
        "calls": result.spent.calls,
        "rewrite_calls": result.spent.of("rewrite").calls,
        "tokens": result.spent.tokens,
        "seconds": round(result.seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if not (options.data / "banking77_train.jsonl").is_file():
        print(f"skipped: there is no banking77_train.jsonl in {options.data}")
        return
    work = [
        (options.data, options.calls, seed, operators)
        for seed in range(options.seeds)
        for operators in (True, False)
    ]
    with ProcessPoolExecutor(options.jobs) as pool:
        rows = list(pool.map(run, work))
    print("seed  draft  without  with   gain    rewrites  tokens with, without  rows")
    gains: list[float] = []
    for own, bare in zip(rows[::2], rows[1::2], strict=True):
        gains.append(own["final"] - bare["final"])
        print(
            f"{own['seed']:4}  {own['draft']:.3f}  {bare['final']:.3f}    {own['final']:.3f}  "
            f"{gains[-1]:+.3f}  {own['rewrite_calls']:8}  {own['tokens']:,} {bare['tokens']:,}  "
            f"{own['rows']}"
        )
    if len(gains) in T_95:
        half = T_95[len(gains)] * stdev(gains) / len(gains) ** 0.5
        print(f"mean gain {fmean(gains):+.3f}, 95 % interval ± {half:.3f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()

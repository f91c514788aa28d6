"""Broken first drafts: do operators repair them? On the pocket model.

    python benchmarks/defects.py [--data DIR] [--calls 2000] [--seeds 3] [--alone] [--jobs 2]
                                 [--json OUT]

Twelve defects (lab/drafts.py), six of the shipped support triage and six of Banking77 with ten
intents (banking77_train.jsonl in DIR, by default ../shared/data beside the project; without it
only six are run). Each draft has three texts that may be rewritten and up to six demos. It is run
with the operators that need no rewriter
and without any, and the good draft that was broken is run too, without operators.

A defect is *recovered* when the recommended prompts end, on average over the seeds, at most three
points below what the good draft scores on the same held-out rows; `runs_recovered` counts the
seeds that do so alone. Whether they end so near to the good draft *after its own search* is told as
well (`beside_search`). `--alone` adds a run with each operator alone.
"""

import argparse
import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import promptlathe as pl
from lab.drafts import DEFECTS, GOOD, Defect, Draft, Task
from promptlathe.search.operators import WITHOUT_REWRITER

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data"
NEAR = 0.03
INTENTS = 10
WITH, WITHOUT = "all", "none"


@dataclass(frozen=True)
class Trial:
    """One run: a draft, broken or good, with some operators."""

    defect: str
    """Empty: the good draft."""
    task: Task
    operators: str
    """`all`, `none`, or one name."""
    seed: int
    calls: int
    data: Path


def rows_of(data: Path) -> list[dict[str, str]]:
    lines = (data / "banking77_train.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    kept = sorted({row["label"] for row in rows})[:INTENTS]
    return [row for row in rows if row["label"] in kept]


def space_of(task: Task, draft: Draft) -> pl.SearchSpace:
    """Three texts that may be rewritten, and demos."""
    row, answer = ("Ticket", "Team") if task == "triage" else ("Question", "Intent")
    return pl.SearchSpace(
        messages={
            "system": "{{ instruction }}\n\n{{ labels }}\n\n{{ format }}",
            "user": f"{{{{ demos }}}}\n\n{row}: {{{{ text }}}}",
        },
        components={
            **{name: pl.Text(text, rewrite=True) for name, text in draft.items()},
            "demos": pl.Demos(
                count=(0, 6), template=f"{row}: {{{{ text }}}}\n{answer}: {{{{ label }}}}"
            ),
        },
    )


def objective_of(task: Task, data: Path) -> pl.Objective:
    if task == "triage":
        return pl.Objective.load(ROOT / "objectives" / "support_triage" / "objective.yaml")
    return pl.Objective(
        rows_of(data),
        scorer=pl.exact_match("label"),
        splits={"train": 0.3, "select": 0.3, "test": 0.4, "stratify": "label"},
    )


def run(trial: Trial) -> dict[str, Any]:
    """Of the result what the tables need."""
    broken = next((d for d in DEFECTS if (d.name, d.task) == (trial.defect, trial.task)), None)
    draft = broken.draft if broken else GOOD[trial.task]
    operators = {WITH: WITHOUT_REWRITER, WITHOUT: ()}.get(trial.operators, (trial.operators,))
    with TemporaryDirectory() as folder:
        result = pl.optimize(
            space_of(trial.task, draft),
            objective_of(trial.task, trial.data),
            budget=pl.Budget(calls=trial.calls),
            seed=trial.seed,
            operators=operators,
            track=False,
            workspace=folder,
        )
    test = result.test
    return {
        "defect": trial.defect,
        "task": trial.task,
        "operators": trial.operators,
        "seed": trial.seed,
        "draft": test.seed,
        "final": test.best if result.recommended == "best" else test.seed,
        "rows": test.examples,
        "calls": result.spent.calls,
        "levels": len(result.lineage),
        "seconds": round(result.seconds, 1),
    }


def trials(options: argparse.Namespace, tasks: list[Task]) -> Iterator[Trial]:
    defects: list[Defect] = [defect for defect in DEFECTS if defect.task in tasks]
    ways = [WITH, WITHOUT, *(WITHOUT_REWRITER if options.alone else ())]
    for seed in range(options.seeds):
        for task in tasks:
            yield Trial("", task, WITHOUT, seed, options.calls, options.data)
        for defect in defects:
            for way in ways:
                yield Trial(defect.name, defect.task, way, seed, options.calls, options.data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--alone", action="store_true", help="each operator alone as well")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    tasks: list[Task] = ["triage"]
    if (options.data / "banking77_train.jsonl").is_file():
        tasks.append("banking")
    else:
        print(f"there is no Banking77 in {options.data}: half of the defects are left out")
    with ProcessPoolExecutor(options.jobs) as pool:
        found = list(pool.map(run, trials(options, tasks)))
    rows = judged(found)
    _print(rows, options.seeds)
    if options.json:
        main_rows = [row for row in rows if row["operators"] == WITH]
        summary = {
            "recovered": sum(row["recovered"] for row in main_rows),
            "total": len(main_rows),
            "rows": main_rows,
            "others": [row for row in rows if row["operators"] != WITH],
        }
        options.json.write_text(json.dumps(summary, indent=2), encoding="utf-8")


def judged(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each defect and way, over its seeds."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for one in found:
        groups.setdefault((one["task"], one["defect"], one["operators"]), []).append(one)
    rows: list[dict[str, Any]] = []
    for (task, defect, operators), runs in groups.items():
        if defect:
            good = groups[task, "", WITHOUT]
            rows.append({"task": task, "defect": defect, "operators": operators} | _row(runs, good))
    return rows


def _row(runs: list[dict[str, Any]], good: list[dict[str, Any]]) -> dict[str, Any]:
    final, draft, search = (
        fmean(one[key] for one in some)
        for some, key in ((runs, "final"), (good, "draft"), (good, "final"))
    )
    return {
        "draft": fmean(one["draft"] for one in runs),
        "final": final,
        "good_draft": draft,
        "good_search": search,
        "recovered": final >= draft - NEAR,
        "beside_search": final >= search - NEAR,
        "runs_recovered": sum(one["final"] >= draft - NEAR for one in runs),
        "runs": runs,
    }


def _print(rows: list[dict[str, Any]], seeds: int) -> None:
    print(
        "task     defect                          operators    draft  final  good   searched runs"
    )
    for row in rows:
        marks = ("recovered" if row["recovered"] else "") + (" +" if row["beside_search"] else "")
        print(
            f"{row['task']:8} {row['defect']:31} {row['operators']:11} {row['draft']:.3f}  "
            f"{row['final']:.3f}  {row['good_draft']:.3f}  {row['good_search']:.3f}    "
            f"{row['runs_recovered']}/{seeds}  {marks}"
        )
    print()
    for way in dict.fromkeys(row["operators"] for row in rows):
        own = [row for row in rows if row["operators"] == way]
        recovered = sum(row["recovered"] for row in own)
        beside = sum(row["beside_search"] for row in own)
        runs = sum(row["runs_recovered"] for row in own)
        print(
            f"{way:11} {recovered} of {len(own)} recovered; {beside} beside the searched draft; "
            f"{runs} of {seeds * len(own)} runs recovered"
        )


if __name__ == "__main__":
    main()

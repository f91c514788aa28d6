"""Real data: Banking77 (customers' questions to a bank) on the pocket model.

    python benchmarks/banking77.py [--data DIR] [--intents 10 77] [--demos 40] [--seeds 3]
                                   [--json OUT]

DIR holds banking77_train.jsonl (text, label); by default ../shared/data beside the project. The
space is generic: the labels' own names in three spellings, an output format, demos. `select` and
`test` are disjoint; nothing was tuned on `test`.
"""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import promptlathe as pl

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
CALLS = 2000
Row = dict[str, str]


def rows_of(file: Path, intents: int) -> list[Row]:
    """The rows of the first intents in alphabetical order."""
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    kept = sorted({row["label"] for row in rows})[:intents]
    return [row for row in rows if row["label"] in kept]


def space_of(rows: list[Row], demos: int) -> pl.SearchSpace:
    """Built from the labels' names only; the seed prompt lists them."""
    labels = sorted({row["label"] for row in rows})
    words = {label: label.replace("_", " ").strip("?").lower() for label in labels}
    return pl.SearchSpace(
        messages={
            "system": "{{ role }}\n{{ task }}\n\n{{ labels }}\n\n{{ format }}",
            "user": "{{ demos }}\n\nQuestion: {{ text }}\nIntent:",
        },
        components={
            "role": pl.Choice([None, "You work in a bank's customer service."]),
            "task": pl.Choice(
                {
                    "draft": "What is the intent of the customer's question?",
                    "choose": "Choose the one intent that the customer's question is about.",
                }
            ),
            "labels": pl.Choice(
                {
                    "names": "Intents: " + ", ".join(labels),
                    "list": "\n".join(f"- {label}" for label in labels),
                    "words": "\n".join(f"- {label}: {words[label]}" for label in labels),
                }
            ),
            "format": pl.Choice(
                {
                    "draft": "Say which intent it is.",
                    "only": "Answer with the intent only, nothing else.",
                }
            ),
            "demos": pl.Demos(
                count=(0, demos),
                select=("random", "balanced"),
                template="Question: {{ text }}\nIntent: {{ label }}",
            ),
        },
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--intents", type=int, nargs="+", default=[10, 77])
    parser.add_argument("--demos", type=int, default=40, help="the most demos of a prompt")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    file = options.data / "banking77_train.jsonl"
    if not file.is_file():
        print(f"skipped: there is no {file}")
        return
    found = []
    print("intents  rng  rows  test  seed   best   gain    95 % interval     verdict   calls  s")
    for intents in options.intents:
        rows = rows_of(file, intents)
        for seed in range(options.seeds):
            objective = pl.Objective(
                rows,
                scorer=pl.exact_match("label", parse="label"),
                splits={"train": 0.3, "select": 0.35, "test": 0.35, "stratify": "label"},
            )
            with TemporaryDirectory() as folder:
                result = pl.optimize(
                    space_of(rows, options.demos),
                    objective,
                    budget=pl.Budget(calls=CALLS),
                    seed=seed,
                    track=False,
                    workspace=folder,
                )
            test = result.test
            print(
                f"{intents:7}  {seed:3}  {len(rows):4}  {test.examples:4}  {test.seed:.3f}  "
                f"{test.best:.3f}  {test.gain:+.3f}  {test.interval[0]:+.3f} to "
                f"{test.interval[1]:+.3f}  {result.verdict}  {result.spent.calls}  "
                f"{result.seconds:.0f}",
                flush=True,
            )
            found.append({"intents": intents, "rng": seed, "rows": len(rows), **result.to_dict()})
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()

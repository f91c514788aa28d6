"""Tasks of BIG-Bench Hard whose answers are labels, and a space that knows nothing of any of them.

Suzgun et al. 2022, "Challenging BIG-Bench Tasks and Whether Chain-of-Thought Can Solve Them".
"""

import json
from pathlib import Path

import promptlathe as pl

TASKS = (
    "boolean_expressions",
    "date_understanding",
    "disambiguation_qa",
    "navigate",
    "snarks",
    "sports_understanding",
)
DEMOS = 6
SPLITS = {"train": 0.3, "select": 0.5, "test": 0.2, "stratify": "label"}


def objective(data: Path, task: str) -> pl.Objective:
    """Of `data`/bbh_TASK.jsonl. Raises FileNotFoundError."""
    lines = (data / f"bbh_{task}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{"text": row["input"], "label": row["target"]} for row in map(json.loads, lines)]
    return pl.Objective(rows, scorer=pl.exact_match("label", parse="label"), splits=SPLITS)


def space(labels: list[str]) -> pl.SearchSpace:
    """432 instructions, with none to six demos."""
    return pl.SearchSpace(
        messages={
            "system": "{{ role }}\n{{ task }}\n\n{{ labels }}\n\n{{ format }}\n\n{{ care }}",
            "user": "{{ demos }}\n\nQuestion: {{ text }}\nAnswer:",
        },
        components={
            "role": pl.Choice(
                [None, "You are an expert at logic puzzles.", "You are a careful teacher."]
            ),
            "task": pl.Choice(
                {
                    "a": "Answer the question.",
                    "b": "Read the question and choose the right answer.",
                    "c": None,
                    "d": "Think of what the question asks, and decide.",
                }
            ),
            "labels": pl.Choice(
                {
                    "n": None,
                    "l": "The answers are: " + ", ".join(labels),
                    "m": "\n".join(f"- {label}" for label in labels),
                }
            ),
            "format": pl.Choice(
                {
                    "only": "Answer with the answer only, nothing else.",
                    "say": "Say which answer it is.",
                    "none": None,
                    "bare": "Reply with one of the answers above, as it is written.",
                }
            ),
            "care": pl.Choice(
                [None, "This is important.", "Take care: some questions are tricks."]
            ),
            "demos": pl.Demos(
                count=(0, DEMOS),
                select=("random", "balanced"),
                template="Question: {{ text }}\nAnswer: {{ label }}",
            ),
        },
    )

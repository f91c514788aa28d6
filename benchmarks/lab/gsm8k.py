"""Grade-school arithmetic whose answer is a number, and a space of ways to ask for it.

Cobbe et al. 2021, "Training Verifiers to Solve Math Word Problems".
"""

import json
from pathlib import Path

import promptlathe as pl

DEMOS = 4
ANSWER_TOKENS = 200
"""Room for a chain of thought."""
SPLITS = {"train": 0.3, "select": 0.5, "test": 0.2}


def objective(data: Path) -> pl.Objective:
    """Of `data`/gsm8k_600.jsonl. Raises FileNotFoundError."""
    lines = (data / "gsm8k_600.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [{"text": row["question"], "label": row["answer"]} for row in map(json.loads, lines)]
    return pl.Objective(rows, scorer=pl.exact_match("label", parse="number"), splits=SPLITS)


def space() -> pl.SearchSpace:
    """240 instructions, with none to four demos, which show the number alone."""
    return pl.SearchSpace(
        messages={
            "system": "{{ role }}\n{{ task }}\n{{ steps }}\n\n{{ format }}\n\n{{ care }}",
            "user": "{{ demos }}\n\nQuestion: {{ text }}\nAnswer:",
        },
        components={
            "role": pl.Choice(
                [None, "You are an expert at arithmetic.", "You are a careful teacher."]
            ),
            "task": pl.Choice({"a": "Answer the question.", "b": "Solve the problem."}),
            "steps": pl.Choice(
                {
                    "none": None,
                    "steps": "Think step by step.",
                    "short": "Write each step as one short equation.",
                    "plan": "First say what is asked, then work it out.",
                    "only": "Give the number only.",
                }
            ),
            "format": pl.Choice(
                {
                    "none": None,
                    "last": "End with a line that says: The answer is NUMBER.",
                    "hash": "Put the final number after ####.",
                    "box": "Write the final number in \\boxed{}.",
                }
            ),
            "care": pl.Choice([None, "Check your arithmetic before you answer."]),
            "demos": pl.Demos(
                count=(0, DEMOS),
                select=("random",),
                template="Question: {{ text }}\nAnswer: {{ label }}",
            ),
        },
    )

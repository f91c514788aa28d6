"""A small task that the pocket model can learn, for tests of whole jobs."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import promptlathe as pl
from promptlathe.job import Result
from promptlathe.models.pocket.faults import Faults
from promptlathe.records import Split

WORDS = {
    "billing": ["invoice", "refund", "charged", "price", "receipt"],
    "delivery": ["parcel", "courier", "shipped", "address", "box"],
    "login": ["password", "account", "locked", "code", "email"],
}
ROWS = [
    {"text": f"K{i:02}x My {words[i % 5]} and the {words[(i + 2) % 5]}, please", "label": label}
    for i, (label, words) in enumerate(list(WORDS.items()) * 21)
]
OBJECTIVE = pl.Objective(
    ROWS,
    scorer=pl.exact_match("label"),
    splits={"train": 0.2, "select": 0.5, "test": 0.3, "stratify": "label"},
)
OBJECTIVE.check()


def essence(result: Result) -> tuple[Any, ...]:
    """What must not depend on where or when the job ran."""
    return (
        result.verdict,
        result.finish_reason,
        result.best.levels,
        result.recommended,
        result.test,
        [replace(standing, cost=None) for standing in result.standings],
    )


class Jitter(Faults):
    """Each answer comes after a few milliseconds more or less."""

    latency = property(lambda self: random.uniform(0, 0.012), lambda self, value: None)


def answers_file(workspace: Path) -> Path:
    return workspace / ".promptlathe" / "ledger.db"


def canaries(split: Split) -> set[str]:
    """The unique word with which each row's text begins."""
    return {str(e.row["text"]).split()[0] for e in OBJECTIVE.examples(split)}

"""The data sets and search spaces that the optimizers are compared on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import banking77
import promptlathe as pl
from lab import bbh, gsm8k
from lab.peers.task import ANSWER_TOKENS, Task
from promptlathe.space import BoundSpace

ROOT = Path(__file__).parents[3]
INTENTS, DEMOS = 10, 40


@dataclass(frozen=True)
class Case:
    """An objective, the space that promptlathe searches, and the seed prompt's layout in words."""

    name: str
    objective: pl.Objective
    space: pl.SearchSpace
    source: str
    target: str
    shots: int
    numeric: bool = False
    """The answer is a number, in place of a label."""
    answer_tokens: int = ANSWER_TOKENS
    """Room for an answer on a real model."""

    @property
    def bound(self) -> BoundSpace:
        return BoundSpace(self.space, self.objective.examples("train"))

    def task(self) -> Task:
        """What the others get: the seed prompt and the rows of train and select."""
        train, select = (
            [(str(e.row["text"]), str(e.row["label"])) for e in self.objective.examples(split)]
            for split in ("train", "select")
        )
        seed = self.bound.seed.prompt.messages[0].content
        labels = [] if self.numeric else sorted({label for _, label in (*train, *select)})
        return Task(self.name, seed, self.source, self.target, labels, train, select, self.shots)

    def instructions(self, number: int, seed: int) -> list[str]:
        """System messages of candidates drawn from the space."""
        rng, bound = np.random.default_rng(seed), self.bound
        drawn = (bound.candidate(self.space.draw(rng)) for _ in range(number))
        return [candidate.prompt.messages[0].content for candidate in drawn]


def demos_only(case: Case, task: Task, *, rewrite: bool = False) -> pl.SearchSpace:
    """The seed instruction, and demos as the whole space has them.

    rewrite: operators may write new instructions.
    """
    layout = f"{case.source}: {{{{ text }}}}\n{case.target}:"
    return pl.SearchSpace(
        messages={"system": "{{ instruction }}", "user": f"{{{{ demos }}}}\n\n{layout}"},
        components={
            "instruction": pl.Text(task.instruction, rewrite=rewrite),
            "demos": case.space.components["demos"],
        },
    )


def support_triage(_: Path) -> Case:
    return Case(
        "support_triage",
        pl.Objective.load(ROOT / "objectives" / "support_triage" / "objective.yaml"),
        pl.SearchSpace.load(ROOT / "search_spaces" / "support_triage.yaml"),
        "Ticket",
        "Team",
        12,
    )


def bank(
    data: Path,
    name: str = "banking77",
    intents: int = INTENTS,
    demos: int = DEMOS,
    test: float = 0.35,
) -> Case:
    """Banking77's first intents. Raises FileNotFoundError without its file.

    test: share of the rows, of which `train` has 0.3 and `select` the rest.
    """
    rows = banking77.rows_of(data / "banking77_train.jsonl", intents)
    objective = pl.Objective(
        rows,
        scorer=pl.exact_match("label", parse="label"),
        splits={"train": 0.3, "select": 0.7 - test, "test": test, "stratify": "label"},
    )
    space = banking77.space_of(rows, demos)
    return Case(name, objective, space, "Question", "Intent", demos)


def hard(data: Path, name: str) -> Case:
    """A task of BIG-Bench Hard. Raises FileNotFoundError without its file."""
    objective = bbh.objective(data, name)
    space = bbh.space(list(objective.labels))
    return Case(name, objective, space, "Question", "Answer", bbh.DEMOS)


def maths(data: Path) -> Case:
    """GSM8K. Raises FileNotFoundError without its file."""
    return Case(
        name="gsm8k",
        objective=gsm8k.objective(data),
        space=gsm8k.space(),
        source="Question",
        target="Answer",
        shots=gsm8k.DEMOS,
        numeric=True,
        answer_tokens=gsm8k.ANSWER_TOKENS,
    )


CASES: dict[str, Callable[[Path], Case]] = {
    "support_triage": support_triage,
    "banking77": bank,
    # Few test rows, since each of our own runs asks them twice.
    "banking8": partial(bank, name="banking8", intents=8, demos=8, test=0.15),
    "banking20": partial(bank, name="banking20", intents=20, demos=8, test=0.1),
    **{name: partial(hard, name=name) for name in bbh.TASKS},
    "gsm8k": maths,
}

"""What an optimizer is given and what it hands back, as JSON between two interpreters.

Only the standard library: both sides import this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

TEXT = "{{ text }}"
Pair = tuple[str, str]
"""A text and the output that a demo shows for it."""
Messages = list[Pair]
"""(role, content) of each message."""


@dataclass(frozen=True)
class Task:
    """Rows to learn from (never the test rows) and the one layout that all prompts have."""

    name: str
    instruction: str
    """The system message of the seed prompt, which has no demos."""
    source: str
    target: str
    """The words before a text and before its label."""
    labels: Sequence[str]
    """(): the answer is a number."""
    train: Sequence[Pair]
    """Where demos come from."""
    select: Sequence[Pair]
    shots: int
    """The most demos of a prompt."""

    def messages(self, instruction: str, demos: Sequence[Pair], text: str = TEXT) -> Messages:
        """The prompt of an instruction and demos; by default a template with the placeholder."""
        shown = "".join(f"{self.source}: {t}\n{self.target}: {out}\n\n" for t, out in demos)
        asked = f"{shown}{self.source}: {text}\n{self.target}:"
        return [("system", instruction), ("user", asked)]


@dataclass(frozen=True)
class Order:
    """One run of one optimizer."""

    peer: str
    url: str
    calls: int
    """Task calls to plan for."""
    seed: int
    task: Task
    data: str = ""
    """The folder of data sets that are not the project's own."""

    @property
    def valset(self) -> Sequence[Pair]:
        """The rows of `select` that a candidate is scored on, for optimizers that score on one set.

        An eighth of the calls: with more of them a few candidates would take the whole budget.
        """
        return self.task.select[: min(LARGEST_VALSET, self.calls // 8)]

    @classmethod
    def of(cls, data: dict[str, Any]) -> Order:
        return cls(**{**data, "task": Task(**data["task"])})


@dataclass(frozen=True)
class Found:
    """What an optimizer ends with."""

    messages: Messages
    knobs: dict[str, Any]
    """The settings by which it was told its budget."""
    apart: int = 0
    """Calls that were no part of the search: promptlathe's own comparison on the test rows."""


# The two keys tell the server which requests are for the task and which are for new texts.
TASK_KEY, PROPOSAL_KEY = "task", "proposal"
CONCURRENCY = 16
LARGEST_VALSET = 125
PATIENT = 600.0
"""Seconds that an answer may take: a real model has a few slots for many calls."""
ANSWER_TOKENS = 40
"""Of an answer that is a label, on a real model."""
MAX_TOKENS, WRITER_TOKENS = 256, 4096
"""Of an answer of the task, and of a request for a new text."""

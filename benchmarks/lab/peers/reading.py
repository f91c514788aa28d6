"""What an answer says, read alike for all optimizers: a label, or a number."""

from __future__ import annotations

from collections.abc import Callable

from lab.peers.task import Task
from promptlathe.data.values import as_text
from promptlathe.scoring.reading.labels import LabelReader
from promptlathe.scoring.reading.numbers import read_number


def reader(task: Task) -> Callable[[str], str | None]:
    """None where an answer says no label of the task; a number as it is written in `as_text`."""
    if task.labels:
        return LabelReader(task.labels)
    return _number


def _number(answer: str) -> str | None:
    found = read_number(answer)
    return None if found is None else as_text(found)

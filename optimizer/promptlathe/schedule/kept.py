"""What is kept of an entry between two lives of a scheduler: a file each.

A time is dealt with when its job has ended. What a scheduler that was killed had begun is begun
again, as the same run.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import psutil

from promptlathe.schedule.entries import Entry
from promptlathe.whole_files import write_whole


@dataclass(frozen=True)
class Kept:
    """Up to where an entry's times were dealt with."""

    settled: datetime
    """Of all times up to here nothing is left to do, but for the job that is under way."""
    due: datetime | None = None
    """The time whose job is under way."""
    process: int | None = None
    """Which carries it out."""
    born: float | None = None
    """When that process was made: numbers of processes are given again."""

    @property
    def lives(self) -> bool:
        """The process is still there, also when whoever started it is gone."""
        if self.process is None:
            return False
        try:
            return psutil.Process(self.process).create_time() == self.born
        except psutil.Error:
            return False


def born(process: int) -> float | None:
    """When a process was made; None when it is gone."""
    try:
        return psutil.Process(process).create_time()
    except psutil.Error:
        return None


def kept_of(entry: Entry) -> Kept | None:
    """None for an entry that no scheduler has met, or whose file cannot be read."""
    try:
        found = json.loads(_file(entry).read_text("utf-8"))
        due = found["due"] and datetime.fromisoformat(found["due"])
        settled = datetime.fromisoformat(found["settled"])
        return Kept(settled, due, found["process"], found["born"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep(entry: Entry, kept: Kept) -> None:
    """Raises OSError."""
    _file(entry).parent.mkdir(parents=True, exist_ok=True)
    content = asdict(kept) | {
        "settled": kept.settled.isoformat(),
        "due": kept.due and kept.due.isoformat(),
    }
    write_whole(_file(entry), json.dumps(content) + "\n")


def _file(entry: Entry) -> Path:
    return entry.folder / f"{entry.key}.times"

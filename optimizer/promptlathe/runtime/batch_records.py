"""Batches under way, as files of the state folder: who starts again finds them.

A record is written before its batch is made, so that nothing that is made is ever forgotten. Its
lock is held by the process that waits for the batch, and goes with it, however that ends.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from filelock import FileLock, Timeout

KEPT = 29 * 86_400.0
"""Seconds; the service keeps what it answered for 30 days."""


@dataclass(frozen=True)
class BatchRecord:
    """One batch."""

    mark: str
    """What its metadata hold."""
    endpoint: str
    api: str
    keys: Mapping[str, str]
    """Of the calls, by the names of their lines."""
    at: float
    """When it was sent: seconds since 1970."""
    id: str = ""
    """The service's; empty while nothing was heard of it."""


@dataclass(frozen=True)
class BatchRecords:
    """All of a state folder."""

    folder: Path
    _locks: dict[str, FileLock] = field(default_factory=dict[str, FileLock])
    """Those that this process holds, by mark."""

    def take(self, record: BatchRecord) -> bool:
        """Whether it is this process's to wait for; False: another one does."""
        lock = FileLock(self._path(record).with_suffix(".lock"), timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return False
        self._locks[record.mark] = lock
        return True

    def let_go(self) -> None:
        """Whoever comes next may take what is left."""
        for mark in tuple(self._locks):
            self._unlock(mark)

    def write(self, record: BatchRecord) -> None:
        """Keep it, or what is known of it by now. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if record.mark not in self._locks:
            self.take(record)
        path = self._path(record)
        beside = path.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump(asdict(record), file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)

    def named(self, record: BatchRecord, id: str) -> BatchRecord:
        """The service has told its id."""
        known = replace(record, id=id)
        self.write(known)
        return known

    def remove(self, record: BatchRecord) -> None:
        """All of its replies were handed out and kept."""
        self._path(record).unlink(missing_ok=True)
        self._unlock(record.mark)

    def _unlock(self, mark: str) -> None:
        lock = self._locks.pop(mark)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)

    def left(self) -> list[BatchRecord]:
        """Those of earlier runs, the oldest first; what the service has deleted is forgotten."""
        found: list[BatchRecord] = []
        for path in self.folder.glob("*.json"):
            with suppress(OSError, ValueError, TypeError):
                record = BatchRecord(**json.loads(path.read_text("utf-8")))
                if time.time() - record.at < KEPT:
                    found.append(record)
                else:
                    path.unlink(missing_ok=True)
        return sorted(found, key=lambda one: one.at)

    def _path(self, record: BatchRecord) -> Path:
        return self.folder / f"{record.mark}.json"

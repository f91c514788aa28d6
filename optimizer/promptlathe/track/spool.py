"""The spool: what a run tells MLflow stands in a file before anything is sent.

    spool/TIME-RUN.jsonl    a record a line, in order; the run's own process appends
    spool/TIME-RUN.sent     how far the store has taken them, and the ids that it gave
    spool/TIME-RUN.lock     held by the process that sends them

All three go once the store has taken everything. A process that is killed leaves whole lines, and
at most one that is torn, which is not read. Only their owner can read the files: they hold prompts
and rows, and the store's address.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from filelock import FileLock

from promptlathe import clock
from promptlathe.json_form import dump, load
from promptlathe.records import FinalistName
from promptlathe.track.records import Begun, Candidacy, Conclusion, Curve, Stopped, TestRow
from promptlathe.track.running import carried_out

Content = Begun | Candidacy | Curve | TestRow | Conclusion | Stopped
KINDS: Mapping[str, type[Content]] = {
    "begun": Begun,
    "candidate": Candidacy,
    "curve": Curve,
    "row": TestRow,
    "conclusion": Conclusion,
    "stopped": Stopped,
}
"""By the word that stands in the file."""
_WORDS = {kind: word for word, kind in KINDS.items()}
ENDS = (Conclusion, Stopped)
"""What a run's last record is."""


@dataclass(frozen=True)
class Record:
    """What was told, and when: milliseconds since 1970."""

    at: int
    content: Content


@dataclass(frozen=True)
class Taken:
    """How far a store has taken a spool."""

    records: int = 0
    run: str | None = None
    """MLflow's id of the run."""
    experiment: str | None = None
    sides: Mapping[FinalistName, str] = field(default_factory=dict[FinalistName, str])
    """MLflow's ids of the evaluation runs."""


class Spool:
    """The file of one run, written. Raises OSError when the disk does not take it."""

    def __init__(self, folder: Path, run: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.records = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        moment = clock.now()
        while True:
            self.path = folder / f"{moment:%Y%m%dT%H%M%S%f}-{run}.jsonl"
            try:
                self._file = os.open(self.path, flags, 0o600)
                return
            except FileExistsError:  # the clock was put back, or stands still
                moment += timedelta(microseconds=1)

    def append(self, content: Content) -> None:
        """One record more; it survives this process as soon as this returns."""
        write(self._file, content)
        self.records += 1

    def close(self) -> None:
        os.close(self._file)

    def remove(self) -> None:
        """Nothing of it is to be sent."""
        remove(self.path)


class Spooled:
    """The file of one run, read by whoever sends it: that must hold `lock`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FileLock(path.with_suffix(".lock"), timeout=0)
        self._offset = 0

    @property
    def run(self) -> str:
        """The ledger's name of the run."""
        return self.path.stem.partition("-")[2]

    @property
    def name(self) -> str:
        """Identifies this record of the run: one that is gone on with has several."""
        return self.path.stem

    @property
    def store(self) -> str | None:
        """The address of the store that it is for, as it may be shown; None when it says none."""
        with suppress(OSError, ValueError, KeyError, TypeError), self.path.open("rb") as file:
            return str(json.loads(file.readline())["content"]["uri"])
        return None

    def read(self) -> list[Record]:
        """The records since the last time. Raises ValueError for what is no record."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            whole, end, _ = file.read().rpartition(b"\n")
        self._offset += len(whole) + len(end)
        return [_record(line) for line in whole.split(b"\n") if line]

    def append(self, content: Content) -> None:
        """The end of a run whose process is gone. What that one wrote last may be torn."""
        with self.path.open("rb+") as file:
            file.seek(self._offset)
            whole, end, _ = file.read().rpartition(b"\n")
            file.truncate(self._offset + len(whole) + len(end))
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            write(file, content)
        finally:
            os.close(file)

    @property
    def taken(self) -> Taken:
        """What was noted last."""
        with suppress(FileNotFoundError):
            for line in reversed(self._notes.read_bytes().split(b"\n")[:-1]):
                with suppress(ValueError, TypeError):
                    return Taken(**json.loads(line))
        return Taken()

    def note(self, taken: Taken) -> None:
        """The store has taken so much."""
        with self._notes.open("ab") as file:
            file.write(_line(taken))

    @property
    def _notes(self) -> Path:
        return self.path.with_suffix(".sent")


def waiting(state: Path, own: str | None = None) -> Counter[str]:
    """Records that stores have not taken yet, by run; without other runs that are under way."""
    found = Counter[str]()
    for path in sorted((state / "spool").glob("*.jsonl")):
        spooled = Spooled(path)
        if spooled.run == own or not carried_out(state, spooled.run):
            with suppress(FileNotFoundError):  # it was just sent
                left = path.read_bytes().count(b"\n") - spooled.taken.records
                found[spooled.run] += left
    return +found


def remove(path: Path) -> None:
    """A spool, and what belongs to it."""
    for suffix in (".jsonl", ".sent", ".lock"):
        path.with_suffix(suffix).unlink(missing_ok=True)


def write(file: int, content: Content) -> None:
    """A record as a line, in one piece."""
    at = time.time_ns() // 1_000_000
    line = _line({"at": at, "kind": _WORDS[type(content)], "content": content})
    while line:
        line = line[os.write(file, line) :]


def _line(content: object) -> bytes:
    return dump(content).encode("ascii") + b"\n"


def _record(line: bytes) -> Record:
    from promptlathe.decide import Comparison, Verdict

    told = json.loads(line)
    if told["kind"] not in KINDS:
        raise ValueError(f"no record is of the kind {told['kind']!r}")
    kind = KINDS[told["kind"]]
    return Record(told["at"], load(kind, told["content"], Comparison=Comparison, Verdict=Verdict))

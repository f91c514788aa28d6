"""Run files that have a schedule."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from promptlathe import documents
from promptlathe.cron import Cron
from promptlathe.errors import InputError
from promptlathe.job.job import STATE, job_name, workspace_of
from promptlathe.job.runfile import RunFile, Work

ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Entry:
    """A job, or the watch of its champion, and its times."""

    file: Path
    cron: Cron
    prompt: str
    """Its name in the prompt registry."""
    workspace: Path
    work: Work = "run"
    """The command that is carried out."""

    @cached_property
    def name(self) -> str:
        """As people know it."""
        name = job_name(self.file)
        return name if self.work == "run" else f"{name}-{self.work}"

    @cached_property
    def key(self) -> str:
        """Of no other run file in the workspace."""
        return f"{self.name}-{hashlib.sha256(str(self.file).encode()).hexdigest()[:8]}"

    @property
    def folder(self) -> Path:
        """Where the workspace's schedulers keep what they know."""
        return self.workspace / STATE / "schedule"


def entries_of(file: Path, workspace: Path | None = None) -> list[Entry]:
    """The run file's entries. Raises InputError with file and line, also for one without times."""
    path = documents.find(Path(), str(file))
    read = RunFile.read(path)
    if not read.crons:
        raise InputError(
            f"{file} has no schedule", str(file), 'give it one, as  schedule: "0 3 * * 1"'
        )
    prompt = (read.track and read.track.prompt) or job_name(path)
    home = workspace or workspace_of(path)
    return [Entry(path.resolve(), cron, prompt, home, work) for work, cron in read.crons.items()]


def entries_in(paths: Sequence[Path], workspace: Path | None = None) -> list[Entry]:
    """Those of files, and of the files in folders that have a schedule; each once, by name.

    Raises InputError for a file that cannot be used, and where there is no schedule at all.
    """
    files = dict.fromkeys(file.resolve() for path in paths for file in _files(path))
    if not files:
        shown = ", ".join(map(str, paths))
        raise InputError(
            f"no run file in {shown} has a schedule",
            shown,
            'give one a schedule, as  schedule: "0 3 * * 1"',
        )
    return [one for file in sorted(files) for one in entries_of(file, workspace)]


def stamps(paths: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """Of each file that may have a schedule, when it was written, and its size: for a look whether
    anything has changed."""
    found: dict[Path, tuple[int, int]] = {}
    for path in paths:
        for file in _candidates(path):
            with suppress(OSError):
                state = file.stat()
                found[file] = (state.st_mtime_ns, state.st_size)
    return found


def _files(path: Path) -> Iterator[Path]:
    for file in _candidates(path):
        if file == path:
            yield file
            continue
        data = documents.load(file).data
        watch = data.get("watch") if isinstance(data, Mapping) else None
        parts = [one for one in (data, watch) if isinstance(one, Mapping)]
        if any(one.get("schedule") is not None for one in parts):
            yield file


def _candidates(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    yield from sorted(one for one in path.iterdir() if one.suffix in ENDINGS and one.is_file())

"""When a result is told: as soon as it is decided, and what MLflow made of it afterwards."""

import json
import sys
from pathlib import Path
from typing import Any, Protocol

from promptlathe.cli.printing import show_record, show_result
from promptlathe.cli.terminal import visible_json
from promptlathe.errors import InputError
from promptlathe.job import Job, Result
from promptlathe.job.stores import write_whole


class Telling:
    """The result on stdout, and as JSON: in a file, or instead on stdout (`-`), once."""

    def __init__(self, job: Job, json_path: Path | None) -> None:
        self._job, self._path = job, json_path
        self._alone = str(json_path) == "-"
        self._told: Result | None = None

    def decided(self, result: Result) -> None:
        """Before anything waits for MLflow."""
        self._told = result
        if not self._alone:
            show_result(self._job, result)
            sys.stdout.flush()
        if self._path and not self._alone:
            write_json(result, self._path)

    def recorded(self, result: Result) -> None:
        """With the version that was promoted, if any."""
        if not self._alone and self._told:
            show_record(self._job, self._told, result)
        if self._path and (self._alone or result != self._told):
            write_json(result, self._path)


def check_writable(path: Path, where: str = "--json") -> None:
    """Raises InputError when nothing could be written there; leaves no new file."""
    if str(path) == "-":
        return
    try:
        there = path.exists()
        path.open("a").close()
    except OSError as error:
        raise unwritable(path, error, where) from None
    if not there:
        path.unlink(missing_ok=True)


class Told(Protocol):
    """What has a JSON form."""

    def to_dict(self) -> dict[str, Any]: ...


def write_json(result: Told, path: Path) -> None:
    """Write the result; `-` is stdout. Raises InputError when the file cannot be written."""
    text = json.dumps(result.to_dict(), ensure_ascii=False, indent=2) + "\n"
    if str(path) == "-":
        sys.stdout.write(visible_json(text))
        return
    try:
        write_whole(path, text)
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: OSError, where: str = "--json") -> InputError:
    """What is said of a file that cannot be written."""
    fix = "make the folder first" if not path.parent.exists() else "name another file"
    return InputError(f"{path} cannot be written: {error.strerror}", where, fix)

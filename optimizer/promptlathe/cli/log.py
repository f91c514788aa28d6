"""`--log FILE`: what is said on stderr, line by line with the time, and more of the progress.

A file that is called `.jsonl` gets JSON lines: `at`, `level`, `text`, and what is told by name.
"""

import json
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from promptlathe import clock
from promptlathe.cli.outcome import unwritable
from promptlathe.cli.terminal import visible

JSON_LINES = (".jsonl", ".ndjson")
LEVELS = {"error": "error", "note": "warning"}
"""By what a line begins with."""


def _lines(text: str) -> list[str]:
    return visible(text).splitlines()


class Log:
    """Appends whole lines: several commands may use one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._json = path.suffix.lower() in JSON_LINES
        self._file: TextIO | None = None

    def open(self) -> None:
        """Raises InputError when the file cannot be written; until then no line is."""
        try:
            self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise unwritable(self._path, error, "--log") from None

    def line(self, text: str, **told: Any) -> None:
        """A line, or several; a disk that is full holds nothing up. told: more of it, as data."""
        if self._file is None:
            return
        now = clock.now().astimezone().isoformat(timespec="seconds")
        try:
            self._file.write("".join(self._written(now, one, told) for one in _lines(text)))
            self._file.flush()
        except OSError:
            pass

    def _written(self, now: str, line: str, told: Mapping[str, Any]) -> str:
        if not self._json:
            return f"{now} {line}\n"
        head = line.partition(":")[0]
        content = {"at": now, "level": LEVELS.get(head, "info"), "text": line, **told}
        return json.dumps(content, ensure_ascii=False) + "\n"

    @contextmanager
    def listening(self) -> Generator[None]:
        """Within, lines on stderr are logged, too."""
        before = sys.stderr
        sys.stderr = cast(TextIO, _Heard(before, self.line))
        try:
            yield
        finally:
            sys.stderr = before

    @contextmanager
    def drawing(self) -> Generator[TextIO]:
        """Within, nobody listens; for what draws on stderr, and is given it as it is."""
        before = sys.stderr
        if isinstance(before, _Heard):
            sys.stderr = before.stream
        try:
            yield sys.stderr
        finally:
            sys.stderr = before

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class _Heard:
    """A stream whose lines somebody hears."""

    def __init__(self, stream: TextIO, hear: Callable[[str], None]) -> None:
        self.stream, self._hear, self._begun = stream, hear, ""

    def write(self, text: str) -> int:
        written = self.stream.write(text)
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._hear(line)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

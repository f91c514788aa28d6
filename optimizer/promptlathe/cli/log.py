"""`--log FILE`: what is said on stderr, line by line with the time, and more of the progress."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO, cast

from promptlathe.cli.outcome import unwritable
from promptlathe.cli.terminal import visible


class Log:
    """Appends whole lines: several commands may use one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def open(self) -> None:
        """Raises InputError when the file cannot be written; until then no line is."""
        try:
            self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise unwritable(self._path, error, "--log") from None

    def line(self, text: str) -> None:
        """A line, or several; a disk that is full holds nothing up."""
        if self._file is None:
            return
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        try:
            self._file.write("".join(f"{now} {one}\n" for one in visible(text).splitlines()))
            self._file.flush()
        except OSError:
            pass

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

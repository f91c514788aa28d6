"""How a command ends, as data: the file of `--json`, from its first moment to its exit.

    running ──→ finished | failed | bad input | budget too small | model unavailable | busy |
                interrupted

What stood in the file before is gone at once, so that yesterday's result never stands for today's
run. A command that was killed leaves `running`, with the number of a process that is no more.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from promptlathe import clock
from promptlathe.cli.terminal import say, visible_json
from promptlathe.errors import InputError, ModelUnavailable, PromptlatheError
from promptlathe.whole_files import write_whole

VERDICT = 3
"""Exit code of a run whose verdict is one that `--fail-on` names."""
DRIFT = 7
"""Exit code of a watch that sees a drift."""
STATUS = {
    0: "finished",
    2: "bad input",
    VERDICT: "finished",
    4: "budget too small",
    5: "model unavailable",
    6: "busy",
    DRIFT: "finished",
    130: "interrupted",
}
"""By exit code; `failed` for any other."""
OURS = ("status", "verdict", "judge")
"""Keys of which each file that we wrote has one."""


class JsonFile:
    """The file of `--json`; `-` is stdout, which gets one document, at the end."""

    def __init__(self, path: Path, command: str) -> None:
        self._path = path
        self.refused = False
        """It cannot be written, or is not ours to write."""
        self._content: dict[str, Any] = {}
        self._head: dict[str, Any] = {
            "command": command,
            "pid": os.getpid(),
            "began": clock.now().isoformat(timespec="seconds"),
        }

    @property
    def alone(self) -> bool:
        """Nothing else is written to stdout."""
        return str(self._path) == "-"

    def begin(self) -> None:
        """Replace what stands there. Raises InputError where nothing can be written, and for a
        file that is none of ours."""
        if self.alone:
            return
        self.refused = True
        check_replaceable(self._path)
        try:
            self._write({"status": "running", **self._head})
        except OSError as error:
            raise unwritable(self._path, error) from None
        self.refused = False

    def tell(self, content: Mapping[str, Any], exit_code: int = 0) -> None:
        """The command has what it is for. Raises InputError when it cannot be written."""
        self._content = {"status": STATUS[exit_code], "exit_code": exit_code, **content}
        if self.alone:
            return
        try:
            self._write(self._content)
        except OSError as error:
            raise unwritable(self._path, error) from None

    def end(self) -> None:
        """The command ends as it should."""
        if self.alone and self._content:
            self._write(self._content)

    def fail(self, error: BaseException, exit_code: int) -> None:
        """The command ends with an error; what it had told is kept beside it."""
        ended = clock.now().isoformat(timespec="seconds")
        failed = {
            **self._content,
            "status": STATUS.get(exit_code, "failed"),
            "exit_code": exit_code,
            "error": error_form(error),
            **self._head,
            "ended": ended,
        }
        try:
            self._write(failed)
        except OSError as cause:
            say(f"note: {unwritable(self._path, cause)}", err=True)

    def _write(self, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        if self.alone:
            sys.stdout.write(visible_json(text))
        else:
            write_whole(self._path, text.encode("utf-8", "backslashreplace").decode())


def error_form(error: BaseException) -> dict[str, str | None]:
    """An error as data: what is wrong, where, and what to do."""
    if isinstance(error, ModelUnavailable):
        return {
            "what": f"{error.reason}: {error.detail}",
            "where": f"model {error.model}",
            "fix": error.fix,
        }
    if isinstance(error, KeyboardInterrupt):
        return {"what": "interrupted", "where": None, "fix": None}
    what = str(error) if isinstance(error, PromptlatheError) else f"{type(error).__name__}: {error}"
    parts = {key: getattr(error, key, None) for key in ("where", "fix")}
    return {"what": str(getattr(error, "what", what)), **parts}


def check_replaceable(path: Path, where: str = "--json") -> None:
    """Raises InputError for a file that we have not written: a run file, or somebody's data."""
    try:
        text = path.read_text("utf-8") if path.is_file() else ""
        found = json.loads(text) if text.strip() else {"status": ""}
    except (OSError, ValueError):
        found = None
    if not isinstance(found, dict) or not any(key in found for key in OURS):
        raise InputError(
            f"{path} is there already, and is no result", where, "name another file, or delete it"
        )


def check_writable(path: Path, where: str) -> None:
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


def unwritable(path: Path, error: OSError, where: str = "--json") -> InputError:
    """What is said of a file that cannot be written."""
    fix = "make the folder first" if not path.parent.exists() else "name another file"
    return InputError(f"{path} cannot be written: {error.strerror}", where, fix)

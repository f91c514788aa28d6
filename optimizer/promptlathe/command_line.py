"""How this program is called from here: whatever names a command to type takes it from `command`.

It is `promptlathe` only where a shell finds this very program by that name. After `make demo` it is
`.venv/bin/promptlathe`, and without a script `python -m promptlathe`.
"""

import os
import shlex
import shutil
import sys
from pathlib import Path

NAME = "promptlathe"


def command(*words: str | Path) -> str:
    """A line to type in the current folder, quoted for a shell: `command("ui", "--port", "5001")`.

    Paths are as they are shorter: from the current folder, or whole.
    """
    shown = (shown_path(word) if isinstance(word, Path) else word for word in words)
    return shlex.join([*program(), *shown])


def program() -> tuple[str, ...]:
    """The words that start this program, from the current folder."""
    started = Path(sys.argv[0] if sys.argv else "")
    if started.name == "__main__.py" and started.parent.name == NAME:
        return (_typed(Path(sys.orig_argv[0])), "-m", NAME)
    if started.stem == NAME and started.is_file():
        return (_typed(started),)
    # Not started as a command (a notebook, a program of yours): what is installed beside Python.
    script = Path(sys.executable).with_name(NAME)
    return (_typed(script),) if script.is_file() else (_typed(Path(sys.executable)), "-m", NAME)


def shown_path(path: Path) -> str:
    """A path as it is shorter: from the current folder, or whole."""
    whole = str(path.absolute())
    if path.is_absolute():
        from_here = os.path.relpath(whole)
        return from_here if len(from_here) < len(whole) else whole
    return str(path)


def _typed(file: Path) -> str:
    """A program as a shell here finds it: by its name, or by its path."""
    found = shutil.which(file.name)
    if file.parent == Path() and found:
        return file.name
    whole = Path(os.path.abspath(file))  # a link into another environment is another program
    if found and Path(os.path.abspath(found)) == whole:
        return file.name
    shown = shown_path(whole)
    return shown if os.sep in shown else os.path.join(os.curdir, shown)

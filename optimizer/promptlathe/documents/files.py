"""Files that somebody else may have named: regular ones, of a bounded size, in the workspace.

A path in a file is relative to that file's folder. It may not lead out of the folders that are
given as `within`, neither by `..` nor as an absolute path nor by a symbolic link; devices, pipes
and what the kernel shows as files are read from nowhere.
"""

from __future__ import annotations

from pathlib import Path
from stat import S_ISDIR, S_ISREG

from promptlathe.errors import InputError

TEXT_BYTES = 10_000_000
"""Of a text: a level's file, a metric, a request to a rewriter."""
YAML_BYTES = 1_000_000
"""Of a YAML file: reading more takes minutes."""
DATASET_BYTES = 1_000_000_000
"""Of a dataset."""
NAME_BYTES = 255
"""Of a file's name, on every usual file system."""
KERNEL = tuple(Path(name) for name in ("/proc", "/sys", "/dev"))
Within = tuple[Path, ...] | None
"""Resolved folders that no path may lead out of; None: anywhere."""


def find(folder: Path, name: str, within: Within = None, where: str | None = None) -> Path:
    """The path that `name` stands for in a file of `folder`; whether something is there is not
    looked at.

    Raises `InputError` at `where` for what cannot be a path, and for one that leads out of `within`
    or to a device.
    """
    path = folder / name
    try:
        real = path.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # NUL, a circle of links
        raise InputError(
            f"{_short(name)!r} cannot be a path: {_reason(error)}", where, "name a file"
        ) from None
    if any(len(part.encode("utf-8", "surrogateescape")) > NAME_BYTES for part in real.parts):
        raise InputError(
            f"{_short(name)!r} cannot be a path: a name of more than {NAME_BYTES} bytes",
            where,
            "name a file",
        )
    if within is not None and not any(real.is_relative_to(root) for root in within):
        raise InputError(
            f"{_short(name)!r} leads out of the workspace ({within[0]})",
            where,
            "move the file into the workspace, name another one with --workspace DIR, or allow it "
            "with --allow-outside",
        )
    return path


def is_file(path: Path) -> bool:
    """True when a regular file is there. Unlike `Path.is_file`, never raises."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_bytes(path: Path, most: int = TEXT_BYTES) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises `InputError` for any other."""
    size = check_file(path, most)
    try:
        with path.open("rb") as file:
            return file.read(size)  # what is written meanwhile is left out
    except OSError as error:
        raise _unreadable(path, error) from None


def check_file(path: Path, most: int = TEXT_BYTES) -> int:
    """The size of a regular file in bytes. Raises `InputError` unless one of at most `most` bytes
    is there."""
    try:
        state, real = path.stat(), path.resolve()
    except FileNotFoundError:
        folder = path.parent
        there = "the folder exists" if folder.is_dir() else f"there is no folder {folder}"
        raise InputError("there is no such file", str(path), f"check the path; {there}") from None
    except (OSError, ValueError, RuntimeError) as error:
        raise _unreadable(path, error) from None
    if S_ISDIR(state.st_mode):
        raise InputError("cannot be read: it is a folder", str(path), "name a file")
    if not S_ISREG(state.st_mode) or any(real.is_relative_to(kernel) for kernel in KERNEL):
        raise InputError(
            "cannot be read: it is a device, a pipe or the like",
            str(path),
            "name a regular file; save what a pipe gives first",
        )
    if state.st_size > most:
        raise _too_large(path, most)
    return state.st_size


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"cannot be read: {_reason(error)}", _short(str(path)), "check its name and permissions"
    )


def _too_large(path: Path, most: int) -> InputError:
    shown = f"{most // 10**9} GB" if most >= 10**9 else f"{most // 10**6} MB"
    fix = "keep long texts and rows in files of their own" if most == YAML_BYTES else "use a part"
    return InputError(f"is larger than {shown}", str(path), fix)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _short(name: str) -> str:
    return name if len(name) <= 200 else f"{name[:199]}…"

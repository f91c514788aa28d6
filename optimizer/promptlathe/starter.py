"""The content that ships: search spaces, objectives and run files, ready to use."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from promptlathe.new_files import cannot_write

FOLDERS = ("search_spaces", "objectives", "runs")


def starter() -> Path:
    """The folder that holds them: inside an installed wheel, or the root of a checkout."""
    package = Path(__file__).parent
    shipped = package / "_starter"
    return shipped if shipped.is_dir() else package.parent.parent


def shipped_files() -> list[Path]:
    """All of them, relative to `starter()`."""
    source = starter()
    return [
        path.relative_to(source)
        for folder in FOLDERS
        for path in sorted((source / folder).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def copy_starter(
    directory: Path, files: Iterable[Path] | None = None
) -> tuple[list[Path], list[Path]]:
    """Copy them, or only `files`, into `directory`; (files made, files that were there and stay).

    Raises InputError when the folder cannot be written.
    """
    made: list[Path] = []
    kept: list[Path] = []
    try:
        for file in shipped_files() if files is None else files:
            target = directory / file
            if target.exists():
                kept.append(target)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(starter() / file, target)
            made.append(target)
    except OSError as error:
        raise cannot_write(directory, error) from None
    return made, kept

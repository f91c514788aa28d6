"""The content that ships: search spaces, objectives and run files, ready to use."""

import shutil
from pathlib import Path

from promptlathe.errors import InputError

FOLDERS = ("search_spaces", "objectives", "runs")


def starter() -> Path:
    """The folder that holds them: inside an installed wheel, or the root of a checkout."""
    package = Path(__file__).parent
    shipped = package / "_starter"
    return shipped if shipped.is_dir() else package.parent.parent


def copy_starter(directory: Path) -> tuple[list[Path], list[Path]]:
    """Copy them into `directory`; (files made, files that were there and stay).

    Raises InputError when the folder cannot be written.
    """
    made: list[Path] = []
    kept: list[Path] = []
    source = starter()
    try:
        for folder in FOLDERS:
            for path in sorted((source / folder).rglob("*")):
                target = directory / path.relative_to(source)
                if path.is_dir() or "__pycache__" in path.parts:
                    continue
                if target.exists():
                    kept.append(target)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
                made.append(target)
    except OSError as error:
        raise InputError(
            f"cannot be written: {error.strerror}",
            str(error.filename or directory),
            "choose another folder",
        ) from None
    return made, kept

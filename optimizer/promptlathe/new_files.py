"""Files that are made for a user, beside those that are there."""

from collections.abc import Mapping
from pathlib import Path

from promptlathe.errors import InputError
from promptlathe.whole_files import write_whole


def write_files(folder: Path, files: Mapping[Path, str], *, fix: str, force: bool = False) -> None:
    """Write the files below a folder; those that are there with the same text stay.

    Raises InputError, before anything is written, for one that is there with another text, unless
    `force` (fix: what to do then); and for a folder that cannot be written.
    """
    try:
        there = {path: (folder / path).exists() for path in files}
        other = [
            path
            for path, text in files.items()
            if there[path] and (folder / path).read_bytes() != text.encode()
        ]
        if other and not force:
            raise InputError("is there already, with other content", str(folder / other[0]), fix)
        for path, text in files.items():
            if not there[path] or path in other:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                write_whole(folder / path, text)
    except OSError as error:
        raise cannot_write(folder, error) from None


def cannot_write(folder: Path, error: OSError) -> InputError:
    """What is said of a folder that cannot be written."""
    return InputError(
        f"cannot be written: {error.strerror}",
        str(error.filename or folder),
        "choose another folder",
    )

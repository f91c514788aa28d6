"""Files that are never seen half written."""

import os
from pathlib import Path
from uuid import uuid4


def write_whole(path: Path, text: str) -> None:
    """The file has the text, or is as it was: never a part, also when this process is killed.

    What is no plain file (a pipe, a device, a link) is written as it is. Raises OSError.
    """
    plain = path.is_file() and not path.is_symlink() if path.exists() else not path.is_symlink()
    if not plain or not os.access(path.parent, os.W_OK):
        path.write_text(text, encoding="utf-8")
        return
    beside = path.with_name(f".{path.name}.{uuid4().hex[:8]}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

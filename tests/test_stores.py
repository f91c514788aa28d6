"""Files of the workspace: written whole or not at all, and what is said when there is no room."""

import errno
import os
from pathlib import Path

import pytest

from promptlathe.errors import StorageFailed
from promptlathe.job.stores import make_state, storage, write_whole


def test_a_file_that_cannot_be_written_whole_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_whole(path, "first")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "a part, and then \ud800")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_plain_file_is_written_as_it_is(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    link.symlink_to(target)
    write_whole(link, "through the link")
    assert link.is_symlink()
    assert target.read_text() == "through the link"
    read, written = os.pipe()
    write_whole(Path(f"/dev/fd/{written}"), "into a pipe")
    assert os.read(read, 100) == b"into a pipe"
    os.close(read)
    os.close(written)


def test_a_full_disk_is_told_with_the_place_and_what_to_do(tmp_path: Path) -> None:
    journal = tmp_path / "optuna" / "x.journal"
    with pytest.raises(StorageFailed) as caught, storage(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(journal))
    assert str(caught.value) == (
        f"{journal}: cannot be written: No space left on device\n"
        f"  → make room on the disk of {tmp_path}, then start the same command again: it goes on"
    )
    with pytest.raises(FileNotFoundError), storage(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "no such file", "x")


def test_the_state_folder_keeps_itself_out_of_version_control(tmp_path: Path) -> None:
    make_state(tmp_path / "state")
    assert (tmp_path / "state" / ".gitignore").read_text() == "*\n"

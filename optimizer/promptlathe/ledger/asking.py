"""Calls under way, known to other processes on this machine: an equal call waits for the answer.

One file, and a byte in it for each call, which is locked as long as the call is under way (POSIX
record locks: the file stays empty). A lock goes with its process, however that ends.
"""

import errno
import fcntl
import os
from pathlib import Path

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


class Asking:
    """Of one process; without a path nobody waits for anybody."""

    def __init__(self, path: Path | None = None) -> None:
        self._file = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    def take(self, key: str) -> bool:
        """Whether the call is this process's to make now; False: another one is making it."""
        return self._lock(fcntl.LOCK_EX | fcntl.LOCK_NB, key)

    def leave(self, key: str) -> None:
        """It has its answer in the ledger, or none."""
        self._lock(fcntl.LOCK_UN, key)

    def close(self) -> None:
        """All of this process's calls are left."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _lock(self, kind: int, key: str) -> bool:
        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, kind, 1, int(key, 16) >> 2)
        except OSError as error:
            return error.errno in _UNSUPPORTED  # a disk without locks: each for itself
        return True

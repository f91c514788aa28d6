"""Joining the Ray cluster that is there, or starting one on this machine."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Self

from promptlathe.errors import InputError

_ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run`, the workers would never come up
}
_OWN = {
    **_ALWAYS,
    "RAY_AUTH_MODE": "disabled",
    # Listens on 127.0.0.1 only. To join such a cluster, a process must set it too.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": str(Path(__file__).parents[2]),
}
_OBJECT_STORE = 200_000_000  # bytes; by default Ray takes 30 % of the memory
_PROBE = 3.0  # seconds


class Cluster:
    """A connection to Ray. `close` stops Ray only if this started it.

    `address` is `local` (always start one here), `host:port` (join that one), or `auto`: join
    the one of RAY_ADDRESS or of `ray start` on this machine, or else start one.
    Raises `InputError` when an address is named and cannot be joined.
    """

    def __init__(self, address: str) -> None:
        target = _target(address)
        self._saved: dict[str, str | None] = {}
        self._sigterm: Any = None
        self._owned = False
        self._set(_ALWAYS if target else _OWN)
        import ray

        if ray.is_initialized():
            return
        self._sigterm = signal.getsignal(signal.SIGTERM)
        try:
            if target:
                _join(target)
            else:
                _start()
        except BaseException:
            self._restore()
            raise
        self._owned = True
        if self._sigterm is not signal.SIG_DFL:
            self._restore_sigterm()  # the program's own handler goes before Ray's

    def close(self) -> None:
        """Leave the cluster, or stop it; can be called twice."""
        import ray

        if self._owned:
            self._owned = False
            ray.shutdown()
        self._restore()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set(self, variables: dict[str, str]) -> None:
        """What the user has set stands; PYTHONPATH grows."""
        for name, value in variables.items():
            old = os.environ.get(name)
            if name == "PYTHONPATH" and old:
                value = f"{value}{os.pathsep}{old}"
            elif old is not None:
                continue
            self._saved[name] = old
            os.environ[name] = value

    def _restore(self) -> None:
        for name, old in self._saved.items():
            if old is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = old
        self._saved = {}
        self._restore_sigterm()

    def _restore_sigterm(self) -> None:
        if self._sigterm is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._sigterm)


def _start() -> None:
    import ray

    ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=_OBJECT_STORE,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )


def _join(address: str) -> None:
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        raise InputError(
            f"the Ray cluster at {address} cannot be joined: {str(error).splitlines()[0]}",
            "parallel.address",
            "it must run the same versions of Ray and Python; a cluster with tokens "
            "needs RAY_AUTH_MODE=token here",
        ) from error


def _target(address: str) -> str | None:
    """The address to join; None to start a cluster here."""
    if address == "local":
        return None
    if address == "auto":
        if named := os.environ.get("RAY_ADDRESS"):
            return None if named == "local" else _checked(named)
        # `ray start` leaves the address here, and a killed cluster leaves it behind.
        last = Path(os.environ.get("RAY_TMPDIR") or gettempdir(), "ray", "ray_current_cluster")
        found = last.read_text(encoding="utf-8").strip() if last.is_file() else ""
        return found if found and _reachable(found) else None
    return _checked(address)


def _checked(address: str) -> str:
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise InputError(
            f"{address!r} is not the address of a Ray cluster",
            "parallel.address",
            "write `auto`, `local`, or the head's host:port (mostly port 6379); "
            "for a Ray Client address (ray://), run the job on the cluster instead",
        )
    # Ray itself would try a dead address for minutes.
    if not _reachable(address):
        raise InputError(
            f"there is no Ray cluster at {address}",
            "parallel.address",
            "start one with `ray start --head`, or write `address: local`",
        )
    return address


def _reachable(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE):
            return True
    except (OSError, ValueError):
        return False

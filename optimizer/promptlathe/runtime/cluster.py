"""Joining the Ray cluster that is there, or starting one on this machine."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import threading
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Self

from promptlathe.errors import ClusterLost, InputError
from promptlathe.runtime.cluster_watch import FINAL, PATIENCE, ClusterWatch, Part

_ALWAYS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # under `uv run`, the workers would never come up
    # Ray prints what its raylets say of a dead node to our stdout, whatever `log_to_driver` is.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
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
_SETTINGS = 4  # the type of a frame of HTTP/2


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

        self._started = False
        if ray.is_initialized():
            return
        self._sigterm = signal.getsignal(signal.SIGTERM)
        try:
            if target:
                _join(target)
            else:
                _start()
                self._started = True
        except BaseException:
            self._restore()
            raise
        self._owned = True
        if self._sigterm is not signal.SIG_DFL:
            self._restore_sigterm()  # the program's own handler goes before Ray's

    @property
    def node(self) -> str:
        """Ray's name of the node of this process."""
        import ray

        return ray.get_runtime_context().get_node_id()

    def watch(self) -> ClusterWatch:
        """Of the parts that nothing goes on without."""
        import ray

        head = ray.get_runtime_context().gcs_address
        patience = FINAL if self._started else PATIENCE
        parts = [Part("the head of the Ray cluster (GCS)", head, patience)]
        for node in ray.nodes():
            if node["NodeID"] == self.node:
                address = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
                parts.append(Part("the raylet of this machine", address, FINAL))
        again = "start the same command again: it goes on from the answers that are kept"
        fix = again if self._started else f"start the Ray cluster again, then {again}"
        return ClusterWatch(parts, fix)

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

    try:
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:
        raise ClusterLost(
            f"Ray does not start on this machine: {_said(error)}",
            "/tmp/ray/session_latest/logs says why; `parallel.engine: local` goes without it",
        ) from error


def _join(address: str) -> None:
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        if found := re.findall(r"(Ray|Python): (\S+)", str(error)):
            raise _other_versions(address, found) from error
        raise InputError(
            f"the Ray cluster at {address} cannot be joined: {_said(error)}",
            "parallel.address",
            "a node of it must run on this machine (`ray start --address=…`); a cluster with "
            "tokens needs RAY_AUTH_MODE=token here",
        ) from error


def _other_versions(address: str, found: list[tuple[str, str]]) -> InputError:
    """Ray says: of the cluster Ray and Python, then of this process."""
    theirs, ours = (" and ".join(map(" ".join, part)) for part in (found[:2], found[2:]))
    return InputError(
        f"the Ray cluster at {address} runs {theirs}, this process {ours}",
        "parallel.address",
        "install the same versions here as on the nodes; where only the last figure of Python "
        "differs, RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL=minor allows it",
    )


def _said(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


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
    if not _speaks_grpc(address):
        raise InputError(
            f"what listens at {address} is no Ray cluster, or does not answer",
            "parallel.address",
            "name the head's port (mostly 6379), not the dashboard's; if that is it, the head "
            "hangs: start the cluster again",
        )
    return address


def _speaks_grpc(address: str) -> bool:
    """Whether it greets a client as Ray's head does: with settings of HTTP/2 (RFC 9113, 3.4)."""
    if os.environ.get("RAY_USE_TLS", "0") != "0":
        return True
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE) as there:
            there.sendall(
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, _SETTINGS, 0)) + bytes(4)
            )
            head = there.recv(9, socket.MSG_WAITALL)
    except OSError:
        return False
    return len(head) == 9 and head[3] == _SETTINGS


def _reachable(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_PROBE):
            return True
    except (OSError, ValueError):
        return False

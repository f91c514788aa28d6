"""The process that serves a GGUF file: started with the first call, one for all who use the file.

Its standard input is a pipe of this process. So it ends with this one, however this one ends, and
Ctrl-C in the terminal does not reach it.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from promptlathe.errors import InputError
from promptlathe.models.local_main import Options
from promptlathe.models.local_weights import Weights

SLOTS = 4
"""Calls that it computes at once: more of them make no processor quicker, and each takes memory."""
_STARTS = 3
"""Times that it is started: a process may be ended from outside, and a file that ends it does so
again."""
_ENDS = 5.0
"""Seconds until it is killed."""
_WHY = "error loading model: "
"""Of llama.cpp, before the reason; the lines around it say less."""
_SAID = 4000
"""Bytes of what it complained of, from the end."""


class ServerEnded(Exception):
    """It was started often enough: `args[0]` says how it ended."""


def threads() -> int:
    """One for each core that this process may use, but one."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # no Linux
        cores = os.cpu_count() or 1
    return max(1, cores - 1)


class LocalServer:
    """Serves one file; safe to use from several threads."""

    def __init__(self, weights: Weights, context: int) -> None:
        self._weights, self._context = weights, context
        self.key = secrets.token_hex(16)
        self._starting = threading.Lock()
        self._started = 0
        self._closed = False
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[bytes] | None = None
        self._address = ""

    @property
    def address(self) -> str:
        """Its base URL, while it runs; else empty."""
        process = self._process
        return self._address if process is not None and process.poll() is None else ""

    def start(self) -> str:
        """Wait until it runs; its base URL.

        Raises InputError when it cannot load the file, and ServerEnded when it ended too often.
        """
        with self._starting:
            if self.address:
                return self.address
            if self._closed:
                raise ServerEnded("it was closed")
            if self._started >= _STARTS:
                raise ServerEnded(f"llama.cpp's server ended {self._started} times: {self._how()}")
            self._started += 1
            self._address = ""
            self._address = self._begin() + "/v1"
            return self._address

    def close(self) -> None:
        """End it; whoever waits for it to start is told."""
        self._closed = True
        if self._process:
            _end(self._process)

    def _begin(self) -> str:
        if self._errors:
            self._errors.close()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
        process = self._process = subprocess.Popen(
            [sys.executable, "-m", "promptlathe.models.local_main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for the run, which then ends this
        )
        assert process.stdin is not None
        assert process.stdout is not None
        options = Options(
            path=str(self._weights.path),
            key=self.key,
            slots=SLOTS,
            context=self._context,
            threads=threads(),
        )
        with suppress(OSError):  # it ended: what it said tells why
            process.stdin.write(json.dumps(options) + "\n")
            process.stdin.flush()
        with process.stdout as told:
            said = told.read()  # until it closes it, or ends
        if self._closed:
            _end(process)
            raise ServerEnded("it was closed")
        found = json.loads(said) if said else {}
        if "address" in found:
            return str(found["address"])
        process.wait()
        raise InputError(
            f"llama.cpp cannot load {self._weights.path.name}: {self._how(found.get('error', ''))}",
            "model.gguf",
            "name another GGUF file, or install a newer xllamacpp; a model that is larger than the "
            "memory, or a processor that is older than the wheel, ends the process",
        )

    def _how(self, said: str = "") -> str:
        """The process ended: what it complained of, or else how it ended."""
        assert self._errors is not None
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - _SAID))
        lines = self._errors.read().decode("utf-8", "replace").splitlines()
        told = [line.rpartition(_WHY)[2] for line in lines if _WHY in line] or lines or [said]
        code = self._process.returncode if self._process else None
        return told[-1] or f"exit code {code}"


def _end(process: subprocess.Popen[str]) -> None:
    """It ends with its standard input."""
    assert process.stdin is not None
    with suppress(OSError):
        process.stdin.close()
    try:
        process.wait(_ENDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass
class _Shared:
    server: LocalServer
    users: int


_servers: dict[tuple[Weights, int], _Shared] = {}
_lock = threading.Lock()


def open_server(weights: Weights, context: int) -> LocalServer:
    """The one that serves the file in this process; `close_server` must follow."""
    with _lock:
        shared = _servers.setdefault(
            (weights, context), _Shared(LocalServer(weights, context), users=0)
        )
        shared.users += 1
        return shared.server


def close_server(server: LocalServer) -> None:
    """It is ended once nobody uses it any more."""
    with _lock:
        key, shared = next((k, s) for k, s in _servers.items() if s.server is server)
        shared.users -= 1
        if shared.users:
            return
        del _servers[key]
    server.close()

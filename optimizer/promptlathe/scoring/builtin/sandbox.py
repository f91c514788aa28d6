"""Python of a model, run in a process of its own: this side starts it, and ends it.

The process has a time limit, a folder of its own that goes with it, and none of this process's
environment: no keys. `sandbox_main` is its side.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

MAIN = Path(__file__).with_name("sandbox_main.py")
GRACE = 5.0
"""Seconds for a Python process to start and to end."""
MOST = 1_000_000
"""Bytes of what it says."""
ENDED = "the process ended before it: {}"


def run_tests(code: str, tests: Sequence[str], *, seconds: float, memory: int) -> list[str | None]:
    """What went wrong in each test; None for one that passed.

    seconds: for all of them, from the code's first line. memory: megabytes.
    """
    order = {"code": code, "tests": list(tests), "seconds": seconds, "memory": memory}
    with TemporaryDirectory(prefix="promptlathe-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        (home / "order.json").write_text(json.dumps(order), encoding="utf-8")
        with subprocess.Popen(
            [sys.executable, "-I", "-B", str(MAIN), "order.json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=home,
            env=_environment(folder),
            start_new_session=True,  # it is ended with all that it has started
        ) as process:
            try:
                said, why = _heard(process, monotonic() + seconds + GRACE)
            finally:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
    return _reasons(said, why, len(tests), seconds)


def _environment(folder: str) -> dict[str, str]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        "PATH": os.defpath,
        "HOME": folder,
        "TMPDIR": folder,
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        **threads,
    }


def _heard(process: subprocess.Popen[bytes], until: float) -> tuple[bytes, str]:
    """What the process said until it closed its pipe, and why nothing more came."""
    assert process.stdout is not None
    said = bytearray()
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while len(said) < MOST:
            if not ready.select(max(0.0, until - monotonic())):
                return bytes(said), "out of time"
            more = os.read(process.stdout.fileno(), 65536)
            if not more:
                return bytes(said), "it stopped by itself, or ran out of memory"
            said += more
    return bytes(said), "it said too much"


def _reasons(said: bytes, why: str, count: int, seconds: float) -> list[str | None]:
    """Lines are JSON: [] when the code ran, then [number, reason or null] of each test."""
    found: dict[int, str | None] = {}
    for line in said.splitlines():
        try:
            match json.loads(line):
                case [int(number), str() | None as reason]:
                    found[number] = reason
                case str(broken):  # the code itself: no test was tried
                    return [broken] * count
                case _:
                    pass
        except ValueError:  # cut off
            pass
    late = f"not done within {seconds:g} s" if why == "out of time" else ENDED.format(why)
    return [found.get(number, late) for number in range(count)]

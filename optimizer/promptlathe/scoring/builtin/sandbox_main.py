"""Runs a model's Python and tests of it. Imports nothing of ours: `python -I -B` runs the file.

What is done, so that code which goes wrong does no harm:

- limits of the system: address space, processor seconds, size of files, open files, no core files
- on Linux, where namespaces are allowed: no network at all, a space of processes that ends as a
  whole, and every file read-only but those of its folder
- everywhere, within Python: no network, no new process, no signal, no writing outside of its folder
- it is killed when whoever started it is gone

What is not: it reads the files that you can read, and code that sets out to break out of Python
(native code, the interpreter's memory) is only held by the namespaces and the limits. It keeps out
accidents, not attackers: for code of people that you do not trust, use a container.
"""

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

CLONE = 0x10000000 | 0x40000000 | 0x20000000 | 0x08000000 | 0x00020000
"""New namespaces of users, network, processes, messages between them, and mounts (sched.h)."""
BIND, SET_ATTRIBUTES, RECURSIVE, HERE, READ_ONLY = 4096, 442, 0x8000, -100, 1
"""Of mount(2) and mount_setattr(2), which has one number on all processors."""
DEATH_SIGNAL, NO_NEW_PRIVILEGES = 1, 38
"""Of prctl(2)."""
FILE_BYTES, FILES = 10_000_000, 64
PROCESSES = {True: 64, False: 4096}
"""Apart from others or not: then all of the user's processes count. Root's are not counted."""
DENIED = {
    "socket.": "the network",
    "os.fork": "new processes",
    "os.exec": "new processes",
    "os.spawn": "new processes",
    "os.posix_spawn": "new processes",
    "os.system": "new processes",
    "subprocess.": "new processes",
    "pty.": "new processes",
    "os.kill": "signals",
    "ctypes.": "native code",
}
"""Beginnings of audit events (docs.python.org/3/library/audit_events.html)."""
ALLOWED = ("socket.__new__", "socket.gethostname")
CHANGES = (
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.mkdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.utime",
)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Late(BaseException):
    """A test's time is over."""


def main(order: dict[str, Any]) -> None:
    """Apart, if that can be; then the code, then the tests."""
    folder = Path.cwd().resolve()
    apart = _apart()
    if apart and (child := os.fork()):
        os.waitpid(child, 0)
        os._exit(0)
    _bound(order["memory"], order["seconds"], PROCESSES[apart])
    report = _speaker()
    sys.addaudithook(_guard(None if apart and _read_only_but(folder) else folder))
    signal.signal(signal.SIGALRM, _late)
    _run(order, report)
    os._exit(0)


def _run(order: dict[str, Any], report: Callable[[Any], None]) -> None:
    until = time.monotonic() + order["seconds"]
    module = ModuleType("answer")  # dataclasses and pickle look their module up
    sys.modules[module.__name__] = module
    names = vars(module)
    if broken := _tried(order["code"], names, order["seconds"]):
        report(f"the code does not run: {broken}")
        return
    tests: list[str] = order["tests"]
    for number, test in enumerate(tests):
        left = max(0.0, until - time.monotonic())
        # What a test leaves over is the others': one that never ends costs itself.
        report([number, _tried(test, dict(names), left / (len(tests) - number))])


def _tried(code: str, names: dict[str, Any], seconds: float) -> str | None:
    """What went wrong, in a line; None when nothing did."""
    try:
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
        exec(compile(code, "<answer>", "exec"), names)
    except Late:
        return "took too long"
    except BaseException as error:  # noqa: BLE001  # also sys.exit()
        return _said(error)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def _said(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())[:200]
    except BaseException:  # noqa: BLE001  # the code's own __str__
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _late(*_: object) -> None:
    raise Late


def _apart() -> bool:
    """This process's children get namespaces of their own."""
    if not sys.platform.startswith("linux"):
        return False
    apart = ctypes.CDLL(None).unshare(CLONE) == 0
    _ends_with_its_parent()
    return apart


def _read_only_but(folder: Path) -> bool:
    """No file can be changed outside of the folder; False where that cannot be done."""
    libc, path = ctypes.CDLL(None), os.fsencode(folder)

    def attributes(place: bytes, on: int, off: int, flags: int) -> bool:
        wanted = (ctypes.c_uint64 * 4)(on, off, 0, 0)
        size = ctypes.c_size_t(ctypes.sizeof(wanted))
        return libc.syscall(SET_ATTRIBUTES, HERE, place, flags, wanted, size) == 0

    done = (
        libc.mount(path, path, None, BIND, None) == 0
        and attributes(b"/", READ_ONLY, 0, RECURSIVE)
        and attributes(path, 0, READ_ONLY, 0)
    )
    os.chdir(folder)
    return done


def _ends_with_its_parent() -> None:
    """Linux forgets it whenever rights change."""
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None)
        libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
        libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)


def _bound(memory: int, seconds: float, processes: int) -> None:
    import resource

    _ends_with_its_parent()
    limits = {
        resource.RLIMIT_AS: memory * 2**20,
        resource.RLIMIT_CPU: int(seconds) + 2,
        resource.RLIMIT_FSIZE: FILE_BYTES,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_NPROC: processes,
        resource.RLIMIT_CORE: 0,
    }
    for name, most in limits.items():
        with suppress(OSError, ValueError):  # what the system does not know, or is lower already
            resource.setrlimit(name, (most, most))


def _speaker() -> Callable[[Any], None]:
    """Writes lines to what was standard output; the code's own words go nowhere."""
    pipe = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)

    def report(content: Any) -> None:
        os.write(pipe, json.dumps(content).encode() + b"\n")

    return report


def _guard(folder: Path | None) -> Callable[[str, tuple[Any, ...]], None]:
    """Refuses what the code has no need of; audit hooks cannot be taken away.

    folder: where it may write; None where the system sees to that.
    """
    home, busy = str(folder), False

    def inside(path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return True  # a number of an open file
        real = os.path.realpath(os.fsdecode(path))
        return real == os.devnull or real.startswith(home + os.sep)

    def stays(event: str, details: tuple[Any, ...]) -> bool:
        if event == "open":
            writes = isinstance(details[2], int) and details[2] & WRITES
            return not writes or inside(details[0])
        if event not in CHANGES:
            return True
        within_others = event != "os.truncate" and details[-1] not in (-1, None)
        return not within_others and all(map(inside, details[:2]))

    def hook(event: str, details: tuple[Any, ...]) -> None:
        nonlocal busy
        if busy:
            return
        for beginning, what in DENIED.items():
            if event.startswith(beginning) and event not in ALLOWED:
                raise PermissionError(f"{what} cannot be had here")
        busy = True
        try:
            good = folder is None or stays(event, details)
        finally:
            busy = False
        if not good:
            raise PermissionError("nothing can be written outside of the working folder")

    return hook


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))

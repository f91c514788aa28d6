"""A job as a process of its own, `promptlathe run FILE` or `watch FILE`, and how it ended."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlathe.schedule.entries import Entry

GRACE = 30.0
"""Seconds that a job has to end in order when the scheduler is stopped."""


@dataclass(frozen=True)
class Ended:
    """How a job ended."""

    code: int
    """Exit code; of one that was killed, minus the signal's number."""
    result: dict[str, Any]
    """The content of its `--json`: a result, or an `error`; empty when it wrote none."""


async def start_job(entry: Entry, began: Callable[[int], object]) -> Ended:
    """Carry a job out, and wait for its end; `began` is told the number of its process.

    What it says goes to KEY.log in the entry's folder, its result to KEY.json. When this is
    cancelled, the job is interrupted: the next run goes on from there.
    """
    out = _out(entry)
    entry.folder.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "promptlathe", entry.work, str(entry.file), "--quiet"),
        *("--workspace", str(entry.workspace)),
        *("--json", str(out), "--log", str(entry.folder / f"{entry.key}.log")),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal is for the scheduler
    )
    try:
        began(process.pid)
        code = await process.wait()
    except asyncio.CancelledError:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), GRACE)
        except TimeoutError:
            process.kill()
            await process.wait()
        raise
    return Ended(code, _read(out))


def left_result(entry: Entry) -> Ended | None:
    """How a job ended that somebody else had started; None when it did not come to its end."""
    found = _read(_out(entry))
    return Ended(int(found.get("exit_code", 1)), found) if found else None


def _out(entry: Entry) -> Path:
    return entry.folder / f"{entry.key}.json"


def _read(file: Path) -> dict[str, Any]:
    """One that was killed leaves `running`."""
    try:
        found = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if found.get("status") != "running" else {}

"""Does `check` end well on any input? Mutated run files, spaces, objectives and data.

    python benchmarks/fuzz.py [--first 0] [--cases 20000] [--jobs 2] [--seconds 10] [--show]

Each case is a workspace in which one to three things are wrong (lab/mutations.py): bytes, lines,
values of YAML, cells of data. What `promptlathe check` calls is called in a worker process that may
take 500 MB more than it had at first. Counted are

    ok         the mutation did no harm
    refused    one message for the user: exit code 2, or 4 for a budget that is too small
    traceback  anything else that is raised
    hang       no end within the seconds
    memory     more than the memory

A case is made again by its number: `--first N --cases 1 --show`. The three last must be 0.
"""

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lab.mutations import Case, mutated
from promptlathe.cli.terminal import visible
from promptlathe.errors import PromptlatheError
from promptlathe.job import Job, check

MEMORY = 500_000_000
"""Bytes that a case may take beyond what the process had."""
GRACE = 5
"""Seconds after which a worker that does not even answer the clock is ended."""
FAULTS = ("traceback", "hang", "memory")


class OutOfTime(BaseException):
    """Not an `Exception`, which somebody would catch."""


def outcome(case: Case, folder: Path, seconds: float) -> tuple[str, str]:
    """(what became of a case, in detail). The workspace is made in `folder`, and is gone after."""
    place = folder / "workspace"
    for name, content in case.files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        check(Job.load(place / case.run, allow_outside=False))
        return "ok", ""
    except PromptlatheError as error:
        return _refused(error)
    except MemoryError:
        return "memory", _where()
    except OutOfTime:
        return "hang", _where()
    except BaseException as error:  # noqa: BLE001  # that is what is looked for
        return "traceback", f"{type(error).__name__}: {error}"[:300] + _where()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        shutil.rmtree(place, ignore_errors=True)


def _refused(error: PromptlatheError) -> tuple[str, str]:
    said = visible(str(error))
    said.encode()
    fix = getattr(error, "fix", None)
    if error.exit_code not in (2, 4) or not fix or len(said) > 5000:
        return "traceback", f"exit {error.exit_code}, no short message with a fix: {said[:500]}"
    return "refused", said


def _where() -> str:
    frames = traceback.extract_tb(sys.exc_info()[2])
    return "".join(f"\n    {f.filename}:{f.lineno} {f.name}" for f in frames[-6:])


def _out_of_time(*_: object) -> None:
    raise OutOfTime


def work(numbers: Any, results: Any, folder: str, seconds: float) -> None:
    """A worker: takes numbers until there are none."""
    os.chdir(folder)
    os.environ["OPENAI_API_KEY"] = "none"
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # what checks print is not looked at
    for number in range(-20, 0):  # loads everything
        outcome(mutated(number), Path(folder), seconds)
    with open("/proc/self/statm") as file:
        most = int(file.read().split()[0]) * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    while (number := numbers.get()) is not None:
        results.put((os.getpid(), number, None))
        results.put((os.getpid(), number, outcome(mutated(number), Path(folder), seconds)))


def campaign(first: int, cases: int, jobs: int, seconds: float) -> dict[int, tuple[str, str]]:
    """What became of each case, by its number."""
    context = multiprocessing.get_context("spawn")
    numbers, results = context.Queue(), context.Queue()
    for number in [*range(first, first + cases), *[None] * jobs]:
        numbers.put(number)
    found: dict[int, tuple[str, str]] = {}
    busy: dict[int, tuple[int, float]] = {}
    with TemporaryDirectory() as root:
        workers: dict[int, Any] = {}

        def start() -> None:
            folder = Path(root) / str(len(workers))
            folder.mkdir()
            one = context.Process(target=work, args=(numbers, results, str(folder), seconds))
            one.start()
            workers[one.pid or 0] = one

        for _ in range(jobs):
            start()
        while len(found) < cases:
            try:
                pid, number, result = results.get(timeout=1)
                busy[pid] = (number, time.monotonic())
                if result:
                    found[number] = result
                    busy.pop(pid)
            except Exception:  # noqa: BLE001  # nothing for a second
                pass
            for pid, (number, since) in list(busy.items()):
                dead = not workers[pid].is_alive()
                if dead or time.monotonic() - since > seconds + GRACE:
                    with suppress(ProcessLookupError):
                        workers[pid].kill()
                    busy.pop(pid)
                    found[number] = ("memory" if dead else "hang", "the process was ended")
                    start()
        for one in workers.values():
            one.join(1)
            one.kill()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--show", action="store_true", help="every message, and what was done")
    options = parser.parse_args()
    start = time.monotonic()
    found = campaign(options.first, options.cases, options.jobs, options.seconds)
    for number, (kind, detail) in sorted(found.items()):
        if options.show or kind in FAULTS:
            print(f"{number} {kind}: {'; '.join(mutated(number).done)}\n  {detail}")
    counts = Counter(kind for kind, _ in found.values())
    seconds = round(time.monotonic() - start, 1)
    print(json.dumps({"cases": len(found), **dict(counts), "seconds": seconds}))
    sys.exit(any(counts[fault] for fault in FAULTS))


if __name__ == "__main__":
    main()

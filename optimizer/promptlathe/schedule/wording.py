"""What is said of schedules, in lines."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import combinations, islice
from typing import Any

from promptlathe.command_line import shown_path
from promptlathe.schedule.entries import Entry
from promptlathe.schedule.starting import Ended
from promptlathe.track.registry import versions_listed

LOOKED_AT = 500
"""Times of each of two entries that are looked at for one they share."""


def shown(moment: datetime) -> str:
    """A moment, in its zone, as people say it: Mon 2026-11-30 03:00 CET."""
    return f"{moment:%a %Y-%m-%d %H:%M %Z}"


def lasting(time: timedelta) -> str:
    """A duration, rounded: 45 s, 12 min, 3.5 h."""
    seconds = time.total_seconds()
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def ended_line(entry: Entry, ended: Ended, took: timedelta) -> str:
    """How a job ended."""
    found = ended.result
    log = shown_path(entry.folder / f"{entry.key}.log")
    if error := found.get("error"):
        what = f"failed: {error['what']} (exit code {ended.code}; {log})"
    elif ended.code < 0:
        what = f"was killed by signal {-ended.code} ({log})"
    elif "verdict" not in found:
        what = f"ended with exit code {ended.code} and no result ({log})"
    else:
        what = verdict(found) if entry.work == "run" else watch_verdict(found)
    return f"{entry.name}: {what}, after {lasting(took)}"


def verdict(found: dict[str, Any]) -> str:
    """Of a result as data, and what became of it."""
    test = found["test_champion"] or found["test"]
    low, high = test["interval"]
    joint = "than" if found["verdict"] in ("better", "worse") else "over"
    said = (
        f"{found['verdict']} {joint} the {found['compared_with']}: "
        f"{test['gain']:+.3f} [{low:+.3f}, {high:+.3f}]"
    )
    registered = versions_listed(found["registered"])
    said += f"; {registered} is the champion" if registered else ""
    return f"{said} ({found['calls']['total']:,} calls)"


def watch_verdict(found: dict[str, Any]) -> str:
    """Of a look as data."""
    said = f"{versions_listed(found['champion'])}: {found['verdict']}"
    if found["drop"] is not None:
        said += f", {100 * found['drop']:.0f} points lower since {found['began'][:10]}"
    elif found["verdict"] == "not enough looks yet":
        said += f" ({found['looks']})"
    return said


def overlaps(entries: Sequence[Entry], now: datetime) -> Iterator[str]:
    """Pairs of jobs on one prompt that share a time: the second waits for the first."""
    by_prompt: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for entry in entries:
        by_prompt[str(entry.workspace), entry.prompt].append(entry)
    for same in by_prompt.values():
        for one, other in combinations(same, 2):
            times = (set(islice(each.cron.after(now), LOOKED_AT)) for each in (one, other))
            if shared := set.intersection(*times):
                yield (
                    f"{shown_path(one.file)} and {shown_path(other.file)} are both due on "
                    f"{shown(min(shared))}, and work on the prompt {one.prompt}: the second waits "
                    "for the first"
                )

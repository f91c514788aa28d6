"""Progress: a live Rich display in a terminal, a plain line every few seconds elsewhere."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from promptlathe.cli.terminal import say, visible
from promptlathe.job.progress import View
from promptlathe.records import Standing

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from promptlathe.job import Job
    from promptlathe.models import ModelSettings

EVERY_LIVE, EVERY_PLAIN = 0.2, 5.0
"""Seconds between two drawings."""


@contextmanager
def display(job: "Job") -> Generator["PlainProgress | LiveProgress"]:
    """Progress on stderr, so that stdout holds the result alone."""
    say(
        f"{job.name}: {job.space.size} on {job.model.name}{kind(job.model)}",
        err=True,
    )
    if not sys.stderr.isatty():
        yield PlainProgress()
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        yield LiveProgress(live)


class PlainProgress:
    """One line now and then, for logs."""

    def __init__(self) -> None:
        self._next = time.monotonic() + EVERY_PLAIN / 5

    def update(self, view: View) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY_PLAIN
        say("  ".join(f"{name} {value}" for name, value in facts(view)), err=True)

    def end(self) -> None:
        """Nothing is in the way of what comes."""


class Counting:
    """A line now and then: so many of so many."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._next = time.monotonic() + EVERY_PLAIN / 5

    def tell(self, done: int, total: int) -> None:
        """So far."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY_PLAIN
            say(f"{self._what} {done:,} of {total:,}", err=True)


class LiveProgress:
    """A bar and a small table, redrawn in place."""

    def __init__(self, live: "Live") -> None:
        self._live = live
        self._next = 0.0

    def update(self, view: View) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY_LIVE
        self._live.update(_table(view), refresh=True)

    def end(self) -> None:
        """Take it away: something else is printed."""
        self._live.stop()


def facts(view: View) -> list[tuple[str, str]]:
    """What is shown, in order: name and value."""
    spent, budget = view.account.spent, view.budget
    used = f"{spent.used_calls:,}" + (f" of {budget.calls:,}" if budget.calls else "")
    cached = f" ({spent.cached_calls:,} known already)" if spent.cached_calls else ""
    left = view.seconds_left
    return [
        (view.stage, ""),
        ("calls", used + cached),
        ("seed", _score(view.policy.seed)),
        ("best", _score(view.policy.best)),
        ("candidates", str(len(view.policy.standings))),
        ("calls/s", f"{view.calls_per_second:,.0f}"),
        ("cost", "unknown" if spent.usd is None else f"${spent.usd:.2f}"),
        ("left", "…" if left is None else duration(left)),
        *(("waiting", said) for said in view.notices),
    ]


def kind(model: "ModelSettings") -> str:
    """What is said of a model that is computed here, in brackets."""
    if model.embedded:
        return " (the embedded pocket model)"
    return f" ({model.weights})" if model.gguf is not None else ""


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s` or `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return (
        f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
    )


def _score(standing: Standing) -> str:
    found = standing.estimate
    return f"{found.mean:.3f} (n={found.n})" if found else "…"


def _table(view: View) -> "Table":
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    (stage, _), *rest = facts(view)
    grid.add_row(stage, ProgressBar(total=1.0, completed=view.fraction or 0.0, width=40))
    for name, value in rest:
        grid.add_row(name, Text(visible(value)))  # not read as markup
    return grid

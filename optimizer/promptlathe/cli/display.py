"""Progress: a live display in a terminal, lines at a settled pace elsewhere and in a log."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

from promptlathe.cli.log import Log
from promptlathe.cli.terminal import drawable, fold, say, short, styled
from promptlathe.job.progress import View
from promptlathe.records import Standing
from promptlathe.results import STATES
from promptlathe.scoring.answers import State

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live

    from promptlathe.job import Job
    from promptlathe.models import ModelSettings

EVERY_LIVE = 0.2
"""Seconds between two drawings."""
PACES = ((0.0, 5.0), (60.0, 30.0), (600.0, 60.0), (3600.0, 300.0))
"""(From so many seconds on, so many between two lines): a run of ten hours makes 190."""
LOST: list[State] = [one for one in STATES if one != "answered"]
NAME = 12
"""Columns of the names."""
REASON = 160
"""Characters of what a failure says."""


def pace(elapsed: float) -> float:
    """Seconds until the next line."""
    return next(every for since, every in reversed(PACES) if elapsed >= since)


@contextmanager
def display(job: "Job", log: Log | None = None, *, quiet: bool = False) -> "Generator[Drawn]":
    """Progress on stderr, so that stdout holds the result alone."""
    if quiet:
        yield Drawn(*([Lines(log.line)] if log else []))
        return
    say(f"{job.name}: {job.space.size} on {job.model.name}{kind(job.model)}", err=True)
    if not (sys.stderr.isatty() and styled(sys.stderr)):
        yield Drawn(Lines(partial(say, err=True)))
        return
    from rich.console import Console
    from rich.live import Live

    with (
        log.drawing() if log else nullcontext(sys.stderr) as stream,
        Live(console=Console(file=stream), auto_refresh=False, transient=True) as live,
        log.listening() if log else nullcontext(),
    ):
        yield Drawn(LiveProgress(live), *([Lines(log.line)] if log else []))


class Drawn:
    """Progress that is drawn in several places."""

    def __init__(self, *places: "Lines | LiveProgress") -> None:
        self._places = places

    def update(self, view: View) -> None:
        for one in self._places:
            one.update(view)

    def end(self) -> None:
        """Something else is printed."""
        for one in self._places:
            one.end()


class Lines:
    """One line now and then: the first at once, and when the stage changes; and a last one."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._began = time.monotonic()
        self._next = self._began
        self._stage = ""
        self._view: View | None = None
        self._told = ""

    def update(self, view: View) -> None:
        now = time.monotonic()
        self._view = view
        if now < self._next and view.stage == self._stage:
            return
        self._next = now + pace(now - self._began)
        self._stage = view.stage
        self._draw(view)

    def end(self) -> None:
        """A last line."""
        if self._view is not None:
            self._draw(self._view)

    def _draw(self, view: View) -> None:
        line = "  ".join(f"{name} {value}".rstrip() for name, value in facts(view))
        if line != self._told:
            self._tell(line)
        self._told = line


class Counting:
    """A line now and then: so many of so many."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._next = self._began + 1

    def tell(self, done: int, total: int) -> None:
        """So far."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + pace(now - self._began)
            say(f"{self._what} {done:,} of {total:,}", err=True)


class LiveProgress:
    """A bar and a few lines, redrawn in place."""

    def __init__(self, live: "Live") -> None:
        self._live = live
        self._next = 0.0

    def update(self, view: View) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY_LIVE
        self._live.update(Drawing(facts(view), view.fraction or 0.0), refresh=True)

    def end(self) -> None:
        """Take it away: something else is printed."""
        self._live.stop()


class Drawing:
    """What is shown, in as many columns as the terminal has when it is drawn."""

    def __init__(self, shown: list[tuple[str, str]], fraction: float) -> None:
        self._shown, self._fraction = shown, fraction

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.control import strip_control_codes
        from rich.progress_bar import ProgressBar
        from rich.segment import Segment
        from rich.text import Text

        (stage, _), *rest = self._shown
        columns = options.max_width - 1  # a full line would wrap in some terminals
        yield Text(drawable(short(stage, columns), console.file), style="bold")
        yield ProgressBar(total=1.0, completed=self._fraction, width=min(columns, 64))
        yield Segment.line()
        for name, value in rest:
            lines = fold(f"{name:{NAME}}", drawable(value, console.file), columns, 2)
            text = Text(strip_control_codes(drawable(lines, console.file)))  # no markup is read
            text.stylize("dim", 0, len(name))
            yield text


def facts(view: View) -> list[tuple[str, str]]:
    """What is shown, in order: name and value."""
    spent, budget = view.account.spent, view.budget
    used = f"{spent.used_calls:,}" + (f" of {budget.calls:,}" if budget.calls else "")
    cached = f" ({spent.cached_calls:,} known already)" if spent.cached_calls else ""
    left = view.seconds_left
    pace = f", {view.calls_per_second:,.1f}/s" if spent.used_calls else ""
    ends = "" if left is None else f", about {duration(left)} left"
    return [
        (view.stage, ""),
        ("calls", used + cached + pace + ends),
        ("seed", _score(view.policy.seed)),
        ("best", _score(view.policy.best)),
        ("candidates", f"{len(view.policy.standings):,}"),
        *_answers(view),
        ("cost", _cost(view)),
        *([("waiting", "for the first answer")] if not spent.used_calls else []),
        *(("waiting", said) for said in view.notices),
    ]


def _answers(view: View) -> list[tuple[str, str]]:
    """How many could not be used; a failure's reason in its own words."""
    counts = view.answers.of()
    lost = [f"{counts.by_state[one]:,} {one}" for one in LOST if counts.by_state.get(one)]
    shown = [("answers", f"{counts.total:,}: {', '.join(lost)}")] if lost else []
    if counts.failed:
        by_reason = ", ".join(f"{reason} {n:,}" for reason, n in counts.reasons)
        last = view.answers.last_failure
        said = f"; the last: {short(last.detail, REASON)}" if last and last.detail else ""
        shown.append(("failed", f"{sum(counts.failed.values()):,} ({by_reason}){said}"))
    return shown


def _cost(view: View) -> str:
    """In all, and by role where there are several."""
    spent = view.account.spent
    parts = [(role, usage.usd) for role, usage in spent.by_role.items() if usage.calls]
    whole = _usd(spent.usd)
    if len(parts) < 2:
        return whole
    return f"{whole} ({', '.join(f'{role} {_usd(usd)}' for role, usd in parts)})"


def _usd(usd: float | None) -> str:
    return "unknown" if usd is None else f"${usd:,.2f}"


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
    """A mean, or what a model of all answers makes of them."""
    found = standing.estimate
    if found is None:
        return "no answer yet"
    rows = f"{found.n:,} row{'s' if found.n != 1 else ''}"
    if found.modelled:
        return f"≈ {found.mean:.3f} (estimate for all rows, {rows} answered)"
    return f"{found.mean:.3f} (mean of {rows})"

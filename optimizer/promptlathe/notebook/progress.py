"""Progress of `optimize`: widgets in a notebook that has them, else lines on stderr."""

import importlib.util
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from html import escape
from typing import Any

from promptlathe.documents import describe
from promptlathe.errors import InputError
from promptlathe.job.progress import Progress, View
from promptlathe.visible import drawable, visible

EVERY_WIDGET = 0.5
"""Seconds between two drawings."""
PACES = ((0.0, 5.0), (60.0, 30.0), (600.0, 60.0), (3600.0, 300.0))
"""(From so many seconds on, so many between two lines): a run of ten hours makes 190."""


@contextmanager
def progress_of(wanted: "bool | Progress") -> Generator[Progress | None]:
    """What shows the run: nothing, lines or widgets, or an object of the caller's.

    Raises InputError for what is none of these.
    """
    if wanted is False:
        yield None
        return
    if wanted is not True:
        if not callable(getattr(wanted, "update", None)):
            raise InputError(
                f"expected true, false or an object with update(view), found {describe(wanted)}",
                "progress",
                "write progress=False to turn it off",
            )
        yield wanted
        return
    shown = Widgets() if in_notebook() and importlib.util.find_spec("ipywidgets") else Lines()
    try:
        yield shown
    except BaseException:
        shown.end("stopped")
        raise
    shown.end("done")


def in_notebook() -> bool:
    """This process is the kernel of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


class Lines:
    """A line at once, at a settled pace, when the stage changes, and at the end."""

    def __init__(self) -> None:
        self._began = self._next = time.monotonic()
        self._stage, self._told = "", ""
        self._view: View | None = None

    def update(self, view: View) -> None:
        self._view = view
        now = time.monotonic()
        if now < self._next and view.stage == self._stage:
            return
        elapsed = now - self._began
        self._next = now + next(every for since, every in reversed(PACES) if elapsed >= since)
        self._stage = view.stage
        self._tell(view, view.stage)

    def end(self, how: str) -> None:
        """A last line."""
        if self._view is not None:
            self._tell(self._view, how)

    def _tell(self, view: View, stage: str) -> None:
        line = f"{stage}: {said(view)}"
        if line != self._told:
            print(drawable(line, sys.stderr), file=sys.stderr, flush=True)
        self._told = line


class Widgets:
    """A bar with a line of figures below it."""

    def __init__(self) -> None:
        import ipywidgets
        from IPython.display import display

        self._bar: Any = ipywidgets.FloatProgress(max=1.0, description="begins")
        self._text: Any = ipywidgets.HTML()
        self._next = 0.0
        self._view: View | None = None
        display(ipywidgets.VBox([self._bar, self._text]))

    def update(self, view: View) -> None:
        self._view = view
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY_WIDGET
            self._draw(view, view.stage)

    def end(self, how: str) -> None:
        """The bar stays as it is, in the colour of how it went."""
        self._bar.bar_style = "success" if how == "done" else "warning"
        self._bar.description = how
        if self._view is not None:
            self._draw(self._view, how)

    def _draw(self, view: View, stage: str) -> None:
        self._bar.description = stage.partition(" ")[0]
        self._bar.value = min(1.0, view.fraction or 0.0)
        self._text.value = f"<code>{escape(visible(said(view)))}</code>"


def said(view: View) -> str:
    """The figures of a moment in a line."""
    spent, budget, left = view.account.spent, view.budget, view.seconds_left
    used = f"{spent.used_calls:,}" + (f" of {budget.calls:,}" if budget.calls else "")
    parts = [f"{used} calls"]
    for name, standing in (("seed", view.policy.seed), ("best", view.policy.best)):
        if found := standing.estimate:
            parts.append(f"{name} ≈ {found.mean:.3f}")
    parts.append(f"{len(view.policy.standings):,} candidates")
    parts += [] if not spent.usd else [f"${spent.usd:.2f}"]
    parts += [] if left is None else [f"about {left:,.0f} s left"]
    return ", ".join([*parts, *view.notices])

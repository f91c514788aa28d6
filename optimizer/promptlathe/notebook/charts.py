"""A result as matplotlib figures. Nothing global changes: no pyplot, no settings."""

import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from promptlathe.records import Standing
from promptlathe.results import Result
from promptlathe.results import pareto as front_of
from promptlathe.results.pareto import FEWEST_ANSWERS, answered, cost_per_call, tokens_per_call

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAIN, FAINT, UP, DOWN = "#1f5fa8", "#8a8a8a", "#1a7f4b", "#b3382c"
"""Colours that are told apart on light and dark, and by who sees no red."""
MOST, LABEL = 12, 44
"""Effects that are drawn, and characters of a label."""


class Chart(Figure):
    """A figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a sign that the font lacks
            self.savefig(file, format="png", dpi=110, bbox_inches="tight", facecolor="white")
        return file.getvalue()


def drawn(result: Result, draw: "Callable[[Axes, Result], None]", ax: Any) -> Any:
    """`ax` with the chart on it; a new figure when it is None."""
    if ax is not None:
        draw(ax, result)
        return ax
    figure = Chart(figsize=(7.2, 4.0), layout="constrained")
    draw(figure.add_subplot(), result)
    return figure


def progress(ax: "Axes", result: Result) -> None:
    """Estimates over calls."""
    points = result.curve
    for name, colour, style in (("seed", FAINT, "--"), ("best", MAIN, "-")):
        known = [(p.calls, y) for p in points if (y := getattr(p, name)) is not None]
        if known:
            xs, ys = zip(*known, strict=True)
            ax.step(xs, ys, where="post", color=colour, linestyle=style, label=name)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)
    else:
        _nothing(ax, "no points were kept")
    _frame(ax, "calls", "score on select (estimate)")


def effects(ax: "Axes", result: Result) -> None:
    """The strongest, each with its interval."""
    found = [(f"{c.component}: {c.level} over {c.over}", c) for c in result.found_in_best]
    where = "in the best prompt"
    if not found:
        found = [(f"{e.component} = {e.level}", e) for e in result.found_effects]
        where = "on average over the other components"
    found = sorted(found, key=lambda one: -abs(one[1].effect))[:MOST][::-1]
    for y, (_, one) in enumerate(found):
        colour = FAINT if one.low <= 0 <= one.high else UP if one.effect > 0 else DOWN
        ax.plot([one.low, one.high], [y, y], color=colour, linewidth=2)
        ax.plot([one.effect], [y], "o", color=colour)
    ax.axvline(0, color="black", linewidth=0.8)
    if not found:
        _nothing(ax, "no effects are known")
    ax.set_yticks(range(len(found)), [_short(name) for name, _ in found], parse_math=False)
    _frame(ax, f"points, {where} (95 % interval)", "")


def pareto(ax: "Axes", result: Result) -> None:
    """Every candidate, and those that nothing beats in both."""
    front = front_of(result.standings)
    by_cost = bool(front) and all(cost_per_call(one) for one in front)
    price_of = cost_per_call if by_cost else tokens_per_call

    def places(standings: tuple[Standing, ...]) -> list[tuple[float, float]]:
        return [
            (price, one.estimate.mean)
            for one in standings
            if one.estimate and (price := price_of(one)) is not None
        ]

    known = tuple(one for one in result.standings if answered(one) >= FEWEST_ANSWERS)
    few = tuple(one for one in result.standings if answered(one) < FEWEST_ANSWERS)
    for standings, alpha, label in (
        (few, 0.25, f"fewer than {FEWEST_ANSWERS} answers"),
        (known, 0.8, "candidates"),
    ):
        if shown := places(standings):
            ax.plot(*zip(*shown, strict=True), "o", color=FAINT, alpha=alpha, label=label)
    if best := places(front):
        xs, ys = zip(*best, strict=True)
        ax.step(xs, ys, "o-", where="post", color=MAIN, label="Pareto front")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)
    else:
        _nothing(ax, "prices and tokens are not known")
    _frame(ax, f"{'USD' if by_cost else 'tokens'} per call", "score on select (estimate)")


def _frame(ax: "Axes", x: str, y: str) -> None:
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)


def _nothing(ax: "Axes", why: str) -> None:
    ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color=FAINT)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LABEL else f"{line[: LABEL - 1]}…"

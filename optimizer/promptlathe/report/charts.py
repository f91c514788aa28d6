"""Pictures of figures, as SVG that stands in a page.

Drawn in the colours of the page (CSS variables), so that light and dark both work, and in its
font. Each is as wide as a phone; labels stand above what they name. Deterministic.
"""

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import count
from typing import Any

from markupsafe import Markup

from promptlathe.report.frame import visible

WIDTH = 4.0
"""Inches; 72 units of the picture each."""
TEXT = 9.0
LABEL = 42
"""Characters of a label."""
COLOURS = {
    "ink": "#000001",
    "faint": "#000002",
    "line": "#000003",
    "up": "#000004",
    "down": "#000005",
    "main": "#000006",
    "paper": "#000007",
}
"""What stands in the drawing for a colour of the page."""
Shown = Callable[[float], str]
"""Writes a number of an axis."""


@dataclass(frozen=True)
class Spread:
    """A value with its interval, and what it is of."""

    label: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Line:
    """Of a chart over calls."""

    label: str
    points: Sequence[tuple[float, float]]
    main: bool = False


@dataclass(frozen=True)
class Dot:
    """Of a chart of quality against price."""

    price: float
    value: float
    label: str = ""
    front: bool = False


class Charts:
    """Of one page: ids in them are told apart."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._number = count(1)

    def forest(
        self, spreads: Sequence[Spread], title: str, said: str, axis: str, gain: Shown
    ) -> Markup:
        """Values with their intervals, against 0; `gain` writes the values."""
        rows = len(spreads)
        figure, axes = _figure(0.36 * rows + 0.62)
        for place, one in enumerate(spreads):
            y = rows - place
            clear = one.low > 0 or one.high < 0
            colour = COLOURS["faint"] if not clear else COLOURS["up" if one.value > 0 else "down"]
            axes.plot([0, 0], [y - 0.44, y - 0.06], color=COLOURS["ink"], linewidth=0.8)
            axes.plot([one.low, one.high], [y - 0.25] * 2, color=colour, linewidth=2)
            axes.plot([one.value], [y - 0.25], "o", color=colour, markersize=5.5)
            text = f"{_short(one.label)}   {gain(one.value)}"
            axes.text(
                0.0,
                y + 0.1,
                text,
                transform=axes.get_yaxis_transform(),
                color=COLOURS["ink"],
                parse_math=False,
            )
        axes.set_ylim(0.35, rows + 0.6)
        ends = [end for one in spreads for end in (one.low, one.high, 0.0)]
        margin = 0.1 * (max(ends) - min(ends) or 1.0)
        axes.set_xlim(min(ends) - margin, max(ends) + margin)
        axes.set_yticks([])
        return self._svg(figure, axes, title, said, axis)

    def lines(self, lines: Sequence[Line], title: str, said: str, axis: str) -> Markup:
        """Values over calls."""
        figure, axes = _figure(2.7, left=0.11)
        for one in lines:
            xs, ys = zip(*one.points, strict=True)
            colour = COLOURS["main" if one.main else "faint"]
            axes.step(
                xs, ys, where="post", color=colour, linewidth=2, linestyle="-" if one.main else "--"
            )
            place = (xs[-1], ys[-1])
            up = 5 if one.main else -12
            axes.annotate(
                _short(one.label),
                place,
                (0, up),
                textcoords="offset points",
                ha="right",
                color=COLOURS["ink"],
                parse_math=False,
            )
        axes.margins(y=0.22)
        self._value_axis(axes)
        return self._svg(figure, axes, title, said, axis)

    def scatter(self, dots: Sequence[Dot], title: str, said: str, axis: str) -> Markup:
        """Values against prices; those on the front are joined."""
        figure, axes = _figure(2.9, left=0.11)
        rest = [one for one in dots if not one.front]
        front = sorted((one for one in dots if one.front), key=lambda one: one.price)
        xs, ys = [one.price for one in rest], [one.value for one in rest]
        axes.plot(xs, ys, "o", color=COLOURS["faint"], markersize=4, alpha=0.55)
        xs, ys = [one.price for one in front], [one.value for one in front]
        axes.step(xs, ys, where="post", color=COLOURS["main"], linewidth=1.2)
        axes.plot(xs, ys, "o", color=COLOURS["main"], markersize=6)
        middle = (
            min((d.price for d in dots), default=0) + max((d.price for d in dots), default=0)
        ) / 2
        for one in dots:
            if one.label:
                right = one.price > middle
                axes.annotate(
                    _short(one.label),
                    (one.price, one.value),
                    (-7 if right else 7, 5),
                    textcoords="offset points",
                    ha="right" if right else "left",
                    color=COLOURS["ink"],
                    parse_math=False,
                )
        axes.margins(0.1, 0.16)
        self._value_axis(axes)
        return self._svg(figure, axes, title, said, axis)

    def _tick(self, value: float, place: float | None) -> str:
        return self._shown(value)

    def _value_axis(self, axes: Any) -> None:
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(self._tick))
        axes.grid(axis="y", color=COLOURS["line"], linewidth=0.6)

    def _svg(self, figure: Any, axes: Any, title: str, said: str, axis: str) -> Markup:
        from matplotlib import rc_context
        from matplotlib.ticker import FuncFormatter, MaxNLocator

        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(self._tick))
        axes.set_xlabel(visible(axis), color=COLOURS["ink"])
        file = io.StringIO()
        with rc_context(RC), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a sign that matplotlib's own font lacks
            figure.savefig(file, format="svg", metadata=dict.fromkeys(METADATA), transparent=True)
        return _placed(file.getvalue(), f"c{next(self._number)}", title, said)


RC: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "promptlathe",
    "font.size": TEXT,
    "axes.unicode_minus": True,
}
METADATA = ("Creator", "Date", "Format", "Type")


def _figure(height: float, left: float = 0.03) -> tuple[Any, Any]:
    """A figure of so many inches, and its axes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(RC):
        figure = Figure((WIDTH, height))
        FigureCanvasSVG(figure)
        bottom = 0.5 / height
        axes = figure.add_axes((left, bottom, 0.98 - left, 0.97 - bottom))
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(COLOURS["line"])
        axes.tick_params(color=COLOURS["line"], labelcolor=COLOURS["ink"], length=3)
    return figure, axes


def _short(text: str) -> str:
    flat = visible(" ".join(text.split()))
    return flat if len(flat) <= LABEL else f"{flat[: LABEL - 1]}…"


_HEAD = re.compile(r"^.*?<svg[^>]*?viewBox=\"([^\"]*)\"[^>]*>", re.DOTALL)
_METADATA = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL)
_FONT = re.compile(r"font(?:-family)?: (?:[\d.]+px )?'[^;\"]*")
_ID = re.compile(r'(\bid="|url\(#|href="#)')


def _placed(svg: str, mark: str, title: str, said: str) -> Markup:
    """Without its own head; ids of its own, colours and font of the page, and what it says."""
    head = _HEAD.match(svg)
    assert head, "matplotlib writes a viewBox"
    body = _METADATA.sub("", svg[head.end() :])
    body = _FONT.sub("font-family: inherit", body)
    body = _ID.sub(rf"\g<1>{mark}-", body).replace("xlink:href", "href")
    for name, colour in COLOURS.items():
        body = body.replace(colour, f"var(--{name})")
    return Markup(
        f'<svg class="chart" viewBox="{head[1]}" role="img" '
        f'aria-labelledby="{mark}-title {mark}-said" font-size="{TEXT}">'
        f'<title id="{mark}-title">{escape(title)}</title>'
        f'<desc id="{mark}-said">{escape(said)}</desc>{body}'
    )

"""The pictures of the held-out rows, side by side, as one page that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from promptlathe.records import FinalistName, Outcome

SIDE = 320
"""Pixels of a picture on the page, at most: the whole ones are files beside it."""
QUALITY = 80
_HEAD = """<!doctype html>
<meta charset="utf-8"><title>Pictures</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222; background: #fff; }
section { border-top: 1px solid #ccc; padding: 1em 0; }
.row { display: flex; gap: 1.5em; flex-wrap: wrap; }
figure { margin: 0; width: 320px; } img { max-width: 320px; display: block; }
.why { color: #666; }
</style>
<h1>Pictures of the held-out rows</h1>
<p>Rows in which the prompts differ most come first.</p>
"""

Sides = Mapping[FinalistName, Sequence[Outcome]]


def pictures(sides: Sides) -> dict[str, Path]:
    """Those that were drawn and are still there, by the name of their file."""
    paths = (outcome.trace.picture for told in sides.values() for outcome in told)
    return {path.name: path for path in paths if path is not None and path.is_file()}


def gallery(sides: Sides) -> str | None:
    """The page; None when nothing was drawn."""
    if not pictures(sides):
        return None
    by_row: dict[str, dict[FinalistName, Outcome]] = {}
    for side, told in sides.items():
        for outcome in told:
            by_row.setdefault(outcome.cell.example.id, {})[side] = outcome
    rows = sorted(by_row.values(), key=_difference)
    return _HEAD + "\n".join(map(_section, rows)) + "\n"


def _difference(row: Mapping[FinalistName, Outcome]) -> float:
    values = [one.value for one in row.values() if one.value is not None]
    return min(values, default=0.0) - max(values, default=0.0)


def _section(row: Mapping[FinalistName, Outcome]) -> str:
    example = next(iter(row.values())).cell.example
    texts = ((name, value) for name, value in example.row.items() if isinstance(value, str))
    fields = "".join(f"<p><b>{escape(name)}</b> {escape(value)}</p>" for name, value in texts)
    figures = "".join(_figure(side, outcome) for side, outcome in row.items())
    return f'<section>{fields}<div class="row">{figures}</div></section>'


def _figure(side: FinalistName, outcome: Outcome) -> str:
    path = outcome.trace.picture
    if path is not None and path.is_file():
        shown = f'<img alt="{escape(path.name)}" src="{_thumbnail(path)}">'
    else:
        why = outcome.failure and f"{outcome.failure.reason}: {outcome.failure.detail}"
        shown = f"<p>{escape(why or 'no picture')}</p>"
    score = "no score" if outcome.value is None else f"{outcome.value:.3g}"
    said = "".join(
        f'<br><span class="why">{escape(one)}</span>' for one in outcome.rationales.values()
    )
    return f"<figure>{shown}<figcaption><b>{side}</b> {score}{said}</figcaption></figure>"


def _thumbnail(path: Path) -> str:
    """A `data:` URL."""
    from PIL import Image

    picture: Any = Image.open(path)
    picture.thumbnail((SIDE, SIDE))
    small = io.BytesIO()
    picture.convert("RGB").save(small, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(small.getvalue()).decode('ascii')}"

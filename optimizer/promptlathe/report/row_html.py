"""A row of the page as HTML.

Thousands are made here and not by a template, which would take ten times as long. Every text goes
through `escape`; end tags that HTML does not need are left out.
"""

from collections.abc import Iterator, Mapping

from markupsafe import Markup, escape

from promptlathe.records import FinalistName
from promptlathe.report.language import UNKNOWN, Language
from promptlathe.report.rows import ANSWER, Change, Rows, ShownRow, Side, Text, line_of
from promptlathe.report.said import SAID

SILENT = ("right", "partly right", "wrong")
"""Kinds of answers that the score says already."""


def change_words(words: Language, rows: Rows, best_possible: float | None) -> dict[Change, str]:
    """What became of a row, in words."""
    _, both = words.gettext, rows.pass_fail
    return {
        "fixed": _("fixed") if both else _("better"),
        "broken": _("broken") if both else _("worse"),
        "wrong": _("still wrong") if both else _("as before"),
        "unknown": _("no answer"),
        "right": _("as before") if best_possible is None else _("right in both"),
    }


def side_words(words: Language) -> dict[FinalistName, str]:
    """What the prompts are called."""
    _ = words.gettext
    return {
        "seed": _("starting prompt"),
        "champion": _("current champion"),
        "best": _("new prompt"),
    }


def rows_html(rows: Rows, words: Language, changes: Mapping[Change, str]) -> Markup:
    """All rows of the page, in order."""
    made = _Rows(words, changes)
    return Markup("\n".join("".join(made.row(row)) for row in rows.shown))


class _Rows:
    def __init__(self, words: Language, changes: Mapping[Change, str]) -> None:
        _ = words.gettext
        self._words = words
        self._changes = {one: escape(said) for one, said in changes.items()}
        self._sides = {side: escape(said) for side, said in side_words(words).items()}
        self._expected, self._right = escape(_("Right answer")), escape(_("right:"))
        self._score, self._failed = escape(_("score")), _("failed: %(reason)s")

    def row(self, row: ShownRow) -> Iterator[str]:
        label = f' data-label="{escape(row.label)}"' if row.label else ""
        yield f"<details class={row.change}{label}>"
        yield f"<summary><b>{self._changes[row.change]}</b><bdi>{escape(row.head)}</bdi><span>"
        said = [
            f"<bdi>{escape(_said(one))}</bdi>"
            for side, one in row.sides.items()
            if side != "champion"
        ]
        yield " → ".join(said)
        if row.label and row.change in ("broken", "wrong"):
            yield f" · {self._right} <bdi>{escape(row.label)}</bdi>"
        yield "</span></summary><dl>"
        for name, text in row.fields.items():
            yield f"<dt>{escape(name)}<dd>{self._text(text)}"
        if row.expected is not None:
            yield f"<dt>{self._expected}<dd>{self._text(row.expected)}"
        yield "</dl><div>"
        for side, one in row.sides.items():
            yield f"<dl><dt>{self._sides[side]} · {self._score} {self._words.short(one.value)}"
            yield from self._side(one)
            yield "</dl>"
        yield "</div></details>"

    def _side(self, one: Side) -> Iterator[str]:
        if one.kind not in SILENT:
            yield f" · {escape(self._words.gettext(SAID.get(one.kind, one.kind)))}"
        if one.steps:
            yield "<dd>"
            for step, text in one.steps.items():
                yield f"<dt>{escape(step)}<dd>{self._text(text)}"
        else:
            yield f"<dd>{self._text(one.output) if one.output else UNKNOWN}"
        if one.failure:
            yield f"<dd>{escape(self._failed % {'reason': one.failure})}"
        for scorer, text in one.rationales.items():
            yield f"<dt>{escape(scorer)}<dd>{self._text(text)}"

    def _text(self, text: Text) -> str:
        return f"{escape(text.said)}{'<i> …</i>' if text.cut else ''}"


def _said(side: Side) -> str:
    """What a prompt said of a row, in the line of the row."""
    if side.read:
        return side.read
    said = line_of(side.output.said, ANSWER) if side.output else ""
    return said or side.failure or UNKNOWN

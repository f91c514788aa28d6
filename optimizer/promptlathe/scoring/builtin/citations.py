"""Citations: which of the contexts that were shown an answer names, and whether they are right.

    - citations: cites            # the row's field with the right ids: ["care-2"], or 2, or []

A citation is `[care-2]`, `[1, 3]` or `(care-2)`: what stands in brackets is a citation when it
could be an id, in parentheses only when it is one that was shown. F1 is the harmonic mean of
precision (cited and right, of those cited) and recall (of the right ones).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from promptlathe.data.dataset import Rows, check_field
from promptlathe.data.spelling import normal
from promptlathe.data.values import as_text
from promptlathe.errors import InputError
from promptlathe.records import Example, Score, Trace
from promptlathe.runtime.seam import Context
from promptlathe.scoring.builtin.shown import (
    CONTEXTS,
    abstains,
    check_contexts,
    listed_phrases,
    shown_to,
)
from promptlathe.scoring.scorer import Measure, Name, Scorer, Surroundings

_BRACKETS = re.compile(r"\[([^\[\]\n]{1,120})\]")
_PARENTHESES = re.compile(r"\(([^()\n]{1,120})\)")
_BETWEEN = re.compile(r"\s*[,;]\s*|\s+(?:and|et)\s+")
Phrases = Annotated[
    tuple[str, ...], BeforeValidator(listed_phrases, json_schema_input_type=str | list[str])
]


class Citations(Scorer):
    """How well the cited contexts are those of the row's field; without one, whether they exist."""

    keyword = "citations"
    shorthand: ClassVar[str] = "target"
    name: Name = "citations"
    target: str | None = None
    contexts: str = CONTEXTS
    of: Literal["f1", "precision", "recall"] = "f1"
    abstain: Phrases = ()
    """Phrases by which an answer says that it was not found: it needs no citation then."""

    @property
    def target_field(self) -> str | None:
        return self.target

    @property
    def whole_target(self) -> bool:
        return True

    @property
    def reading(self) -> str:
        return "Citations are read: ids of passages in brackets, like [a] or [1, 2]."

    def reads_calls(self, around: Surroundings) -> bool:
        del around
        return True

    def check_rows(self, rows: Rows, where: Callable[[str], str | None]) -> None:
        check_contexts(rows, self.contexts, where)
        if (target := self.target) is None:
            return
        for row in rows:
            if target not in row.values:
                check_field(rows, target, where("target"))
            try:
                _wanted(row.values.get(target))
            except ValueError as error:
                raise InputError(
                    f"{target!r} {error}", row.where, 'write ids: ["a", "b"], or []'
                ) from None

    def measure(self, around: Surroundings) -> Measure:
        del around

        def score(example: Example, trace: Trace, ctx: Context) -> Score:
            del ctx
            shown = shown_to(trace, example.row, self.contexts, self.step)
            marks = {normal(one.mark).casefold(): one.id for one in shown}
            cited, unknown = cited_in(trace.text, marks)
            parsed = ", ".join([*cited, *(f"[{one}]" for one in unknown)]) or "no citation"
            if self.target is None:
                return self._existing(trace.text, cited, unknown, parsed)
            wanted = _wanted(example.row.get(self.target))
            return self._compared(wanted, cited, unknown, parsed)

        return score

    def _existing(self, text: str, cited: list[str], unknown: list[str], parsed: str) -> Score:
        if cited or unknown:
            value = len(cited) / (len(cited) + len(unknown))
            return Score(value, parsed, _said([], [], unknown))
        silent = abstains(text, self.abstain)
        return Score(float(silent), parsed, None if silent else "cites nothing")

    def _compared(
        self, wanted: list[str], cited: list[str], unknown: list[str], parsed: str
    ) -> Score:
        right = [one for one in cited if one in wanted]
        wrong = [one for one in cited if one not in wanted]
        lacking = [one for one in wanted if one not in cited]
        said = _said(lacking, wrong, unknown)
        if not wanted:
            return Score(float(not (cited or unknown)), parsed, said)
        precision = len(right) / max(1, len(cited) + len(unknown))
        recall = len(right) / len(wanted)
        f1 = 2 * precision * recall / ((precision + recall) or 1.0)
        value = {"precision": precision, "recall": recall, "f1": f1}[self.of]
        return Score(value, parsed, said)


def citations(
    target: str | None = None,
    *,
    contexts: str = CONTEXTS,
    of: Literal["f1", "precision", "recall"] = "f1",
    abstain: Any = (),
    name: str = "citations",
) -> Citations:
    """How well the contexts that an answer cites are those of the row's field `target`."""
    return Citations(target=target, contexts=contexts, of=of, abstain=abstain, name=name)


def cited_in(text: str, marks: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The ids of the contexts that a text cites, each once, and what looks like a citation of
    something else. `marks`: ids by what they are cited by, in small letters."""
    cited: dict[str, None] = {}
    unknown: dict[str, None] = {}
    plain = normal(text)
    for pattern, strict in ((_BRACKETS, True), (_PARENTHESES, False)):
        for found in pattern.findall(plain):
            parts = _parts(found, marks)
            if not strict and not all(part.casefold() in marks for part in parts):
                continue
            for part in parts:
                if part.casefold() in marks:
                    cited[marks[part.casefold()]] = None
                elif part and " " not in part:
                    unknown[part] = None
    return list(cited), list(unknown)


def _parts(found: str, marks: Mapping[str, str]) -> list[str]:
    whole = found.strip()
    return [whole] if whole.casefold() in marks else [p.strip() for p in _BETWEEN.split(whole)]


def _wanted(given: Any) -> list[str]:
    """The right ids. Raises ValueError in words."""
    if given is None:
        return []
    several: list[Any] = given if isinstance(given, list) else [given]
    if any(isinstance(one, bool) or not isinstance(one, str | int) for one in several):
        raise ValueError(f"holds {given!r}, which is no list of ids")
    return list(dict.fromkeys(as_text(one) for one in several))


def _said(lacking: list[str], wrong: list[str], unknown: list[str]) -> str | None:
    parts = {
        "does not cite": lacking,
        "cites what does not say it:": wrong,
        "cites what was not shown:": unknown,
    }
    return "; ".join(f"{what} {', '.join(ids)}" for what, ids in parts.items() if ids) or None

"""The number that an answer settles on, and numbers as people and models write them.

`1,200.50`, `1 200,50 €`, `-$5`, `3/4`, `1 ½`, `6.02 × 10^23`, `2 million`. A comma or point
followed by exactly three digits, once, is ambiguous: `1,234` is read as 1234 and `1.234` as 1.234,
as in English. A per cent sign is a unit: `12 %` is 12. Dates, times and versions are no numbers. A
range (`between 10 and 20`, `5 or 6`) and a sum that is not done (`3 + 4`) are no one number.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cached_property

from promptlathe.data.spelling import Written, written
from promptlathe.scoring.reading.final import BOLD, UNCLEAR, Unclear, settled
from promptlathe.scoring.reading.negation import standings
from promptlathe.scoring.reading.numerals import Quantity, Value, prepared, quantities

_FRAME = re.compile(r"(?:[\s*_\"'`(\[{$=≈~|<>:\\]|#+\s|-\s|[a-z]\s*=)*")
_FRAME_END = re.compile(r"[\s*_\"'`)\]}.!,;|<>$\\]*")
_ABOUT = re.compile(
    r"(?:[\s*_\"'`(\[{$=≈~:]|(?:about|approximately|approx\.?|around|roughly|nearly|almost|exactly"
    r"|precisely|just|simply|only|equal to|environ|a peu pres|presque|exactement|egale? a|de|the"
    r"|[a-z]\s*=)(?![^\W_]))*"
)
_MAKES = re.compile(r"\b(?:makes?|gives?|equals?|is|are|totals?|donnent?|font|fait|soit|egale)\b")
_EXPLAINED = re.compile(
    r"[\"'*`)\]]*\s*(?:[^\W\d_]{1,15}\s*)?(?:[,;:.(-]\s*)?(?:because|since|as|car|parce|puisque)\b"
    r"|[\"'*`.)]*[ \t]*\n[ \t]*\n"
)
_PARTED = re.compile(r"[,;\n]|\.\s")


def read_number(text: str) -> Value | None:
    """The number that a text settles on: see `final`. None when there is none, or a range.

    Among other words it is the last one that is neither turned down nor beside the point: in
    parentheses, of how many (`4 out of 5`), of a step or a line. A whole number has 4,300 digits at
    most.
    """
    form = written(prepared(text))
    return settled(form.plain, _Stretches(form))


class _Stretches:
    """Reads stretches of one text: see `final.Reader`."""

    exclusive = False

    def __init__(self, form: Written) -> None:
        self._form = form

    @cached_property
    def _found(self) -> list[Quantity]:
        return quantities(self._form)

    @cached_property
    def _starts(self) -> list[int]:
        return [one.start for one in self._found]

    @cached_property
    def _turned_down(self) -> frozenset[int]:
        """Where those start that the text turns down."""
        spans = [(one.start, one.end) for one in self._found]
        meant = standings(self._form.plain, spans) if spans else []
        pairs = zip(self._starts, meant, strict=True)
        return frozenset(start for start, one in pairs if one in ("denied", "passed over"))

    def _within(self, start: int, end: int) -> list[Quantity]:
        return self._found[bisect_left(self._starts, start) : bisect_left(self._starts, end)]

    def whole(self, start: int, end: int) -> Value | None:
        found = self._within(start, end)
        if len(found) != 1 or (start and found[0].start in self._turned_down):
            return None
        plain = self._form.plain
        framed = _FRAME.fullmatch(plain, start, found[0].start)
        return found[0].value if framed and _FRAME_END.fullmatch(plain, found[0].end, end) else None

    def opening(self, start: int, end: int) -> Value | Unclear | None:
        """A number alone in the first paragraph, or with a `because`."""
        found = self._within(start, end)
        if not found or not _FRAME.fullmatch(self._form.plain, start, found[0].start):
            return None
        first = found[0]
        explained = _EXPLAINED.match(self._form.plain, first.end, end)
        return first.value if explained and not first.joined else None

    def led(self, start: int, end: int) -> Value | Unclear | None:
        found = self._within(start, end)
        if not found or found[0].start in self._turned_down:
            return None
        first, plain = found[0], self._form.plain
        stretch = plain[start : first.start]
        minus = stretch.endswith("- ")
        if not _ABOUT.fullmatch(stretch.removesuffix("- ")):
            return None
        if len(found) > 1 and (
            found[-1].equals or _MAKES.search(plain, first.end, found[-1].start)
        ):
            return self.named(start, end)
        if first.joined:
            return self.named(start, end) if any(one.equals for one in found) else UNCLEAR
        if first.value is None:
            return UNCLEAR
        return -first.value if minus else first.value

    def bold(self, start: int, end: int) -> Value | None:
        """The last number in bold."""
        found: Value | None = None
        for span in BOLD.finditer(self._form.kept, start, end):
            value = self.whole(*span.span(span.lastindex or 0))
            found = found if value is None else value
        return found

    def named(self, start: int, end: int) -> Value | Unclear | None:
        meant = [one for one in self._within(start, end) if one.start not in self._turned_down]
        meant = [one for one in meant if not one.aside] or meant
        if not meant:
            return None
        results = [one for one in meant if one.equals and not one.joined]
        last = meant[-1]
        if results and not _PARTED.search(self._form.plain, results[-1].end, end):
            last = results[-1]
        return UNCLEAR if last.joined or last.value is None else last.value

"""Where a text names labels, among other words, and which of them it means."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import NamedTuple

from promptlathe.data.spelling import Written, boundary, ends_word, starts_word
from promptlathe.scoring.reading.final import BOLD, UNCLEAR, Unclear
from promptlathe.scoring.reading.negation import Standing, is_phrase, standings
from promptlathe.scoring.reading.phrases import SAYING

_COMMON = frozenset(
    re.findall(
        r"\w+",
        """a i y o am an are as at be by do he if is it me my of or so to us we you who au ce de du
        en et il je la le les ma me mes ne ni nos ou par se ses son sa sur te tu un une""",
    )
)
"""Words that are seldom a label where they stand in a sentence."""
_ARTICLES = "aiyoà"
_IS = r"(?:is|was|seems|fits|applies|because|since|or|and|est|serait|convient|et|ou|car|parce)\b"
_DENIALS = frozenset(
    ("no", "non", "not", "pas", "sans", "rien", "aucun", "aucune", "nothing", "none")
)
_OUT_OF = re.compile(r"[0-9]\s*(?:/|out of|of|sur)\s*(?:les\s+)?$")
_SAYING = re.compile(rf"(?<!\w){SAYING}")
_UN = re.compile(r"(?<!\w)un-$", re.IGNORECASE)
_DECORATION = re.compile(r"[\s\"'*`(\[{#>|-]*")
_STOP = re.compile(
    r"[\"'*`)\]]*[ \t]*(?:$|[.,;:!)\n]|-\s|\((?!s\))|(?:because|since|as|for|but|even|although"
    r"|though|car|parce|puisque|mais|meme|bien que)\b)"
)
_BECAUSE = re.compile(r"[\"'*`)\]]*,? (?:because|since|car|parce que|puisque)\b")
_AND = re.compile(r"[\"'*`)\]]*\s*(?:[.,;/|&]\s*)?(?:(?:or|and|ou|et)\s+)?[\"'*`(\[]*")
_OVER = re.compile(r"[\"'*`)\]]*\s*(?:$|[.,;:!?/|\n]|(?:or|and|ou|et)\b)")
_CORRECTS = re.compile(
    r"\b(?:no,? wait|wait|scratch that|on second thoughts?|correction|je me corrige|pardon"
    r"|en fait)\b"
)


class Mention(NamedTuple):
    """A label that stands in a text."""

    start: int
    end: int
    label: str


class Finder:
    """Finds labels as whole words; where a script has no spaces between words, anywhere.

    A longer label hides those that it contains.
    """

    def __init__(self, keys: Mapping[str, str], spelt: Mapping[str, str]) -> None:
        """keys: labels as they look without case. spelt: each label in its own case."""
        self._keys = keys
        self._spelt: dict[str, str] = {}
        most = max((int(key) for key in keys if re.fullmatch(r"[0-9]{1,9}", key)), default=0)
        word = boundary(keys)
        loud: list[str] = []
        own: list[str] = []
        quoted: list[str] = []
        for key, label in sorted(keys.items(), key=lambda pair: -len(pair[0])):
            if not any(char.isalnum() for char in key) and not any(ord(c) > 0x2000 for c in key):
                continue  # a sign alone stands for itself only where it is the answer
            if (len(key) == 1 and key.isascii() and key.isalpha()) or key in _COMMON:
                if len(key) == 1 or not spelt[label].islower():
                    forms = {spelt[label], spelt[label].upper()}
                    own += [_pattern(form, word, most) for form in forms]
                    self._spelt |= dict.fromkeys(forms, label)
                quoted.append(re.escape(key))
            else:
                loud.append(_pattern(key, word, most))
        self._loud, self._own = _any_of(loud), _any_of(own)
        self._quoted = _any_of([rf"[\"'`(\[]({'|'.join(quoted)})[\"'`)\]]"] if quoted else [])

    def __call__(self, kept: str, line: str) -> list[Mention]:
        """The mentions in a text, in order, none within another."""
        found = [
            Mention(m.start(), m.end(), self._keys[_key(m[0])])
            for m in (self._loud.finditer(line) if self._loud else ())
        ]
        if self._own:
            found += [
                Mention(m.start(), m.end(), self._spelt[m[0]]) for m in self._own.finditer(kept)
            ]
        if self._quoted:
            found += [Mention(*m.span(1), self._keys[m[1]]) for m in self._quoted.finditer(line)]
        found.sort(key=lambda mention: (mention.start, -mention.end))
        apart: list[Mention] = []
        for mention in found:
            if not apart or mention.start >= apart[-1].end:
                apart.append(mention)
        return apart


def _key(found: str) -> str:
    found = " ".join(found.split())
    return re.sub(" ?/ ?", "/", found) if "/" in found else found


def _pattern(key: str, word: str, most: int) -> str:
    """key: of a label, or a label itself. word: see `boundary`. most: the largest whole number
    among the labels: in `4/5`, 5 says of how many."""
    before = rf"(?<![{word}])" if starts_word(key) else ""
    after = rf"(?![{word}])" if ends_word(key) else ""
    if key[0].isdigit():
        before += r"(?<![0-9][.,/:])(?<![-.])"
    elif key[0] in "+-":
        before = rf"(?<![{word}.)])"
    elif len(key) == 1:
        before += r"(?<![+#&/])"
    if key[-1].isdigit():
        after += rf"(?![.,:][0-9])(?![-+][0-9])(?!\+)(?!/(?!{most}(?![0-9])))"
    elif key[-1] in "+#":
        after = rf"(?![{word}+#])"
    elif key[-1] == "-":
        after = rf"(?![{word}-])"
    elif len(key) <= 2:
        after += r"(?![+#])(?!'\w)(?!-(?!\w))"
    if len(key) == 1 and key.casefold() in _ARTICLES:
        after += rf"(?!\s+(?!{_IS})[a-zà-ÿ])"
    words = (re.escape(one).replace("/", r" ?/ ?") for one in key.split())
    return before + r"\s+".join(words) + after


def _any_of(patterns: list[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(patterns)) if patterns else None


class Stretches:
    """Reads stretches of one text: see `final.Reader`."""

    exclusive = True

    def __init__(
        self,
        form: Written,
        line: str,
        finder: Finder,
        is_label: Callable[[str], str | None],
        opposite: Mapping[str, str],
    ) -> None:
        """line: the form in which labels are compared. opposite: `not X` by X, where both are
        labels."""
        self._form, self._line, self._finder = form, line, finder
        self._is_label, self._opposite = is_label, opposite

    @cached_property
    def _mentions(self) -> list[tuple[Mention, Standing]]:
        plain = self._form.plain
        sayings = [match.span() for match in _SAYING.finditer(plain)]
        found = [
            one
            for one in self._finder(self._form.kept, self._line)
            if not (
                any(a <= one.start and one.end <= b and one[:2] != (a, b) for a, b in sayings)
                or _UN.search(self._form.kept, max(one.start - 5, 0), one.start)
                or (self._line[one.end - 1].isdigit() and _counts(self._line, one.start))
                or (plain[one.start : one.end] in _DENIALS and is_phrase(plain, one.start))
            )
        ]
        meant = standings(plain, [(one.start, one.end) for one in found]) if found else []
        return list(zip(found, meant, strict=True))

    @cached_property
    def _starts(self) -> list[int]:
        return [one.start for one, _ in self._mentions]

    def _within(self, start: int, end: int) -> list[tuple[Mention, Standing]]:
        return self._mentions[bisect_left(self._starts, start) : bisect_left(self._starts, end)]

    def whole(self, start: int, end: int) -> str | None:
        """See `Reader.whole`; what is turned down by the words before it is none."""
        label = self._is_label(self._line[start:end])
        if label is None or not start:
            return label
        within = self._within(start, end)
        return None if within and _turned_down(within[0][1]) else label

    def opening(self, start: int, end: int) -> str | Unclear | None:
        """A label that a sentence or a line ends with, or a `because` follows."""
        first = self._first(start, end)
        stop = first and _STOP.match(self._line, first.end, end)
        if first is None or not stop or _CORRECTS.search(self._line, stop.end(), stop.end() + 300):
            return None
        if self._is_list(first, end):
            return UNCLEAR
        if stop[0][-1:] in (":", ")") and self._is_heading(first, stop[0][-1], end):
            return None
        return first.label

    def led(self, start: int, end: int) -> str | Unclear | None:
        first = self._first(start, end)
        if first is None:
            return self._sign(start, end)
        return UNCLEAR if self._is_list(first, end) else first.label

    def bold(self, start: int, end: int) -> str | None:
        found: set[str] = set()
        for span in BOLD.finditer(self._form.kept, start, end):
            group = span.lastindex or 0
            label = self._is_label(self._line[span.start(group) : span.end(group)])
            within = self._within(*span.span(group))
            if label is not None and not (within and _turned_down(within[0][1])):
                found.add(label)
        return found.pop() if len(found) == 1 else None

    def named(self, start: int, end: int) -> str | Unclear | None:
        within = self._within(start, end)
        named = {self._said(*one) for one in within} - {None}
        named = named or {one.label for one, standing in within if standing == "hedged"}
        if len(named) > 1:
            named = self._explained(within, end) or named
        return UNCLEAR if len(named) > 1 else named.pop() if named else None

    def _explained(self, within: list[tuple[Mention, Standing]], end: int) -> set[str | None]:
        """Those that a `because` follows."""
        return {
            one.label
            for one, standing in within
            if standing == "named" and _BECAUSE.match(self._line, one.end, end)
        }

    def _sign(self, start: int, end: int) -> str | None:
        """A label of one sign, before other words."""
        sign, _, more = self._line[start : min(end, start + 40)].partition(" ")
        return self._is_label(sign) if more and not any(map(str.isalnum, sign)) else None

    def _said(self, mention: Mention, standing: Standing) -> str | None:
        if standing == "named":
            return mention.label
        return self._opposite.get(mention.label) if standing == "denied" else None

    def _first(self, start: int, end: int) -> Mention | None:
        """The mention with which a stretch begins."""
        gap = _DECORATION.match(self._line, start, end)
        within = self._within(start, end)
        if not within or gap is None:
            return None
        mention, standing = within[0]
        said = standing in ("named", "hedged")
        return mention if said and mention.start <= gap.end() else None

    def _is_list(self, first: Mention, end: int) -> bool:
        """Other labels follow as in a list: `A, B and C`."""
        after = self._within(first.end, end)
        if not after or after[0][0].label == first.label or _turned_down(after[0][1]):
            return False
        second = after[0][0]
        gap = _AND.fullmatch(self._line, first.end, second.start)
        parted = gap is not None and bool(gap[0].strip("\"'*`()[] \t"))
        return parted and bool(_OVER.match(self._line, second.end, end))

    def _is_heading(self, first: Mention, mark: str, end: int) -> bool:
        """Another label stands before such a mark as well: each of them is discussed."""
        return any(
            one.label != first.label and self._line.startswith(mark, one.end)
            for one, _ in self._within(first.end, end)
        )


def _counts(line: str, start: int) -> bool:
    """The number says of how many: `4 out of 5`."""
    return bool(_OUT_OF.search(line, max(start - 16, 0), start))


def _turned_down(standing: Standing) -> bool:
    return standing in ("denied", "passed over")

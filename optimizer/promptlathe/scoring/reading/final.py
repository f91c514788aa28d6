"""What an answer settles on: the surest place in a text that says something decides.

1. the whole text
2. `\\boxed{…}`
3. what follows "Final answer", "Réponse finale" or `####`
4. what follows "Answer:", "The answer is", "Label:", "Réponse :", "Conclusion", `<answer>` …; then
   what follows "I would say", "je dirais" …
5. the last line, alone or after a heading of its own
6. the beginning, where it goes on to explain
7. the last sentence that begins with "so", "overall", "donc" …
8. any line alone
9. what is set in bold
10. what the text names

Of several places of one kind the last decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Literal, NamedTuple, Protocol, TypeVar

Value = TypeVar("Value")
Said = TypeVar("Said", covariant=True)


class Unclear(Enum):
    """A stretch names several things, and settles on none."""

    UNCLEAR = "unclear"


UNCLEAR: Literal[Unclear.UNCLEAR] = Unclear.UNCLEAR


class Reader(Protocol[Said]):
    """Reads stretches of one text, from a place to another."""

    exclusive: bool
    """Two different values in a row are a list of what there is, not an answer."""

    def whole(self, start: int, end: int) -> Said | None:
        """The value that the stretch is, what is set around it aside."""
        ...

    def opening(self, start: int, end: int) -> Said | Unclear | None:
        """The value that the stretch begins with, before it explains it."""
        ...

    def led(self, start: int, end: int) -> Said | Unclear | None:
        """The same after a marker such as "the answer is", which needs less of an explanation."""
        ...

    def bold(self, start: int, end: int) -> Said | None:
        """The one value in the stretch that is set apart from the rest by its type."""
        ...

    def named(self, start: int, end: int) -> Said | Unclear | None:
        """The value that the stretch names among other words."""
        ...


_NOUNS = (
    r"answer|label|classification|category|prediction|verdict|decision|conclusion|result|class"
    r"|reponse|etiquette|classe|categorie|resultat|antwort|respuesta|risposta|resposta|ответ|答案"
    r"|回答|答え"
)
_FINAL = (
    rf"(?:final|definitive) (?:{_NOUNS}|score|rating|choice|output)"
    rf"|(?:{_NOUNS}|note|choix) (?:finale?|definitive?)|最终答案"
)
_CLOSE = r"[\"'*`)\]]*\s*"
_COLON = rf"{_CLOSE}(?::|=>|->|→|=(?!=)|-(?=\s))"
_IS = (
    r"(?: (?:to|for) (?:the|this|your) \w+| a la question)?"
    r"\s+(?:is|was|must be|should be|would be|will be|est|serait|sera|doit etre)\b"
    r"(?: (?:therefore|thus|then|hence|simply|clearly|indeed|donc|alors|bien|ainsi))?\s*:?"
)
_ARTICLE = r"(?:(?:the|my|our|this|la|le|ma|mon|notre) |l')"
_GOOD = r"(?:(?:correct|best|right|most likely|most fitting|overall|bonne|meilleure|juste|seule) )*"
_OFF = (
    r"(?P<off>(?:wrong|incorrect|false|rejected|previous|possible|example|sample|initial|no|not the"
    r"|mauvaise|fausse|possible|premiere) )?"
)
_HEADING = r"^[#>* \t]{0,9}"


def _marker(nouns: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?<![^\W_]){_OFF}(?:(?P<firm>(?:{nouns}){_COLON})|{_ARTICLE}{_GOOD}(?:{nouns}){_IS})"
        rf"|(?P<tag><(?:{nouns})>)|{_HEADING}(?P<head>(?:{nouns})[* \t]{{0,9}}$)",
        re.MULTILINE,
    )


_FINALS, _MARKERS = _marker(_FINAL), _marker(_NOUNS)
_CHOICES = re.compile(
    r"(?<!\w)(?P<off>)(?P<firm>)(?P<head>)(?P<tag>)(?:"
    r"i(?:'d| would| will|'ll)? (?:therefore |rather |probably )?(?:say|choose|pick|select"
    r"|go (?:with|for)|opt for|conclude|lean (?:towards?|to)"
    r"|(?:classify|label|rate|call|categorize|tag) (?:it|this|the \w+)(?: as)?)"
    r"|je (?:dirais|choisis|choisirais|retiens|conclus"
    r"|(?:classe|classerais) (?:ce|cet|cette|le|la) \w+(?: en| dans| comme)?"
    r"|(?:opte|opterais|penche|pencherais) (?:pour|vers)))(?!\w)"
)
_HASHES = re.compile(r"^[ \t]{0,9}####\s", re.MULTILINE)
_BOX = re.compile(r"\\f?boxed\s*\{")
_BRACE = re.compile(r"[{}]")
_LINE_END = re.compile(r"\n|</|$")
_GAP = re.compile(r"[\s*]*")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$|[\"'*)])|[。！？]")
_SO = re.compile(
    r"(?:^|[.!?\n。][\s*]{0,9})(?:so|therefore|thus|hence|overall|consequently|ultimately"
    r"|all in all|in (?:conclusion|summary|short|total|the end|all)|as a result"
    r"|to (?:conclude|sum up)|donc|ainsi|finalement|globalement|bref|somme toute"
    r"|au (?:final|total)|par consequent|en (?:conclusion|resume|somme|definitive))\b[,:]?\s*"
)
_LINE = re.compile(r"[^\n]+")
_HEAD = re.compile(r"[\s>*#•-]*[^\W\d][^:\n]{0,40}:[\s*]*")
_OFF_HEAD = re.compile(
    r"\b(?:not|no|wrong|incorrect|rejected|excluded|confidence|certainty|probability|pas|faux|exclu"
    r"|ecarte|confiance|certitude|probabilite|steps?|etapes?)\b"
)
BOLD = re.compile(
    r"\*{1,3}([^*\n]{1,80})\*{1,3}|__([^_\n]{1,80})__|`([^`\n]{1,80})`"
    r"|<(?:b|strong|em|i|mark|u)>([^<\n]{1,80})</|\\text(?:bf|it)\{([^{}\n]{1,80})\}"
)
"""What is set apart by its type, in the text as it was written."""
_MOST = 8
"""Places of a kind that are looked at, the last ones first."""
_LONGEST_ALONE = 200
"""Characters of a line that can be nothing but an answer."""


class _Place(NamedTuple):
    start: int
    end: int
    firm: bool
    """It announces the answer: what cannot be read there is not read elsewhere."""


def settled(plain: str, reader: Reader[Value]) -> Value | None:
    """What a text says; None when it says nothing, or several things. `plain`: see `Written`."""
    whole = reader.whole(0, len(plain))
    if whole is not None:
        return whole
    for place in _places(plain):
        said = _told(plain, place, reader)
        if isinstance(said, Unclear):
            return None
        if said is not None:
            return said
    return _clear(_unmarked(plain, 0, len(plain), reader))


def _places(plain: str) -> Iterator[_Place]:
    if "boxed" in plain:
        yield from reversed([*_boxes(plain)][-_MOST:])
    finals = _marked(plain, _FINALS)
    if "####" in plain:
        finals = sorted([*finals, *((match.end(), False) for match in _HASHES.finditer(plain))])
    for marks in (finals, _marked(plain, _MARKERS), _marked(plain, _CHOICES)):
        for start, firm in reversed(marks[-_MOST:]):
            yield _place(plain, start, firm=firm)


def _boxes(plain: str) -> Iterator[_Place]:
    for box in _BOX.finditer(plain):
        depth = 1
        for brace in _BRACE.finditer(plain, box.end(), box.end() + 300):
            depth += 1 if brace[0] == "{" else -1
            if not depth:
                yield _Place(box.end(), brace.start(), firm=True)
                break


def _marked(plain: str, marker: re.Pattern[str]) -> list[tuple[int, bool]]:
    """(end, firm) of each mark, in order."""
    return [
        (match.end(), bool(match["firm"] or match["head"] or match["tag"]))
        for match in marker.finditer(plain)
        if not match["off"]
    ]


def _place(plain: str, start: int, *, firm: bool) -> _Place:
    """The line that goes on there, or the next one that is not empty."""
    gap = _GAP.match(plain, start)
    start = gap.end() if gap else start
    end = _LINE_END.search(plain, start)
    return _Place(start, end.start() if end else len(plain), firm)


def _told(plain: str, place: _Place, reader: Reader[Value]) -> Value | Unclear | None:
    start, end, firm = place
    if start >= end:
        return None
    sentence = _SENTENCE_END.search(plain, start, end)
    for read, stop in (
        (reader.whole, end),
        (reader.led, end),
        (reader.bold, end),
        (reader.named, sentence.end() if sentence else end),
        (reader.named, end),
    ):
        said = read(start, stop)
        if said is not None:
            return said if firm else _clear(said)
    return (_unmarked(plain, end, len(plain), reader) or UNCLEAR) if firm else None


def _unmarked(plain: str, start: int, end: int, reader: Reader[Value]) -> Value | Unclear | None:
    """What a stretch says that announces nothing."""
    lines = [m.span() for m in _LINE.finditer(plain, start, end) if not m[0].isspace()]
    alone = [_alone(plain, *line, reader) for line in lines]
    several = len(alone) > 1
    if several and alone[-1] is not None and not _listed(alone, -1, reader):
        return alone[-1]
    if (said := _clear(reader.opening(start, end))) is not None:
        return said
    if conclusions := [*_SO.finditer(plain, start, end)]:
        last = conclusions[-1]
        stop = _SENTENCE_END.search(plain, last.end(), end)
        there = last.end(), stop.end() if stop else end
        for read in (reader.whole, reader.led, reader.named):
            if (said := _clear(read(*there))) is not None:
                return said
    if several:
        said_alone = {
            one for i, one in enumerate(alone) if one is not None and not _listed(alone, i, reader)
        }
        if len(said_alone) == 1:
            return said_alone.pop()
    if (said := reader.bold(start, end)) is not None:
        return said
    return reader.named(start, end)


def _alone(plain: str, start: int, end: int, reader: Reader[Value]) -> Value | None:
    """What a line is, after its heading if it has one."""
    if end - start > _LONGEST_ALONE:
        return None
    if (said := reader.whole(start, end)) is not None:
        return said
    head = _HEAD.match(plain, start, end)
    if head is None or head.end() == end or _OFF_HEAD.search(plain, start, head.end()):
        return None
    return reader.whole(head.end(), end)


def _listed(alone: list[Value | None], place: int, reader: Reader[Value]) -> bool:
    """The line stands in a list of all that there is."""
    if not reader.exclusive:
        return False
    place %= len(alone)
    beside = alone[max(place - 1, 0) : place] + alone[place + 1 : place + 2]
    return any(one is not None and one != alone[place] for one in beside)


def _clear(said: Value | Unclear | None) -> Value | None:
    return None if isinstance(said, Unclear) else said

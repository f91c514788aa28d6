"""How long an answer is, and how hard to read: 1 within the limits, 0 outside of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from promptlathe.data.spelling import SPACELESS, normal
from promptlathe.scoring.builtin.language import identifier, version
from promptlathe.scoring.builtin.read import Grade, Read
from promptlathe.scoring.builtin.syllables import syllables
from promptlathe.scoring.reading.numbers import read_number
from promptlathe.scoring.scorer import Name, Need, Surroundings

Unit = Literal["words", "characters", "sentences", "bullets"]
Bound = Annotated[int, Field(ge=0, strict=True)] | Annotated[str, Field(min_length=1)]
"""A number, or the row's field that holds it."""
Prose = Literal["en", "fr"]
EASE: Mapping[Prose, tuple[float, float, float, str]] = {
    "en": (206.835, 1.015, 84.6, "Flesch 1948"),
    "fr": (207.0, 1.015, 73.6, "Kandel & Moles 1958"),
}
"""By language: base, per word in a sentence, per syllable in a word, source."""

_WORD = re.compile(rf"[{SPACELESS}]|(?:(?![{SPACELESS}])\S)+")
_BULLET = re.compile(r"^\s*(?:[-*+•–—‣▪◦]|\d{1,3}[.)])\s+\S", re.MULTILINE)
_SHORT = (
    r"(?<!\bM)(?<!\bMM)(?<!\bMme)(?<!\bMlle)(?<!\bDr)(?<!\bPr)(?<!\bSt)(?<!\bMe)(?<!\bMr)"
    r"(?<!\bMrs)(?<!\bMs)(?<!\bart)(?<!\bcf)(?<!\bex)(?<!\bvs)(?<!\bno)(?<!\bNo)(?<!\bp)(?<!\b[A-Z])"
)
_SENTENCE = re.compile(
    rf"(?:{_SHORT}\.|[!?…])+[\"')\]]*\s+(?=[\"'(\[¿¡-]*\s*[^\W\d_a-zà-öø-ÿ]|[\"'(\[-]*\d)|\n+"
)
_MARKUP = re.compile(r"^\s*(?:[-*+•–—‣▪◦]|\d{1,3}[.)]|#{1,6}|>)\s+|[*`]|^\s*```.*$", re.MULTILINE)


class Length(Read):
    """1 when the answer is neither too short nor too long; `min` and `max` are numbers, or fields
    of the row that hold one."""

    keyword = "length"
    name: Name = "length"
    unit: Unit = "words"
    min: Bound | None = None
    max: Bound | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        return _bounded(self)

    @property
    def needs(self) -> Mapping[str, Need]:
        return {bound: _no_number for bound in (self.min, self.max) if isinstance(bound, str)}

    def grader(self, around: Surroundings) -> Grade:
        del around
        count = _COUNTS[self.unit]

        def bound(given: int | str | None, row: Mapping[str, Any]) -> float | None:
            found = row[given] if isinstance(given, str) else given
            return read_number(found) if isinstance(found, str) else found

        def grade(text: str, row: Mapping[str, Any]) -> tuple[float, str | None]:
            found = count(text)
            return _within(
                found, bound(self.min, row), bound(self.max, row), f"{found} {self.unit}"
            )

        return grade


class Readability(Read):
    """1 when the Flesch reading ease lies within the limits: about 0 (hard) to 100 (easy).

    lang: `en`, `fr`, or the row's field that holds it; without it, whichever of the two the answer
    looks like.
    """

    keyword = "readability"
    name: Name = "readability"
    min: float | None = None
    max: float | None = None
    lang: str | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        return _bounded(self)

    @property
    def needs(self) -> Mapping[str, Need]:
        return {} if self.lang in (None, *EASE) else {str(self.lang): _no_prose}

    def grader(self, around: Surroundings) -> Grade:
        del around
        which = self._language()

        def grade(text: str, row: Mapping[str, Any]) -> tuple[float | None, str | None]:
            lang = which(text, row)
            found = reading_ease(text, lang)
            if found is None:
                return None, None
            said = f"a Flesch reading ease of {found:.0f} ({EASE[lang][3]})"
            return _within(round(found), self.min, self.max, said)

        return grade

    def _language(self) -> Callable[[str, Mapping[str, Any]], Any]:
        given = self.lang
        if given in EASE:
            return lambda text, row: given
        if given is not None:
            return lambda text, row: row[given]
        identify = identifier(tuple(EASE))
        return lambda text, row: identify(text)

    def fingerprint(self, around: Surroundings) -> Any:
        own = super().fingerprint(around)
        return [own, version()] if self.lang is None else own


def reading_ease(text: str, lang: Prose) -> float | None:
    """How easy a text reads: Flesch (1948, J. Appl. Psychol. 32) for English, Kandel and Moles
    (1958, Cahiers d'études de radio-télévision 19) for French. None without a word."""
    base, per_word, per_syllable, _ = EASE[lang]
    plain = normal(_MARKUP.sub("", text))
    found = re.findall(r"[^\W\d_]+", plain)
    if not found:
        return None
    spoken = sum(syllables(word, lang) for word in found) / len(found)
    return base - per_word * _words(plain) / (_sentences(plain) or 1) - per_syllable * spoken


def _words(text: str) -> int:
    """As word processors count: what stands between spaces, if a letter or a digit is in it; where
    a script has no spaces, its characters."""
    return sum(any(c.isalnum() for c in found) for found in _WORD.findall(text))


def _characters(text: str) -> int:
    return len(unicodedata.normalize("NFC", text.strip()))


def sentences(text: str) -> list[str]:
    """A line that ends without a full stop is one, too."""
    return [part for part in _SENTENCE.split(normal(text)) if any(c.isalnum() for c in part)]


def _sentences(text: str) -> int:
    return len(sentences(text))


def _bullets(text: str) -> int:
    return len(_BULLET.findall(text))


_COUNTS: Mapping[Unit, Callable[[str], int]] = {
    "words": _words,
    "characters": _characters,
    "sentences": _sentences,
    "bullets": _bullets,
}


def _bounded(scorer: Any) -> Any:
    low, high = scorer.min, scorer.max
    if low is None and high is None:
        raise ValueError(f"{scorer.keyword} has neither `min` nor `max`", "give one, or both")
    if not isinstance(low, str | None) and not isinstance(high, str | None) and low > high:
        raise ValueError(
            f"`min` {low:g} is more than `max` {high:g}", "write the smaller one first"
        )
    return scorer


def _within(
    found: float, low: float | None, high: float | None, said: str
) -> tuple[float, str | None]:
    if low is not None and found < low:
        return 0.0, f"{said}: at least {low:g} wanted"
    if high is not None and found > high:
        return 0.0, f"{said}: at most {high:g} wanted"
    return 1.0, None


def _no_number(value: Any) -> str | None:
    number = read_number(value) if isinstance(value, str) else value
    good = isinstance(number, int | float) and not isinstance(number, bool) and number >= 0
    return None if good else "is no length"


def _no_prose(value: Any) -> str | None:
    return None if value in EASE else f"is none of {', '.join(EASE)}"


def length(
    *,
    unit: Unit = "words",
    min: int | str | None = None,
    max: int | str | None = None,
    parse: Any = "text",
    name: str = "length",
) -> Length:
    """1 when the answer has from `min` to `max` words (or characters, sentences, bullets)."""
    return Length(unit=unit, min=min, max=max, parse=parse, name=name)


def readability(
    *,
    min: float | None = None,
    max: float | None = None,
    lang: str | None = None,
    parse: Any = "text",
    name: str = "readability",
) -> Readability:
    """1 when the Flesch reading ease of the answer lies from `min` to `max`."""
    return Readability(min=min, max=max, lang=lang, parse=parse, name=name)

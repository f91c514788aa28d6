"""Phrases that must stand in an answer, and phrases that must not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import field_validator

from promptlathe.data.spelling import bare, boundary, ends_word, normal, starts_word
from promptlathe.scoring.builtin.read import Grade, Read
from promptlathe.scoring.scorer import Name, Need, Surroundings

_MARKUP = re.compile(r"[*`]+")


class _Phrases(Read):
    """Phrases are found whatever their typography, spaces and bold letters."""

    shorthand: ClassVar[str] = "phrases"
    phrases: str | tuple[str | tuple[str, ...], ...]
    """A list, or the row's field that holds one; a list in the list holds alternatives."""
    case: bool = False
    """Capitals matter."""
    accents: bool = True
    """Accents matter."""
    whole_words: bool = True
    """`assurance` is found in `l'assurance`, and not in `assurances`."""

    @field_validator("phrases", mode="before")
    @classmethod
    def _some(cls, given: Any) -> Any:
        if flaw := "is an empty list" if given in ([], ()) else _no_phrases(given):
            what = "it" if not isinstance(given, str) else repr(given)
            raise ValueError(
                f"expected phrases, or the row's field that holds them; {what} {flaw}",
                f"write such as `{cls.keyword}: [refund, [14 days, two weeks]]`",
            )
        return given

    @property
    def needs(self) -> Mapping[str, Need]:
        return {self.phrases: _no_phrases} if isinstance(self.phrases, str) else {}

    def missing(self, text: str, row: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """The phrases that stand in a text, and those that do not; of alternatives the first."""
        given = self.phrases if not isinstance(self.phrases, str) else row[self.phrases]
        found: list[str] = []
        lacking: list[str] = []
        shown = self._dressed(text)
        for phrase in [given] if isinstance(given, str) else given:
            some = [phrase] if isinstance(phrase, str) else phrase
            there = next((one for one in some if self._stands(one, shown)), None)
            lacking += [some[0]] if there is None else []
            found += [] if there is None else [there]
        return found, lacking

    def _stands(self, phrase: str, text: str) -> bool:
        phrase = self._dressed(phrase)
        if not self.whole_words:
            return phrase in text
        word = boundary((phrase, text))
        before = rf"(?<![{word}])" if starts_word(phrase) else ""
        after = rf"(?![{word}])" if ends_word(phrase) else ""
        return re.search(before + re.escape(phrase) + after, text) is not None

    def _dressed(self, text: str) -> str:
        text = " ".join(_MARKUP.sub("", normal(text)).split())
        text = text if self.case else text.casefold()
        return text if self.accents else bare(text)


class Required(_Phrases):
    """The share of the phrases that stand in the answer."""

    keyword = "required"
    name: Name = "required"

    def grader(self, around: Surroundings) -> Grade:
        del around

        def grade(text: str, row: Mapping[str, Any]) -> tuple[float, str | None]:
            found, lacking = self.missing(text, row)
            if not lacking:
                return 1.0, None
            return len(found) / (len(found) + len(lacking)), f"missing: {_listed(lacking)}"

        return grade


class Banned(_Phrases):
    """1 when none of the phrases stands in the answer, else 0."""

    keyword = "banned"
    name: Name = "banned"

    def grader(self, around: Surroundings) -> Grade:
        del around

        def grade(text: str, row: Mapping[str, Any]) -> tuple[float, str | None]:
            found, _ = self.missing(text, row)
            return float(not found), f"must not stand there: {_listed(found)}" if found else None

        return grade


def _listed(phrases: Sequence[str]) -> str:
    return ", ".join(f'"{phrase}"' for phrase in phrases)


def _no_phrases(value: Any) -> str | None:
    if isinstance(value, str):
        return None if value.strip() else "is an empty phrase"
    if not isinstance(value, list | tuple):
        return "is no list of phrases"
    for one in value:
        some = one if isinstance(one, list | tuple) and one else [one]
        if not all(isinstance(text, str) and text.strip() for text in some):
            return "is no list of phrases"
    return None


def required(
    phrases: str | Sequence[str | Sequence[str]],
    *,
    case: bool = False,
    accents: bool = True,
    whole_words: bool = True,
    parse: Any = "text",
    name: str = "required",
) -> Required:
    """The share of the phrases that stand in the answer; a text names the row's field with them."""
    return Required(
        phrases=_given(phrases),
        case=case,
        accents=accents,
        whole_words=whole_words,
        parse=parse,
        name=name,
    )


def banned(
    phrases: str | Sequence[str | Sequence[str]],
    *,
    case: bool = False,
    accents: bool = True,
    whole_words: bool = True,
    parse: Any = "text",
    name: str = "banned",
) -> Banned:
    """1 when none of the phrases stands in the answer; a text names the row's field with them."""
    return Banned(
        phrases=_given(phrases),
        case=case,
        accents=accents,
        whole_words=whole_words,
        parse=parse,
        name=name,
    )


def _given(phrases: str | Sequence[str | Sequence[str]]) -> Any:
    if isinstance(phrases, str):
        return phrases
    return tuple(one if isinstance(one, str) else tuple(one) for one in phrases)

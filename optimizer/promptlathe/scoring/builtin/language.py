"""Which language an answer is in, by py3langid (Lui & Baldwin 2012): small, offline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version as installed
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from promptlathe.documents import nearest
from promptlathe.scoring.builtin.read import Grade, Read
from promptlathe.scoring.scorer import Name, Need, Surroundings


class Language(Read):
    """1 when the answer is in the language `lang`, or in that of the row's `field`.

    among: the languages that come into question; fewer are told apart better.
    """

    keyword = "language"
    shorthand: ClassVar[str] = "lang"
    name: Name = "language"
    lang: str | None = None
    field: str | None = None
    among: tuple[str, ...] = Field(default=(), max_length=97)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.lang is None) == (self.field is None):
            raise ValueError("one of `lang` and `field` is needed", "write such as `language: fr`")
        if self.among and self.lang is not None and self.lang not in self.among:
            raise ValueError(f"{self.lang!r} is not in `among`", "add it")
        for code in (*self.among, *([self.lang] if self.lang else [])):
            if code not in _codes():
                near = nearest(code, _codes())
                raise ValueError(
                    f"{code!r} is the code of no language that is known",
                    f"did you mean {near!r}?" if near else "write such as en, fr or de",
                )
        return self

    @property
    def needs(self) -> Mapping[str, Need]:
        if self.field is None:
            return {}
        allowed = self.among or _codes()
        return {self.field: lambda value: None if value in allowed else "is no language's code"}

    def grader(self, around: Surroundings) -> Grade:
        del around
        identify = identifier(self.among)

        def grade(text: str, row: Mapping[str, Any]) -> tuple[float | None, str | None]:
            if not any(char.isalpha() for char in text):
                return None, None
            wanted = self.lang or row[str(self.field)]
            found = identify(text)
            return float(found == wanted), None if found == wanted else (
                f"the answer looks like {found}, wanted is {wanted}"
            )

        return grade

    def fingerprint(self, around: Surroundings) -> Any:
        return [super().fingerprint(around), version()]


def identifier(among: tuple[str, ...] = ()) -> Callable[[str], str]:
    """The function from a text to the likeliest of these languages; of all without any."""
    loaded = _load(among)
    return lambda text: loaded.classify(text.encode("utf-8", "replace").decode())[0]


def version() -> str:
    """Of the library, whose next model may say otherwise."""
    return f"py3langid {installed('py3langid')}"


@cache
def _load(among: tuple[str, ...]) -> Any:
    """In about a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE)
    if among:
        found.set_languages(list(among))
    return found


@cache
def _codes() -> tuple[str, ...]:
    return tuple(sorted(str(code) for code in _load(()).nb_classes))


def language(
    lang: str | None = None,
    *,
    field: str | None = None,
    among: tuple[str, ...] = (),
    parse: Any = "text",
    name: str = "language",
) -> Language:
    """1 when the answer is in the language `lang` (`fr`), or in that of the row's `field`."""
    return Language(lang=lang, field=field, among=tuple(among), parse=parse, name=name)

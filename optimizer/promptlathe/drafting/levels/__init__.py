"""The texts of levels by language: a YAML file each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template

from pydantic import Field

from promptlathe.documents import Model, load, parse
from promptlathe.drafting.answers import Kind

LANGUAGES = ("en", "fr")
"""Those that have a file."""
_COMMON = (
    *("en", "fr", "de", "es", "it", "pt", "nl", "pl", "sv", "da", "cs", "tr", "ru", "ar", "zh"),
    *("ja", "ko"),
)
"""Among which the language of a prompt is found: of few words, all 97 are too many."""
_LETTERS, _SURE = 12, 40
"""From which on a text has a language, and one that needs no other text to tell."""


class Levels(Model):
    """Of one language, by the form of the answers; without one, none."""

    role: dict[Kind, str] = Field(default_factory=dict)
    labels: str = ""
    contract: dict[Kind, str] = Field(default_factory=dict)
    reasoning: dict[Kind, str] = Field(default_factory=dict)


def language_of(text: str, beside: str | None = None) -> str | None:
    """The code of a text's language; None for a text of a few letters. A short one is taken to be
    English, French, or in the language `beside` it."""
    from promptlathe.scoring.builtin.language import identifier

    letters = sum(map(str.isalpha, text))
    if letters < _LETTERS:
        return None
    among = {*LANGUAGES, beside or LANGUAGES[0]} if letters < _SURE else _COMMON
    return identifier(tuple(sorted(among)))(text)


def levels_in(language: str | None) -> Levels:
    """Those of a language; none for a language without a file."""
    if language not in LANGUAGES:
        return Levels()
    return parse(Levels, load(Path(__file__).with_name(f"{language}.yaml")))


def filled(text: str, values: Mapping[str, str]) -> str:
    """A level with `$labels` and `$keys` filled in."""
    return Template(text).safe_substitute(values)

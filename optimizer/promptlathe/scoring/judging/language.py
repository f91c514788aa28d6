"""English or French: which of the two a text is in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from promptlathe.records import Json
from promptlathe.scoring.judging.texts import LANGUAGES, Language

_WORD = re.compile(r"[a-zà-öø-ÿœ]+")
_ENGLISH = frozenset(
    _WORD.findall(
        "the of and to in is it that you for with my i was are this have be not or at by from as "
        "but what which your we they can will would how when there if an please has do"
    )
)
_FRENCH = frozenset(
    _WORD.findall(
        "à le la les de des du et un une il elle que qui vous pour sur avec mon ma mes je ne pas "
        "ce cette ces dans en au aux par plus nous mais ou où se votre vos bonjour merci l d j c n "
        "qu sont suis être fait quand comment quel quelle"
    )
)
"""Words that hold sentences together. Of two languages, counting them is enough."""


def language_of(texts: Iterable[str], default: Language = "en") -> Language:
    """The language that most of the words belong to which one of the two alone has."""
    words = [word for text in texts for word in _WORD.findall(text.lower())]
    french = sum(word in _FRENCH for word in words)
    english = sum(word in _ENGLISH for word in words)
    if french == english:
        return default
    return "fr" if french > english else "en"


def language_of_row(row: Mapping[str, Json], shown: Mapping[str, Json]) -> Language:
    """What the row's field `language` or `lang` says; else that of the texts which are shown."""
    for name in ("language", "lang"):
        said = str(row.get(name) or "").lower()
        for one in LANGUAGES:
            if said == one or said.startswith(f"{one}-"):
                return one
    return language_of(_texts(dict(shown)))


def _texts(value: Json) -> Iterable[str]:
    match value:
        case str():
            yield value
        case dict():
            for inner in value.values():
                yield from _texts(inner)
        case list():
            for inner in value:
                yield from _texts(inner)
        case _:
            pass

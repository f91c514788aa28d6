"""The label that an answer names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from promptlathe.data.values import fold, unaccent

_AROUND = " \t\r\n.,:;!?\"'`*#()[]{}<>«»“”‘’"


class LabelReader:
    """Finds one of the known labels in an answer, whatever its case, accents, `_` and `-`.

    The whole answer is a label, punctuation around it aside; or else exactly one distinct label
    stands in it as whole words, where a longer label hides those that it contains. A label of
    one character is looked for in its own case: the article `a` is not the option `A`.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        self._as_given: dict[str, str] = {}
        for label in labels:
            self._as_given.setdefault(fold(label), label)
        self._exact = {label: label for label in self._as_given.values()}
        bare: dict[str, set[str]] = {}
        for key, label in self._as_given.items():
            bare.setdefault(key.strip(_AROUND), set()).add(label)
        self._bare = {key: found.pop() for key, found in bare.items() if len(found) == 1}
        long = [key for key in self._as_given if len(key) > 1]
        short = {unaccent(label): label for label in self._exact if len(unaccent(label)) == 1}
        self._words = _any_of(long)
        self._letters = _any_of(short)
        self._short = short

    def __call__(self, text: str) -> str | None:
        """The label as the dataset spells it; None when no label or several are named."""
        if text in self._exact:
            return self._exact[text]
        kept = unaccent(text)
        key = kept.casefold()
        whole = self._as_given.get(key) or self._bare.get(key.strip(_AROUND))
        if whole:
            return whole
        named = {self._as_given[found] for found in self._words.findall(key)}
        named |= {self._short[found] for found in self._letters.findall(kept)}
        return named.pop() if len(named) == 1 else None


def _any_of(keys: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(keys, key=len, reverse=True)
    words = "|".join(map(re.escape, longest_first)) or r"(?!)"
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)")

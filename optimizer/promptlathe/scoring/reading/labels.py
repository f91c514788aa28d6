"""The label that an answer names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal

from promptlathe.data.spelling import Written, written
from promptlathe.data.values import as_text
from promptlathe.scoring.reading.final import settled
from promptlathe.scoring.reading.mentions import Finder, Stretches
from promptlathe.scoring.reading.objects import objects

_AROUND = " \t\r\n.,:;!?\"'`*()[]{}<>|~«»"
"""What may be set around a label. No signs: `+`, `-` and `#` belong to it."""
_WRAPPED = re.compile(r"\$?\\?(?:text|mathrm|textbf|mathbf|textit)\s*\{([^{}]*)\}\$?")
_BEFORE = re.compile(
    r"(?:[-*•>#]+\s+|\d+[.)]\s+|(?:option|choice|label|class|category|grade|letter|answer|choix"
    r"|classe|categorie|etiquette|lettre|reponse|c'est|it's|it is|its)\s+)"
)
_RATING = re.compile(
    r"([+-]?\d+(?:\.\d+)?)\s*(?:(?:/|out of|of|sur)\s*\d+)?\s*(?:stars?|etoiles?)?"
)
_NUMERAL = re.compile(r"[+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?")
_SLASH = re.compile(r" ?/ ?")
_DENIAL = re.compile(r"(?:not|non|no|pas)\s+(?=\S)")


def alike(labels: Iterable[str]) -> tuple[str, str] | None:
    """The first two labels that no reader can tell apart; None when there are no such.

    They differ in case, `_`, `-` between letters, spaces, typography, or in what may be set around
    a label: `(A)` and `A`.
    """
    seen: dict[str, str] = {}
    for label in labels:
        key = _squeezed(written(label).folded)
        first = seen.setdefault(key.strip(_AROUND) or key, label)
        if first != label:
            return first, label
    return None


class LabelReader:
    """Finds the one known label that an answer settles on, whatever its case, `_` and `-`.

    Accents do not matter either, unless two labels differ by them alone. Where the answer says it:
    see `final`; what it turns down is not named: see `negation`. A label of one letter, or one that
    is a common word (`it`, `us`), is looked for in its own case: the article `a` is not the option
    `A`. Of labels that are `alike`, the first is read.
    """

    def __init__(self, labels: Iterable[str]) -> None:
        labels = list(dict.fromkeys(labels))
        self._exact = {label: label for label in labels}
        forms = [written(label) for label in labels]
        plain = {_squeezed(form.plain) for form in forms}
        self._accents = len(plain) < len({_squeezed(form.folded) for form in forms})
        self._keys: dict[str, str] = {}
        for label, form in zip(labels, forms, strict=True):
            self._keys.setdefault(_squeezed(self._line(form)), label)
        self._keys.pop("", None)
        self._bare = _unique((key.strip(_AROUND), label) for key, label in self._keys.items())
        self._values = _unique(
            (str(Decimal(key).normalize()), label)
            for key, label in self._keys.items()
            if _NUMERAL.fullmatch(key)
        )
        self._longest = max(map(len, self._keys), default=0) + 60
        negative = {label: key for key, label in self._keys.items() if _DENIAL.match(key)}
        self._opposite = {
            self._keys[rest]: label
            for label, key in negative.items()
            if (rest := _DENIAL.sub("", key, count=1)) in self._keys
        }
        spelt = {label: form.kept.strip() for label, form in zip(labels, forms, strict=True)}
        self._finder = Finder(self._keys, spelt)

    def __call__(self, text: str) -> str | None:
        """The label as the dataset spells it; None when no label or several are named."""
        if text in self._exact:
            return text
        if "{" in text and (found := self._in_object(text)):
            return found
        form = written(text)
        line = self._line(form)
        stretches = Stretches(form, line, self._finder, self.is_label, self._opposite)
        return settled(form.plain, stretches)

    def is_label(self, text: str) -> str | None:
        """The label that a stretch of a text is, what is set around it aside."""
        if len(text) > self._longest:
            return None
        key = _squeezed(text)
        if found := self._keys.get(key):
            return found
        if "{" in key:
            key = _WRAPPED.sub(r"\1", key)
        bare = key.strip(_AROUND)
        if found := self._keys.get(bare) or self._bare.get(bare):
            return found
        bare = bare.strip("$")
        if (begun := _BEFORE.match(bare)) and bare[0] + bare[begun.end() :] not in self._keys:
            rest = bare[begun.end() :].strip(_AROUND)
            if found := self._keys.get(rest) or self._bare.get(rest):
                return found
        if self._values and (rated := _RATING.fullmatch(bare)) and _NUMERAL.fullmatch(rated[1]):
            return self._values.get(str(Decimal(rated[1]).normalize()))
        return None

    def _in_object(self, text: str) -> str | None:
        """The one label that is a value of the last JSON object."""
        *_, last = ({}, *objects(text))
        values = (self.is_label(self._line(written(as_text(one)))) for one in last.values())
        found = {label for label in values if label is not None}
        return found.pop() if len(found) == 1 else None

    def _line(self, form: Written) -> str:
        return form.folded if self._accents else form.plain


def _squeezed(text: str) -> str:
    text = " ".join(text.split())
    return _SLASH.sub("/", text) if "/" in text else text


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The pairs whose first part stands once, and is not empty."""
    found: dict[str, list[str]] = {}
    for key, label in pairs:
        found.setdefault(key, []).append(label)
    return {key: labels[0] for key, labels in found.items() if key and len(labels) == 1}

"""Which words of shown rows tell their labels apart."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from math import log
from typing import NamedTuple

from promptlathe.models.pocket.vocabulary import word_set
from promptlathe.models.pocket.wording import fold, is_function_word, stem


class Seen(NamedTuple):
    """A row with its label."""

    text: str
    label: str


_READ_OTHERWISE = word_set(
    "never except excluding excludes exclude rather instead jamais sauf hors exclut excepte json"
    " tag tags label labels answer category if when for choose si quand pour"
)
"""Words that a definition would be misread by: denials, formats, the words of rules."""
LEAST = 0.5
"""From which score on a word is telling; a word of one row of two has about this."""
_WORD = re.compile(r"[^\W\d_]+")


class Telling:
    """Counts of the stems of rows, by label."""

    def __init__(self, rows: Sequence[Seen], labels: Collection[str]) -> None:
        self._by_label: dict[str, Counter[str]] = {label: Counter() for label in labels}
        self._rows: Counter[str] = Counter()
        self._all: Counter[str] = Counter()
        spelled: dict[str, Counter[str]] = {}
        names = {fold(label) for label in labels}
        for row in rows:
            if row.label not in self._by_label:
                continue
            self._rows[row.label] += 1
            for root, word in _stems(row.text).items():
                self._by_label[row.label][root] += 1
                self._all[root] += 1
                if fold(word) not in names:
                    spelled.setdefault(root, Counter())[word] += 1
        self._total = sum(self._rows.values())
        self._spelling = {
            root: min(counts, key=lambda w: (-counts[w], len(w), w))
            for root, counts in spelled.items()
        }

    def score(self, root: str, label: str, against: str | None = None) -> float:
        """How much a stem speaks for a label, against one other or all: times log-odds."""
        own = self._by_label[label][root]
        if against is None:
            others, size = self._all[root] - own, self._total - self._rows[label]
        else:
            others, size = self._by_label[against][root], self._rows[against]
        odds = log((own + 0.1) / (self._rows[label] + 0.2)) - log((others + 0.1) / (size + 0.2))
        return own * odds

    def best(
        self,
        label: str,
        count: int,
        *,
        against: str | None = None,
        known: Collection[str] = (),
    ) -> list[str]:
        """At most `count` words for a label, the most telling first; `known` are stems."""
        scored = [
            (self.score(root, label, against), self._spelling[root])
            for root in self._by_label[label]
            if root not in known and root in self._spelling
        ]
        # Of words that tell as much, the longer ones are about something more often.
        chosen = sorted(scored, key=lambda s: (-round(s[0], 6), -len(s[1]), s[1]))[:count]
        return [word for score, word in chosen if score >= LEAST]

    def fits(self, text: str) -> Mapping[str, float]:
        """Label -> how much more often its rows than the others' show the words of a text."""
        roots = list(_stems(text))
        return {
            label: sum(self.score(r, label) for r in roots if self._by_label[label][r])
            for label in self._by_label
        }


def _stems(text: str) -> dict[str, str]:
    """Stem -> lower-case word, of the words that can say something."""
    found: dict[str, str] = {}
    for word in _WORD.findall(text.lower()):
        if root := _stem(word):
            found.setdefault(root, word)
    return found


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    """The stem, or nothing for a word that says nothing about a label."""
    folded = fold(word)
    if len(folded) < 3 or not folded.isascii() or folded in _READ_OTHERWISE:
        return ""
    return "" if is_function_word(folded) else stem(folded)


def stems(text: str) -> set[str]:
    """The stems of the words of a text that can say something."""
    return set(_stems(text))

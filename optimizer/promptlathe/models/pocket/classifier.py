"""Evidence and demos of a prompt against the input, by TF-IDF inside the prompt.

A text is the set of its pieces: the runs of four and five letters of its words, which are marked
at both ends. A piece weighs log((L + 1) / l), with L labels of which l show it. With the unit
vectors d_k of a label's name and evidence, and v_i of its demos, an input with pieces P scores

    score(k) = sum over P of weight · (d_k + DEMOS · mean_i r_i v_i)

Of n demos in all the i-th counts r_i = 1/2 + i/n: later ones more, as with language models (Zhao
et al. 2021, "Calibrate Before Use"). The constants were set on the tickets of objectives/ and on
Banking77, and are not tuned to any other task.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple
from unicodedata import normalize

import numpy as np

from promptlathe.models.pocket.labels import Evidence

DEMOS = 0.7
_MARKS = re.compile(r"[\u0300-\u036f]")
_WORD = re.compile(r"[^\W\d_]{3,}|\d{3,}")


class Ranking(NamedTuple):
    """The most likely label and the second, if there is one."""

    first: str
    second: str | None
    closeness: float
    """How near the second comes to the first: 0 (far behind) to 1 (equal)."""


class Classifier:
    """The weights of one prompt: a row for each piece, a column for each label."""

    def __init__(
        self, labels: Sequence[str], said: Sequence[Evidence], demos: Sequence[Evidence]
    ) -> None:
        """said, demos: of these labels only."""
        self.labels = tuple(labels)
        described = {label: label for label in labels}
        for label, text in said:
            described[label] += f"\n{text}"
        shares = Counter(label for label, _ in demos)
        rows = [(label, _pieces(text), 1.0) for label, text in described.items()]
        for i, (label, text) in enumerate(demos):
            share = DEMOS / shares[label] * (0.5 + i / len(demos))
            rows.append((label, _pieces(text), share))
        shown_by = Counter(
            piece for _, piece in {(label, p) for label, row, _ in rows for p in row}
        )
        # In order of appearance: a set's order, and so a sum, would differ between processes.
        pieces = dict.fromkeys(piece for _, row, _ in rows for piece in row)
        self._ids = {piece: i for i, piece in enumerate(pieces)}
        squares = np.log([(len(labels) + 1) / shown_by[piece] for piece in pieces]) ** 2
        self._matrix = np.zeros((len(pieces), len(labels)), dtype=np.float32)
        columns = {label: k for k, label in enumerate(labels)}
        for label, row, share in rows:
            ids = [self._ids[piece] for piece in row]
            length = np.sqrt(squares[ids].sum()) or 1.0
            self._matrix[ids, columns[label]] += share / length * squares[ids]

    def rank(self, text: str) -> Ranking:
        """Of equal labels the one named first in the prompt wins."""
        scores = self._matrix[[self._ids[p] for p in _pieces(text) if p in self._ids]].sum(axis=0)
        first, *others = (int(k) for k in np.argsort(-scores, kind="stable")[:2])
        if not others:
            return Ranking(self.labels[first], None, 0.0)
        closeness = float(scores[others[0]] / scores[first]) if scores[first] > 0 else 1.0
        return Ranking(self.labels[first], self.labels[others[0]], closeness)


def _pieces(text: str) -> dict[str, None]:
    """Each piece once, in order; of words in lower case without accents."""
    words = _WORD.findall(_MARKS.sub("", normalize("NFKD", text.lower())))
    return dict.fromkeys(chain.from_iterable(map(_of_word, dict.fromkeys(words))))


@lru_cache(maxsize=65_536)
def _of_word(word: str) -> tuple[str, ...]:
    marked = f"^{word}$"
    return tuple(marked[i : i + n] for n in (4, 5) for i in range(len(marked) - n + 1))

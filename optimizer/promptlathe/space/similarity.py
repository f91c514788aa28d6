"""Which texts are alike: cosine of hashed character n-grams, and rows that are far apart.

The weights are damped counts times inverse document frequency (Salton & Buckley 1988).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

NGRAM = 4
DECIMALS = 9
BEGINNING = 1000
"""Characters of a text that are compared."""
Vectors = Any
"""(n, features) sparse rows of length 1: `a @ b.T` holds the cosines."""


def text_vectors(texts: Sequence[str]) -> Vectors:
    """One row for each text. Deterministic, and any text will do."""
    # Here, for it takes three seconds to load, and most spaces need none of it.
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    plain = [_plain(text) for text in texts]
    hashed = HashingVectorizer(
        analyzer="char_wb",
        ngram_range=(NGRAM, NGRAM),
        alternate_sign=False,
        norm=None,  # pyright: ignore[reportArgumentType] (not in its inferred types)
    )
    return TfidfTransformer(sublinear_tf=True).fit_transform(hashed.transform(plain))


class TextIndex:
    """Texts that others are compared with; made once. Of words and character n-grams these find
    the right neighbours more often (benchmarks/nearest.py)."""

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._count = len(texts)
        self._vectorizer = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(NGRAM, NGRAM), sublinear_tf=True
        )
        try:
            self._vectors: Vectors = self._vectorizer.fit_transform(map(_plain, texts))
        except ValueError:  # there is no text, or all are empty
            self._vectors = None

    def cosines(self, text: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """(texts,) rounded, so that what is equal on one machine is on another."""
        if self._vectors is None:
            return np.zeros(self._count)
        query = self._vectorizer.transform([_plain(text)])
        return np.round(cosines(self._vectors, query)[:, 0], DECIMALS)


def best_first(scores: "np.ndarray[Any, np.dtype[np.float64]]", count: int) -> list[int]:
    """The places of the highest `count`; of equals the first."""
    return np.argsort(-scores, kind="stable")[:count].tolist()


def _plain(text: str) -> str:
    """Its beginning, as any tokenizer takes it."""
    return text[:BEGINNING].encode("utf-8", "replace").decode()


def farthest_first(vectors: Vectors, *, start: int, count: int) -> list[int]:
    """`count` rows, each the one least like all before it: k-centre (Gonzalez 1985).

    Fewer when there are fewer rows; of equals the first.
    """
    nearest = np.full(vectors.shape[0], -1.0)
    chosen: list[int] = []
    row = start
    while len(chosen) < min(count, len(nearest)):
        chosen.append(row)
        nearest = np.maximum(nearest, cosines(vectors, vectors[[row]])[:, 0])
        nearest[chosen] = np.inf
        row = int(np.argmin(nearest))
    return chosen


def cosines(some: Vectors, others: Vectors) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """(rows of some, rows of others)."""
    return (some @ others.T).toarray()

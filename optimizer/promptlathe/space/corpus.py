"""A corpus of your own, searched for a row: BM25 (Robertson & Zaragoza 2009) or TF-IDF."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from promptlathe.errors import MissingExtra
from promptlathe.records import Passage, content_hash
from promptlathe.space.similarity import DECIMALS, TextIndex, best_first

WORD = re.compile(r"\w+")


@dataclass(frozen=True, eq=False)
class Corpus:
    """Passages with ids of their own. Titles are searched, too."""

    passages: Sequence[Passage]

    @cached_property
    def digest(self) -> str:
        """The content hash."""
        return content_hash([[p.id, p.title, p.text] for p in self.passages])

    def found(self, query: str, by: str, count: int) -> list[Passage]:
        """The `count` best for a query, best first, of equals the first; what has nothing in
        common with it is not found. Raises MissingExtra for `bm25` without bm25s."""
        key = (query, by, count)
        if key not in self._known:
            scores = self._bm25(query) if by == "bm25" else self._tfidf.cosines(query)
            self._known[key] = [i for i in best_first(scores, count) if scores[i] > 0]
        return [self.passages[i] for i in self._known[key]]

    @property
    def _texts(self) -> list[str]:
        return [f"{p.title}\n{p.text}" for p in self.passages]

    @cached_property
    def _tfidf(self) -> TextIndex:
        return TextIndex(self._texts)

    def _bm25(self, query: str) -> "np.ndarray[Any, np.dtype[np.float64]]":
        words = [word for word in words_of(query) if word in self._index.vocab_dict]
        if not words:
            return np.zeros(len(self.passages))
        return np.asarray(np.round(self._index.get_scores(words), DECIMALS), np.float64)

    @cached_property
    def _index(self) -> Any:
        index = bm25s().BM25()
        index.index([words_of(text) for text in self._texts], show_progress=False)
        return index

    @cached_property
    def _known(self) -> dict[tuple[str, str, int], list[int]]:
        return {}


def words_of(text: str) -> list[str]:
    """In lower case, whatever the language; none is left out."""
    return WORD.findall(text.lower())


def bm25s() -> Any:
    """The library. Raises MissingExtra where it is not installed."""
    try:
        import bm25s as library
    except ImportError:
        raise MissingExtra("bm25s", "bm25", "`by: bm25`") from None
    return library

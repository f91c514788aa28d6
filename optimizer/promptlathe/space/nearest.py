"""The demos that are most like the row that is asked about, found for each row.

The pool is a set: rows of `train` by their content, so that the same rows give the same demos
whatever their order and their ids. A row with the very text that is asked about is never shown: it
is the row itself, or a copy that would give its answer away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from promptlathe.records import content_hash
from promptlathe.space.similarity import TextIndex, best_first
from promptlathe.space.template import is_inert


@dataclass(frozen=True, eq=False)
class NearestPool:
    """Rows that may be shown, each with the fields that are shown or compared only."""

    rows: Sequence[Mapping[str, Any]]
    """Sorted by content, each once."""
    compared: tuple[str, ...]
    """The fields whose texts are compared."""

    @classmethod
    def of(
        cls, rows: Iterable[Mapping[str, Any]], names: Iterable[str], compared: tuple[str, ...]
    ) -> "NearestPool":
        """Of rows with the fields that demos show, and none that an engine would change."""
        names = tuple(names)
        kept: dict[str, dict[str, Any]] = {}
        for row in rows:
            shown = {name: row.get(name) for name in names}
            if all(is_inert(str(value)) for value in shown.values()):
                kept[content_hash(shown)] = shown
        return cls([kept[key] for key in sorted(kept)], compared)

    @cached_property
    def digest(self) -> str:
        """The content hash."""
        return content_hash([list(map(dict, self.rows)), list(self.compared)])

    def nearest(self, row: Mapping[str, Any], count: int) -> list[Mapping[str, Any]]:
        """The `count` rows most like `row`, the most alike first, of equals the first."""
        text = self._text(row)
        if (text, count) not in self._known:
            scores = self._index.cosines(text)
            scores[[i for i, one in enumerate(self._texts) if one == text]] = -1.0
            self._known[text, count] = [i for i in best_first(scores, count) if scores[i] >= 0]
        return [self.rows[i] for i in self._known[text, count]]

    def _text(self, row: Mapping[str, Any]) -> str:
        return "\n".join(
            " ".join(str(row.get(name, "")).casefold().split()) for name in self.compared
        )

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        return tuple(self._text(row) for row in self.rows)

    @property
    def _index(self) -> TextIndex:
        return _index_of(self._texts)

    @cached_property
    def _known(self) -> dict[tuple[str, int], list[int]]:
        return {}


@lru_cache(maxsize=4)
def _index_of(texts: tuple[str, ...]) -> TextIndex:
    """Kept, for a space that grows during a run is bound anew each time."""
    return TextIndex(texts)

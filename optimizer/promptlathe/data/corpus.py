"""The corpora that a space searches: read once, every passage checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from promptlathe.data.files import Row, read_file
from promptlathe.data.values import kind
from promptlathe.documents import Loc, nearest
from promptlathe.errors import InputError
from promptlathe.records import Passage
from promptlathe.space import Corpus, Retrieve, SearchSpace
from promptlathe.space.corpus import bm25s

Where = Callable[[Loc], str | None]
Corpora = dict[tuple[str, str], Corpus]
"""By file and field."""


def load_corpora(space: SearchSpace, where: Where = lambda loc: None) -> Corpora:
    """Those of all prompts. Raises InputError with file and line, and MissingExtra."""
    found: Corpora = {}
    for step, part in space.prompts.items():
        root: Loc = ("steps", step, "space") if space.chained else ()
        for name, one in part.components.items():
            if isinstance(one, Retrieve):
                place = where((*root, "components", name, "retrieve"))
                key = one.spec.corpus, one.spec.field
                if key not in found:
                    found[key] = read_corpus(*key, where=place)
                if "bm25" in one.spec.by:
                    bm25s()
    return found


def read_corpus(path: str, field: str = "text", *, where: str | None = None) -> Corpus:
    """A passage a row: its text in `field`, its id in `id`, else its number, and a `title`."""
    passages: dict[str, Passage] = {}
    for number, row in enumerate(read_file(Path(path), where), start=1):
        passage = _passage(row, field, number)
        if passage.id in passages:
            raise InputError(f"the id {passage.id!r} stands twice", row.where, "give each its own")
        passages[passage.id] = passage
    if not passages:
        raise InputError("the corpus is empty", path, "write a passage a row")
    return Corpus(tuple(passages.values()))


def _passage(row: Row, field: str, number: int) -> Passage:
    if not isinstance(row.values, dict):
        raise InputError(
            f"a passage must be an object, not {kind(row.values)}",
            row.where,
            f'write {{"id": "a", "{field}": "…"}}',
        )
    text, title, own = (row.values.get(name) for name in (field, "title", "id"))
    if not isinstance(text, str) or not text.strip():
        near = nearest(field, list(row.values)) if text is None else None
        hint = f"did you mean {near!r}?" if near else "write the passage's text there"
        raise InputError(f"the passage has no text in {field!r}", row.where, hint)
    if not isinstance(title, str | None) or not isinstance(own, str | int | None):
        raise InputError("`id` and `title` of a passage are texts", row.where, "write texts")
    return Passage(str(number if own is None else own), text, title or "")

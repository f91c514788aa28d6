"""Passages as they stand in a prompt: read from a row, put in order, written in a markup.

xml        <passage id="p1" title="Keys">      text and attributes escaped; cited by the id
numbered   [1] Keys                            further lines are indented; cited by the number
jsonl      {"id": "p1", "text": …}             cited by the id
template   your own; cited by the id, or by the number where it shows no id
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from xml.sax.saxutils import escape, quoteattr

from promptlathe.records import Message, Passage
from promptlathe.space.template import fill_declared, placeholders

INDENT = "    "
"""Of a numbered passage's further lines: none can pass for the beginning of another."""


@dataclass(frozen=True)
class Filled:
    """What a rule gives for a row: the text, and the contexts that it shows."""

    text: str
    passages: tuple[Passage, ...] = ()
    turns: tuple[Message, ...] = ()
    """In place of the text, where demos are turns."""

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.text.encode()) + sum(len(m.text.encode()) for m in self.turns)


def passages_of(given: Any) -> tuple[list[Passage], list[float]]:
    """The passages of a row's list, and their scores: none, or one each.

    Raises ValueError(what, fix) for what is no list of texts, or of objects with a text.
    """
    if not isinstance(given, list | tuple):
        raise ValueError("is no list", 'write ["a text", …], or [{"id": "a", "text": "…"}, …]')
    passages: list[Passage] = []
    scores: list[float] = []
    for number, one in enumerate(cast("Sequence[Any]", given), start=1):
        passages.append(_passage(one, number))
        score = one.get("score") if isinstance(one, Mapping) else None
        if score is not None:
            if isinstance(score, bool) or not isinstance(score, int | float):
                raise ValueError(f"has the score {score!r} in item {number}", "write a number")
            scores.append(float(score))
    if 0 < len(scores) < len(passages):
        raise ValueError("has a score in some items only", "give each item one, or none")
    seen: set[str] = set()
    for passage in passages:
        if passage.id in seen:
            raise ValueError(f"has the id {passage.id!r} twice", "give each passage its own id")
        seen.add(passage.id)
    return passages, scores


def _passage(given: Any, number: int) -> Passage:
    if isinstance(given, str):
        given = {"text": given}
    if not isinstance(given, Mapping) or not isinstance(given.get("text"), str):
        raise ValueError(
            f"has neither a text nor an object with a text as item {number}",
            'write "a text", or {"id": "a", "title": "…", "text": "…"}',
        )
    own, title = given.get("id"), given.get("title")
    if isinstance(own, bool) or not isinstance(own, str | int | None) or own == "":
        raise ValueError(f"has the id {own!r} in item {number}", "write a text or a whole number")
    if not isinstance(title, str | None):
        raise ValueError(f"has the title {title!r} in item {number}", "write a text")
    return Passage(str(number if own is None else own), given["text"], title or "")


def chosen(
    passages: Sequence[Passage], scores: Sequence[float], count: int, order: str
) -> list[Passage]:
    """The best `count`, in an order. The best has the highest score, of equals the first; without
    scores the first is the best."""
    places = list(range(len(passages)))
    if scores:
        places.sort(key=lambda i: -scores[i])
    places = places[:count]
    if order == "given":
        places.sort()
    elif order == "best_last":
        places.reverse()
    return [passages[i] for i in places]


def written(passages: Sequence[Passage], markup: str, template: str | None) -> Filled:
    """The text, and the passages with what each is cited by."""
    match markup:
        case "numbered":
            marked, between = [replace(p, mark=str(n)) for n, p in enumerate(passages, 1)], "\n\n"
            texts = [_numbered(p) for p in marked]
        case "template" if template is not None:
            by_number, between = "id" not in placeholders(template), "\n\n"
            marked = [
                replace(p, mark=str(n) if by_number else p.id) for n, p in enumerate(passages, 1)
            ]
            texts = [_by_template(p, n, template) for n, p in enumerate(marked, 1)]
        case "jsonl":
            marked, between = [replace(p, mark=p.id) for p in passages], "\n"
            texts = [_json(p) for p in marked]
        case _:
            marked, between = [replace(p, mark=p.id) for p in passages], "\n"
            texts = [_xml(p) for p in marked]
    return Filled(between.join(texts), tuple(marked))


def _xml(passage: Passage) -> str:
    title = f" title={quoteattr(passage.title)}" if passage.title else ""
    head = f"<passage id={quoteattr(passage.id)}{title}>"
    return f"{head}\n{escape(passage.text.strip())}\n</passage>"


def _numbered(passage: Passage) -> str:
    title = f"{' '.join(passage.title.split())}\n" if passage.title else ""
    lines = f"{title}{passage.text.strip()}".splitlines()
    return f"[{passage.mark}] " + f"\n{INDENT}".join(lines)


def _json(passage: Passage) -> str:
    title = {"title": passage.title} if passage.title else {}
    return json.dumps({"id": passage.id, **title, "text": passage.text}, ensure_ascii=False)


def _by_template(passage: Passage, number: int, template: str) -> str:
    values = {
        "id": passage.id,
        "number": number,
        "title": passage.title,
        "text": passage.text.strip(),
    }
    return fill_declared(template, values).strip("\n")

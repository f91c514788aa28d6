"""Messages -> a request to rewrite one part of a prompt, or None for any other request.

A rewriting request shows the part between <current> and </current> and ends with the ask to write
a text between a tag and its closing tag. Everything else is optional and found by its own marks:

    <prompt>      the whole prompt            <other>     another text for the same part
    <row>         a row, with `Expected:`, `Answered:` and perhaps `Problem:` as its last lines
    - a, taken for b: 4 rows                  what is confused
    # Right answers                           a heading, and below it all of them
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from promptlathe.models.pocket.vocabulary import any_of, plain
from promptlathe.records import Message

Kind = Literal["rewrite", "contrast", "format", "merge", "paraphrase", "shorten", "translate"]


class Row(NamedTuple):
    """A row that the request shows."""

    text: str
    """The values of its fields, one a line."""
    expected: str
    answered: str
    problem: str
    """Empty when the prompt got it right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a rewriting request asks for and shows; empty where it shows nothing."""

    kind: Kind
    current: str
    tag: str = "new"
    """The new text is asked for between this tag and its closing tag; "```" for a fence."""
    other: str = ""
    answers: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    confused: tuple[tuple[str, str], ...] = ()
    """(right answer, what it was taken for), the most frequent first."""
    reading: str = ""
    """What is said about how the output is read."""
    protected: tuple[str, ...] = ()
    """Phrases to keep word for word."""
    most_words: int | None = None
    french: bool = False
    """The language to translate into."""


def read_request(messages: Sequence[Message]) -> Request | None:
    """The rewriting request of the last user message, if it is one."""
    content = next((m.content for m in reversed(messages) if m.role == "user"), "")
    if "<current>" not in content:
        return None
    _, after = _block(content, "prompt")
    current, rest = _block(after, "current")
    closing = _closing(rest) if current is not None else None
    if current is None or closing is None:
        return None
    tag, shown = closing
    other, beyond = _block(shown, "other")
    outside = shown if other is None else f"{shown[: shown.find('<other>')]}\n{beyond}"
    rows = tuple(_rows(outside))
    bare = _ROW.sub("", outside)
    task = "\n".join(_sections(bare, _TASK_HEAD)) or bare
    reading = [t for t in _sections(bare, _READING_HEAD) if t]
    if not any_of(_ASKING).search(plain(rest[-400:] + task)):
        return None
    return Request(
        kind=_kind(task),
        current=current,
        tag=tag,
        other=other or "",
        answers=_answers(bare, rows),
        rows=rows,
        confused=tuple(_confused(bare)),
        reading=reading[-1] if reading else "",
        protected=tuple(_protected(bare)),
        most_words=_most_words(bare),
        french=bool(any_of(r"(?:into|en|vers le) (?:french|francais)\b").search(plain(task))),
    )


def _block(content: str, tag: str) -> tuple[str | None, str]:
    """(what stands between the tags, what follows); (None, everything) without them."""
    start = content.find(f"<{tag}>")
    end = content.find(f"</{tag}>", start)
    if start < 0 or end < 0:
        return None, content
    return content[start + len(tag) + 2 : end].strip("\n"), content[end + len(tag) + 3 :]


_CLOSING = re.compile(r"[^<]*<(?P<tag>[A-Za-z][\w-]*)>[^<]*</(?P=tag)>.*")
_TEXT = any_of(
    r"(?:new|better|text|prompt|instructions?|version|rewritten|nouveau|nouvelle|texte)\b"
)
_ANSWER = any_of(r"(?:labels?|categor\w+|answers?|class|intents?|teams?|reponses?|etiquettes?)\b")
_ASKING = (
    r"(?:(?:re)?write|change|add|merge|say|translate|improve|shorten|find|combine|revise|make"
    r"|ecri\w+|ajoute\w*|traduis\w*|ameliore\w*|raccourci\w*|fusionne\w*|change\w*|dis|reformule\w*)\b"
)


def _closing(content: str) -> tuple[str, str] | None:
    """(tag, what stands before) of a last line that asks for a text between tags, no answer."""
    before, _, line = content.rstrip().rpartition("\n")
    match = _CLOSING.fullmatch(line)
    said = plain(line)
    if match is None or match["tag"] == "current":
        return None
    return None if _ANSWER.search(said) or not _TEXT.search(said) else (match["tag"], before)


_TASK_HEAD = any_of(r"(?:tasks?|tache|consignes?)\b")
_READING_HEAD = any_of(r"(?:read|reading|output|lue?|lecture|sortie)\b")
_ROW = re.compile(r"<row>(.*?)</row>", re.DOTALL)
_FIELD = re.compile(r"^[ \t]*[^\W\d][\w .-]{0,40}:[ \t]*", re.MULTILINE)
_ENDS = re.compile(r"^(Expected|Answered|Problem):[ \t]*", re.MULTILINE)


def _rows(content: str) -> list[Row]:
    """The shown rows, each once."""
    found: dict[Row, None] = {}
    for match in _ROW.finditer(content):
        body = match[1]
        marks = list(_ENDS.finditer(body))
        ends = [m.start() for m in marks[1:]] + [len(body)]
        values = (
            {m[1]: body[m.end() : end].strip() for m, end in zip(marks, ends, strict=True)}
            if marks
            else {}
        )
        shown = body[: marks[0].start()] if marks else body
        text = _FIELD.sub("", shown.strip())
        expected, answered = values.get("Expected", ""), values.get("Answered", "")
        if expected:
            found[Row(text, expected, answered, values.get("Problem", ""))] = None
    return list(found)


_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*$", re.MULTILINE)


def _sections(content: str, named: re.Pattern[str]) -> list[str]:
    """The texts below the headings that match."""
    heads = list(_HEADING.finditer(content))
    ends = [h.start() for h in heads[1:]] + [len(content)]
    return (
        [
            content[h.end() : end].strip()
            for h, end in zip(heads, ends, strict=True)
            if named.search(plain(h[1]))
        ]
        if heads
        else []
    )


def _answers(content: str, rows: Sequence[Row]) -> tuple[str, ...]:
    """All right answers; none when they are free text, which no row's answer is part of."""
    listed = _sections(content, any_of(r"(?:right answers?|labels|(?:bonnes )?reponses)\b"))
    lines = [line.strip(" -*\t") for line in (listed[0] if listed else "").split("\n")]
    names = [name.strip() for line in lines for name in line.split(",")]
    names = [name for name in dict.fromkeys(names) if name]
    short = len(names) > 1 and all(len(n) <= 60 and len(n.split()) <= 5 for n in names)
    fits = not rows or any(row.expected in names for row in rows)
    return tuple(names) if short and fits and not any(n.endswith(".") for n in names) else ()


_CONFUSED = re.compile(
    r"^[-*][ \t]*(.+?), (?:taken for|pris\w* pour) (.+?)(?::[^:\n]*)?$", re.MULTILINE
)


def _confused(content: str) -> list[tuple[str, str]]:
    return [(m[1].strip(), m[2].strip()) for m in _CONFUSED.finditer(content)]


def _protected(content: str) -> list[str]:
    keeping = any_of(r"(?:word for word|verbatim|mot pour mot|exactly as|unchanged)\b")
    lines = [line for line in content.split("\n") if keeping.search(plain(line))]
    return [phrase for line in lines for phrase in re.findall(r'"([^"\n]+)"', line)]


def _most_words(content: str) -> int | None:
    found = any_of(r"(?:at most|no more than|up to|au plus) (\d{1,6}) (?:words|mots)\b").search(
        plain(content)
    )
    return int(found[1]) if found else None


_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("translate", any_of(r"(?:translate|translation|traduis\w*|traduction)\b")),
    ("merge", any_of(r"(?:merge|combine|fusionne\w*|reunis\w*)\b")),
    ("contrast", any_of(r"(?:the other (?:prompt|text|one)|l'autre (?:prompt|texte))\b")),
    (
        "shorten",
        any_of(r"(?:shorten|shorter|fewer words|half as many|raccourci\w*|plus court|abrege)\b"),
    ),
    (
        "paraphrase",
        any_of(r"(?:paraphrase|rephrase|reword|in other words|reformule\w*|autrement)\b"),
    ),
    ("rewrite", any_of(r"(?:definitions?|decision rules?|mistakes?|erreurs?)\b")),
    (
        "format",
        any_of(r"(?:can be read|output format|format of the (?:output|answer)|format de \w+)\b"),
    ),
)
"""Telling words of a task, the surest kind first."""


def _kind(task: str) -> Kind:
    """By telling words of the task, names in backticks and lists left out; else `rewrite`."""
    lines = (line for line in task.split("\n") if not line.lstrip().startswith("- "))
    told = plain(re.sub(r"`[^`\n]*`", "", "\n".join(lines)))
    found: Kind = "rewrite"
    for kind, words in reversed(_KINDS):
        found = kind if words.search(told) else found
    return found

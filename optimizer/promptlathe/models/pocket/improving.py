"""Definitions and rules from the rows that a request shows, put into the present text."""

import re
from collections import Counter
from collections.abc import Sequence

from promptlathe.models.pocket.demos import read_output
from promptlathe.models.pocket.drafts import Draft, Sentence, read_draft, write_draft
from promptlathe.models.pocket.formats import Format
from promptlathe.models.pocket.labels import read_labels
from promptlathe.models.pocket.requests import Request, Row
from promptlathe.models.pocket.reshaping import merge_drafts, read_other, reformat
from promptlathe.models.pocket.rules import read_definition
from promptlathe.models.pocket.telling import Seen, Telling, stems
from promptlathe.models.pocket.translating import is_french
from promptlathe.models.pocket.vocabulary import any_of, plain

RULE_WORDS, MOST_RULES = 4, 12
CONTRADICTED = 12.0
"""How much the rows must speak for another label before a definition is given up."""


def improve(request: Request, *, new_words: int, new_rules: int) -> str:
    """The text with at most so many words added to each definition, and so many rules."""
    labels = right_answers(request)
    if not labels:
        return request.current
    draft = read_draft(request.current, labels)
    if request.other:
        draft = merge_drafts(draft, read_other(request, labels))
    rows = [Seen(row.text, row.expected) for row in request.rows]
    telling = Telling(rows, labels)
    _repair(draft, labels, telling)
    _define(draft, labels, telling, new_words)
    _decide(draft, request.confused[:new_rules], telling)
    if asked := _format_to_ask(request, labels):
        reformat(draft, asked)
    return write_draft(draft)


def right_answers(request: Request) -> list[str]:
    """All right answers; where none are listed, those of the rows and of the present text."""
    if request.answers:
        return list(request.answers)
    shown = Counter(row.expected for row in request.rows)
    named = list(read_labels(request.current).definitions)
    short = all(len(name) <= 60 and "\n" not in name for name in shown)
    repeated = len(shown) < sum(shown.values()) or any(name in shown for name in named)
    return list(dict.fromkeys([*named, *shown])) if short and repeated else []


def _repair(draft: Draft, labels: Sequence[str], telling: Telling) -> None:
    """Only right answers, all of them, and no definition that fits another label better."""
    old = draft.definitions
    named = [*(k for k in old if k in labels), *(k for k in labels if k not in old)]
    draft.definitions = {label: old.get(label, "") for label in named}
    for label, text in list(draft.definitions.items()):
        read = read_definition(label, text, labels)
        fits = telling.fits(" ".join(e.text for e in read if e.sign > 0 and e.label == label))
        rival = max(fits, key=lambda k: fits[k])
        if fits[rival] > CONTRADICTED and fits[label] < 0.25 * fits[rival]:
            draft.definitions[label] = ""


def _define(draft: Draft, labels: Sequence[str], telling: Telling, count: int) -> None:
    for label in labels:
        old = draft.definitions[label]
        new = telling.best(label, count, known=stems(f"{old} {label}"))
        if new:
            draft.definitions[label] = _joined(old, ", ".join(new))


def _joined(old: str, new: str) -> str:
    """A new clause, so that a denial in the old one does not reach it."""
    if not old:
        return new
    words_only = not re.search(r"[.(;]|\b(?:not|pas)\b", old.rpartition("; ")[2])
    return f"{old}, {new}" if words_only else f"{old.rstrip(' .;')}; {new}"


_FORMS = (
    "If it is about {}, choose {}, not {}.",
    "S'il s'agit de {}, choisis {}, pas {}.",
)
_RULE = re.compile(
    r"\s*(?:If it is about|S'il s'agit de) (?P<words>.+), (?:choose|choisis) (?P<right>.+),"
    r" (?:not|pas) (?P<taken>.+)\."
)


def _decide(draft: Draft, confused: Sequence[tuple[str, str]], telling: Telling) -> None:
    """A rule for each confused pair; one that stands there already gets the new words."""
    places = {
        (m["right"], m["taken"]): i
        for i, sentence in enumerate(draft.sentences)
        if (m := _RULE.fullmatch(sentence.text))
    }
    form = _FORMS[is_french("\n".join(s.text for s in draft.sentences))]
    new: list[str] = []
    for right, taken in confused:
        if right == taken or not {right, taken} <= draft.definitions.keys():
            continue
        at = places.get((right, taken))
        match = _RULE.fullmatch(draft.sentences[at].text) if at is not None else None
        old = match["words"].split(", ") if match else []
        words = telling.best(right, RULE_WORDS, against=taken, known=stems(" ".join(old)))
        text = form.format(", ".join((old + words)[-2 * RULE_WORDS :]), right, taken)
        if words and at is not None:
            draft.sentences[at] = Sentence("rule", text, draft.sentences[at].line)
        elif words and len(places) + len(new) < MOST_RULES:
            new.append(text)
    draft.add("rule", *new)


_UNREAD = any_of(r"(?:could not be (?:read|parsed)|unreadable|pas (?:pu )?etre lue?)\b")


def _format_to_ask(request: Request, labels: Sequence[str]) -> Format | None:
    """A format, when many answers are unreadable or talk: that of the good ones, else bare."""
    wrong = [row for row in request.rows if row.problem]
    bad = [row for row in wrong if _UNREAD.search(plain(row.problem)) or _talks(row, labels)]
    if len(bad) * 3 < len(wrong) or not bad:
        return None
    good = [read_output(row.answered, labels) for row in request.rows if not row.problem]
    read = [output for output in good if output is not None]
    counts = Counter((output.kind, output.names) for output in read)
    usual = max(read, key=lambda o: counts[o.kind, o.names], default=None)
    if usual is None or usual.kind == "prose":
        return Format("bare")
    return Format(usual.kind, usual.names)


def _talks(row: Row, labels: Sequence[str]) -> bool:
    read = read_output(row.answered, labels)
    return read is None or read.kind == "prose"

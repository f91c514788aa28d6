"""A part of a prompt as a draft to repair: definitions of labels, and the other sentences.

`read_draft` and `write_draft` are near inverses: labels become one list of `- label: definition`
where the first list of labels stood, and everything else keeps its line, order and words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from promptlathe.models.pocket.formats import Format, read_format
from promptlathe.models.pocket.items import Group, find_groups
from promptlathe.models.pocket.labels import read_labels
from promptlathe.models.pocket.rules import read_rules
from promptlathe.models.pocket.vocabulary import LABEL_NOUN, plain

PLACEHOLDER = re.compile(r"\{\{[^{}]*\}\}")
SentenceKind = Literal["rule", "format", "other", "labels"]


class Sentence(NamedTuple):
    """One sentence, or one line of a list. The kind `labels` marks the place of the labels."""

    kind: SentenceKind
    text: str
    line: int


@dataclass(slots=True)
class Draft:
    """The text taken apart."""

    definitions: dict[str, str] = field(default_factory=dict[str, str])
    """Label -> definition, which may be empty."""
    heading: str = "Labels:"
    """The line above the labels; nothing where the text begins with them."""
    sentences: list[Sentence] = field(default_factory=list[Sentence])

    def add(self, kind: SentenceKind, *texts: str) -> None:
        """Put lines at the end, rules before the requests for a format that stand there."""
        at = len(self.sentences)
        while kind == "rule" and at and self.sentences[at - 1].kind == "format":
            at -= 1
        if at < len(self.sentences) and at and self._goes_on(at):
            at = len(self.sentences)
        # No line of the text has such a number, so that each stands on a line of its own.
        first = -1 - len(self.sentences)
        new = [Sentence(kind, text, first - i) for i, text in enumerate(texts)]
        self.sentences[at:at] = new

    def _goes_on(self, at: int) -> bool:
        return self.sentences[at - 1].line == self.sentences[at].line


def own_format(text: str) -> Format:
    """The format that a text asks for by itself."""
    return read_format(text, [], input_tag="", completes=False)


def read_draft(text: str, labels: Sequence[str]) -> Draft:
    """Take a text apart; without `labels` those that the text names are taken for them."""
    known = {plain(name): name for name in labels or read_labels(text).definitions}
    draft = Draft()
    lines = text.split("\n")
    groups = [g for g in find_groups(text) if _lists_labels(g, known)]
    if groups and not "".join(lines[: groups[0].first]).strip():
        draft.heading = ""
    for group in groups:
        for name, detail in zip(group.names, group.details, strict=True):
            _define(draft, known.get(plain(name), name), detail)
    inside = {i: g for g in groups for i in range(g.first, g.last + 1)}
    heads = _heads(lines, groups)
    for i, line in enumerate(lines):
        if i in heads:
            if not _has_place(draft):
                draft.heading = line.strip()
        elif i in inside:
            _mark_place(draft, i)
        else:
            for sentence in split_sentences(line) if line.strip() else [""]:
                _read_sentence(draft, sentence, i, known)
    return draft


def _lists_labels(group: Group, known: dict[str, str]) -> bool:
    hits = sum(plain(name) in known for name in group.names)
    return hits > 0 and hits * 2 >= len(group.names)


def _define(draft: Draft, label: str, detail: str) -> None:
    old = draft.definitions.get(label, "")
    new = " ".join(detail.split())
    joint = " " if old.endswith((".", ";")) else "; "
    draft.definitions[label] = (
        new if not old or old in new else (old if not new or new in old else f"{old}{joint}{new}")
    )


def _heads(lines: list[str], groups: Sequence[Group]) -> set[int]:
    """The lines that do no more than announce a list of labels."""
    found: set[int] = set()
    for group in groups:
        for i in range(group.first - 1, max(-1, group.first - 3), -1):
            line = lines[i].strip()
            if line and line == group.head.strip():
                if len(split_sentences(line)) == 1 and (line.endswith(":") or line[0] == "#"):
                    found.add(i)
                break
    return found


def _has_place(draft: Draft) -> bool:
    return any(s.kind == "labels" for s in draft.sentences)


def _mark_place(draft: Draft, line: int) -> None:
    if not _has_place(draft):
        draft.sentences.append(Sentence("labels", "", line))


def _read_sentence(draft: Draft, sentence: str, line: int, known: dict[str, str]) -> None:
    listed = read_labels(sentence) if sentence else None
    if listed is not None and listed.announced and "{{" not in sentence:
        names = list(listed.definitions)
        if sum(plain(n) in known for n in names) * 2 >= len(names):
            for name, details in listed.definitions.items():
                _define(draft, known.get(plain(name), name), "; ".join(details))
            head = sentence.split(":")[0]
            if ":" in sentence and len(head.split()) <= 4 and LABEL_NOUN.search(plain(head)):
                draft.heading = f"{head}:"
            _mark_place(draft, line)
            asked = own_format(sentence)
            if asked.kind != "chatty":
                draft.sentences.append(Sentence("format", strict_format(asked), line + 1))
            return
    draft.sentences.append(Sentence(_sentence_kind(sentence, list(known.values())), sentence, line))


def _sentence_kind(sentence: str, labels: Sequence[str]) -> SentenceKind:
    if any(True for _ in read_rules(sentence, labels)):
        return "rule"
    asked = own_format(sentence)
    return "format" if asked.kind != "chatty" or asked.reasons else "other"


_SENTENCE_END = re.compile(r"(?<=[.!?])[ \t]+(?=[^\W\d_a-z]|[\"'“«(\[<{*#-])")


def split_sentences(line: str) -> list[str]:
    """The sentences of a line; a list's item is one."""
    if re.match(r"\s*(?:[-*•+|#<]|\d{1,2}[.)]\s)", line):
        return [line]
    return [s for s in _SENTENCE_END.split(line) if s.strip()]


def strict_format(asked: Format, *, french: bool = False) -> str:
    """One sentence that asks for a format and nothing else."""
    name = asked.names[0] if asked.names else "label"
    match asked.kind:
        case "json":
            shown = "{" + ", ".join(f'"{n}": "..."' for n in asked.names or ("label",)) + "}"
            return f"Réponds en JSON : {shown}" if french else f"Answer as JSON: {shown}"
        case "tag" if french:
            return f"Mets la réponse entre <{name}> et </{name}>."
        case "tag":
            return f"Write the answer between <{name}> and </{name}>."
        case "line" if french:
            return f'Termine par une ligne "{name}: …".'
        case "line":
            return f'End with a line "{name}: ...".'
        case _ if french:
            return "Réponds uniquement avec l'étiquette, rien d'autre."
        case _:
            return "Answer with the label only, nothing else."


def write_draft(draft: Draft) -> str:
    """The text of a draft. Labels without a place stand before the rules and the format."""
    sentences = list(draft.sentences)
    if draft.definitions and not _has_place(draft):
        at = next(
            (i for i, s in enumerate(sentences) if s.kind in ("rule", "format")), len(sentences)
        )
        while 0 < at < len(sentences) and _belongs(sentences[at], sentences[at - 1]):
            at -= 1
        line = sentences[at - 1].line if at else -1
        sentences.insert(at, Sentence("labels", "", line))
    out: list[str] = []
    last: Sentence | None = None
    for sentence in sentences:
        if sentence.kind == "labels":
            out += ["", *_labels(draft), ""] if draft.definitions else []
        elif last and last.line == sentence.line and last.kind != "labels" and out and out[-1]:
            out[-1] = f"{out[-1]} {sentence.text}"
        else:
            out.append(sentence.text)
        last = sentence
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip("\n")


def _belongs(sentence: Sentence, above: Sentence) -> bool:
    """To the line above, or below a line that announces it."""
    return sentence.line == above.line or above.text.rstrip().endswith(":")


def _labels(draft: Draft) -> list[str]:
    lines = [f"- {k}: {v}" if v else f"- {k}" for k, v in draft.definitions.items()]
    # A list without a heading is read as one of labels only when all of them are defined.
    needed = not draft.heading and not all(draft.definitions.values())
    return [*([draft.heading or "Labels:"] if draft.heading or needed else []), *lines]

"""The same text in another shape: shorter, merged with another, in other words, one format."""

import re
from collections.abc import Sequence

from promptlathe.models.pocket.drafts import (
    PLACEHOLDER,
    Draft,
    Sentence,
    own_format,
    read_draft,
    split_sentences,
    strict_format,
)
from promptlathe.models.pocket.formats import Format
from promptlathe.models.pocket.requests import Request
from promptlathe.models.pocket.vocabulary import any_of, plain
from promptlathe.models.pocket.wording import stem, words

_TALK = any_of(
    r"(?:essay|paragraphs?|in detail|detailed|at length|long answer|explain\w*|explanation)\b",
    r"(?:justify|letter|full sentences?|dissertation|phrases completes)\b",
    r"(?:explique\w*|justifie\w*|en detail|longuement|redige\w*)\b",
)
"""Asks for more than a label."""
_TASK = any_of(
    r"(?:read|classify|sort|decide|say|name|choose|assign|triage|label|determine|identify|find)\b",
    r"(?:lis|lisez|classe[rz]?|trie[rz]?|decide[rz]?|dis|nomme[rz]?|choisi\w*|indique[rz]?)\b",
)


def reformat(draft: Draft, asked: Format, *, sentence: str = "") -> None:
    """One strict request for a format, at the end, in place of all others."""
    draft.sentences = [s for s in draft.sentences if not _asks_otherwise(s)]
    draft.add("format", sentence or strict_format(asked))


def _asks_otherwise(sentence: Sentence) -> bool:
    if sentence.kind == "other":
        return bool(_TALK.search(plain(sentence.text))) or sentence.text.strip("` ") == "json"
    return sentence.kind == "format"


def shorten(draft: Draft, *, protected: Sequence[str] = ()) -> None:
    """Drop what is said twice, politeness, and sentences that say nothing about the answer."""
    kept: list[Sentence] = []
    seen: set[str] = set()
    task_said = False
    for sentence in draft.sentences:
        key = _key(sentence.text)
        needed = sentence.kind != "other" or _is_structure(sentence.text)
        needed = needed or any(p in sentence.text for p in ("{{", *protected))
        if sentence.kind != "labels" and (key in seen or not key):
            needed = False
        elif not needed and not task_said and _states_task(sentence.text):
            needed = task_said = True
        if needed:
            kept.append(sentence)
            seen.add(key)
    if not any(s.text.strip() for s in kept):
        kept += [s for s in draft.sentences if s.text.strip()][:1]
    draft.sentences = kept
    draft.definitions = {k: _without_repeats(v) for k, v in draft.definitions.items()}


def _key(text: str) -> str:
    """Equal for sentences that differ in signs and endings only."""
    return " ".join(stem(word) for word in words(text)) or text.strip(" -*#_")


def _is_structure(text: str) -> bool:
    return bool(re.match(r"\s*(?:[-*•+]\s|\d{1,2}[.)]\s|\||</?[A-Za-z])", text))


def _states_task(text: str) -> bool:
    return bool(_TASK.search(plain(text)))


_PHRASE = re.compile(r"[^,;(]*(?:\([^()]*\)[^,;(]*)*(?:[,;]\s*|$)|[^,;]+")


def _without_repeats(definition: str) -> str:
    kept: list[str] = []
    seen: set[str] = set()
    for phrase in _PHRASE.findall(definition):
        key = _key(phrase)
        if key not in seen:
            kept.append(phrase)
            seen.add(key)
    return "".join(kept).strip().rstrip(",;")


def read_other(request: Request, labels: Sequence[str]) -> Draft:
    """The other text, without what names a placeholder that the present text has not."""
    own = set(PLACEHOLDER.findall(request.current))
    kept = [
        " ".join(s for s in split_sentences(line) if own.issuperset(PLACEHOLDER.findall(s)))
        for line in request.other.split("\n")
    ]
    return read_draft("\n".join(kept), labels)


def merge_drafts(first: Draft, second: Draft) -> Draft:
    """Both texts, nothing twice. The stricter request for a format stays; else the first's."""
    merged = Draft(dict(first.definitions), first.heading, list(first.sentences))
    for label, text in second.definitions.items():
        old = merged.definitions.get(label, "")
        merged.definitions[label] = (
            _without_repeats(f"{old}; {text}") if old and text else old or text
        )
    stricter = max((first, second), key=_strictness)
    merged.sentences = [s for s in first.sentences if s.kind != "format"]
    said = {_key(s.text) for s in merged.sentences}
    for kind in ("other", "rule"):
        new = [s.text for s in second.sentences if s.kind == kind and _key(s.text) not in said]
        merged.add(kind, *(text for text in dict.fromkeys(new) if text.strip()))
    merged.add("format", *(s.text for s in stricter.sentences if s.kind == "format"))
    return merged


def _strictness(draft: Draft) -> tuple[bool, bool, bool]:
    text = "\n".join(s.text for s in draft.sentences if s.kind == "format")
    asked = own_format(text)
    only = any_of(r"(?:only|nothing|exactly|just|uniquement|seulement|rien)\b").search(plain(text))
    return asked.kind != "chatty", not asked.reasons, bool(only)


_OTHER_WORDS: tuple[tuple[str, str], ...] = (
    (
        r"Read the (.+?) and (?:say|decide|name|tell) (?:which|the) (.+?)\.",
        r"For each \1, decide which \2.",
    ),
    (r"For each (.+?), decide which (.+?)\.", r"Read the \1 and say which \2."),
    (r"You are (.+?)\.", r"Act as \1."),
    (r"Act as (.+?)\.", r"You are \1."),
    (r"Classify (.+?)\.", r"Your task is to classify \1."),
    (r"Your task is to (\w)(.+?)\.", r"Please \1\2."),
    (r"(?:Please,? )(\w)(.+)", r"Always \1\2"),
    (r"Lis (.+?) et dis (.+?)\.", r"Pour \1, décide \2."),
    (r"Tu es (.+?)\.", r"Agis comme \1."),
)


def paraphrase(draft: Draft) -> None:
    """The labels in reverse, the format in the standing words, sentences by a small table."""
    draft.definitions = dict(reversed(draft.definitions.items()))
    draft.sentences = [_in_other_words(s) for s in draft.sentences]


def _in_other_words(sentence: Sentence) -> Sentence:
    text = sentence.text
    if sentence.kind == "format":
        asked = own_format(text)
        strict = strict_format(asked, french=asked.french)
        if not asked.reasons and strict != text and own_format(strict) == asked:
            return sentence._replace(text=strict)
    if sentence.kind == "other":
        for pattern, words_ in _OTHER_WORDS:
            if re.fullmatch(pattern, text.strip()):
                return sentence._replace(text=re.sub(pattern, words_, text))
    return sentence

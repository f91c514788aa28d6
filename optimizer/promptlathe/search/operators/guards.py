"""What a new text must keep to before a call is paid for it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, cast

from rapidfuzz import fuzz

from promptlathe.records import Example, Json
from promptlathe.search.operators.operator_context import OperatorContext
from promptlathe.search.operators.said import repeated
from promptlathe.space import is_inert, not_placeholder, placeholders

SAME = 97
"""Similarity (characters in common, in order, per cent) at which two texts count as one."""
LEAK = 30
"""Characters of a row's field that may not stand in a text word for word."""
LEAST_PROSE, CLEAR = 60, 0.9
"""Characters of prose, and the probability, from which on a language is told."""

_WRAPPING = re.compile(
    r"\A\s*(?:(?:sure|certainly|of course|okay|ok|voici|bien sûr)\b[^\n]{0,80}"
    r"|(?:here(?:'s| is| are)|the|this is)\b[^\n]{0,40}"
    r"\b(?:improved|new|revised|rewritten|better|updated)\b[^\n]{0,60})[:!.]\s*\n+",
    re.IGNORECASE,
)
_FENCE = re.compile(r"\A```[\w-]*\n(.*?)\n?```\Z", re.DOTALL)
_LIST_LINE = re.compile(r"^\s*(?:[-*•|#<]|\d{1,2}[.)]).*$|^[^\n:]{1,40}:.*$", re.MULTILINE)


class Leaks:
    """The rows whose texts must not stand in a prompt's instructions."""

    def __init__(self, examples: Iterable[Example], answers: Sequence[str] = ()) -> None:
        """answers: texts that stand in many rows, and may be named."""
        named = {_folded(answer) for answer in answers}
        self._texts = {
            folded
            for example in examples
            for value in example.row.values()
            for text in _texts(value)
            if len(folded := _folded(text)) >= LEAK
        } - named

    def in_text(self, text: str) -> bool:
        folded = _folded(text)
        return any(row in folded for row in self._texts)


def _texts(value: Json) -> Iterator[str]:
    """Those in a row's field: the turns of a conversation, say."""
    match value:
        case str():
            yield value
        case list():
            yield from (text for one in cast("list[Json]", value) for text in _texts(one))
        case dict():
            yield from (t for one in cast("dict[str, Json]", value).values() for t in _texts(one))
        case _:
            pass


def unwrapped(text: str) -> str:
    """Without a code fence, quotation marks, or "Here is the improved prompt:" around it."""
    text = _WRAPPING.sub("", text.strip(), count=1).strip()
    if match := _FENCE.match(text):
        text = match[1].strip()
    if len(text) > 1 and text[0] == text[-1] == '"' and '"' not in text[1:-1]:
        text = text[1:-1].strip()
    return text


def objection(
    text: str,
    context: OperatorContext,
    known: Sequence[str],
    leaks: Leaks,
    *,
    translated: bool = False,
) -> str | None:
    """Why a text is refused, in a few words; None when it may be tried."""
    if not text:
        return "empty"
    if len(text.split()) > context.longest or len(text) > 12 * context.longest:
        return "too long"
    if set(placeholders(text)) != set(placeholders(context.text)):
        return "placeholders changed"
    if not_placeholder(text):
        return "braces that are no placeholder"
    if not is_inert(re.sub(r"\{\{\s*\w+\s*\}\}", "", text)):
        return "template code"
    if any(phrase not in text for phrase in context.protect):
        return "protected phrase lost"
    if any(_same(text, other) for other in known):
        return "known already"
    if leaks.in_text(text):
        return "copies a row"
    if not translated and context.language and language_of(text) not in (None, context.language):
        return "language changed"
    return repeated(text, context.text, context.beside, context.answers) or None


def language_of(text: str) -> str | None:
    """The code of the language of a text's sentences, lists aside; None when it is not clear."""
    prose = " ".join(_LIST_LINE.sub("", text).split())
    if len(prose) < LEAST_PROSE:
        return None
    language, probability = _identifier().classify(prose)
    return language if probability > CLEAR else None


@cache
def _identifier() -> Any:
    """Loaded once, in about a second."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _same(a: str, b: str) -> bool:
    return fuzz.ratio(_folded(a), _folded(b), score_cutoff=SAME) >= SAME


def _folded(text: str) -> str:
    return " ".join(text.lower().split())

"""Groundedness without a model: is what an answer says made of words that the contexts have?

    - grounded: contexts                         # the row's field; the contexts shown go before it
    - abstain: {phrases: [not found, introuvable], target: answer}

A sentence is supported when LEAST of its content words stand in the contexts (or in the question),
and all of its numbers and names do. It sees a number, a name or a statement that stands nowhere; it
does not see what words alone do not show: a negation, two facts that are mixed up, a paraphrase in
other words, which counts as unsupported, or another language than that of the contexts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from pydantic import Field

from promptlathe.data.dataset import Rows, check_field
from promptlathe.data.spelling import bare, normal, words
from promptlathe.data.values import as_text
from promptlathe.records import Example, Score, Trace
from promptlathe.runtime.seam import Context
from promptlathe.scoring.builtin.citations import Phrases
from promptlathe.scoring.builtin.measured import sentences
from promptlathe.scoring.builtin.shown import CONTEXTS, abstains, check_contexts, shown_to
from promptlathe.scoring.scorer import UNREAD, Measure, Name, Scorer, Surroundings

LEAST = 0.7
"""Share of a sentence's content words that must stand in the contexts."""
SHORT = 4
"""Letters below which a word is no content word: articles, prepositions, auxiliaries."""
STEM = 5
"""Letters by which two forms of a word are the same."""
_MARKS = re.compile(r"\[[^\[\]\n]{1,120}\]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+| \d{3}(?!\d))*")
_THOUSANDS = re.compile(r"\d{1,3}(?:[ .,]\d{3})+")
_CAPITALIZED = re.compile(r"(?<![^\W_])[^\W\d_a-z][^\W_]+", re.UNICODE)


class Grounded(Scorer):
    """The share of the answer's sentences that the contexts support, by their words."""

    keyword = "grounded"
    shorthand: ClassVar[str] = "contexts"
    name: Name = "grounded"
    contexts: str = CONTEXTS
    question: str | None = None
    """The row's field whose words an answer may repeat."""
    abstain: Phrases = ()
    """Phrases by which an answer says that it was not found: it claims nothing then."""

    @property
    def reading(self) -> str:
        return "The whole output counts: each sentence must be supported by the passages."

    def reads_calls(self, around: Surroundings) -> bool:
        del around
        return True

    def check_rows(self, rows: Rows, where: Callable[[str], str | None]) -> None:
        check_contexts(rows, self.contexts, where)
        if self.question is not None:
            check_field(rows, self.question, where("question"))

    def measure(self, around: Surroundings) -> Measure:
        del around

        def score(example: Example, trace: Trace, ctx: Context) -> Score:
            del ctx
            if abstains(trace.text, self.abstain):
                return Score(1.0, "it says that it was not found")
            parts = sentences(_MARKS.sub(" ", trace.text))
            if not parts:
                return UNREAD
            passages = shown_to(trace, example.row, self.contexts, self.step)
            texts = [f"{passage.title}\n{passage.text}" for passage in passages]
            asked = "" if self.question is None else as_text(example.row.get(self.question))
            missing = [_Support([*texts, asked]).missing(part) for part in parts]
            flawed = [lacking for lacking in missing if lacking]
            value = 1 - len(flawed) / len(parts)
            said = f"{len(parts) - len(flawed)} of {len(parts)} sentences"
            return Score(value, said, _said(flawed))

        return score


class Abstain(Scorer):
    """1 when the answer says that it was not found exactly where the row has nothing to find."""

    keyword = "abstain"
    shorthand: ClassVar[str] = "phrases"
    name: Name = "abstain"
    phrases: Phrases = Field(min_length=1)
    target: str
    """The row's field that is empty (null, "", [] or false) where there is no answer."""

    @property
    def target_field(self) -> str:
        return self.target

    @property
    def whole_target(self) -> bool:
        return True

    @property
    def reading(self) -> str:
        return f"An answer that is not there is said so: {' or '.join(self.phrases)}."

    def check_rows(self, rows: Rows, where: Callable[[str], str | None]) -> None:
        if not any(self.target in row.values for row in rows):
            check_field(rows, self.target, where("target"))

    def measure(self, around: Surroundings) -> Measure:
        del around

        def score(example: Example, trace: Trace, ctx: Context) -> Score:
            del ctx
            answerable = bool(example.row.get(self.target))
            silent = abstains(trace.text, self.phrases)
            if silent != answerable:
                return Score(1.0, "not found" if silent else "answered")
            why = "says that it is not there, and it is" if silent else "answers what is not there"
            return Score(0.0, "not found" if silent else "answered", why)

        return score


def grounded(
    contexts: str = CONTEXTS,
    *,
    question: str | None = None,
    abstain: Any = (),
    name: str = "grounded",
) -> Grounded:
    """The share of the answer's sentences that the contexts support, by their words."""
    return Grounded(contexts=contexts, question=question, abstain=abstain, name=name)


def abstain(phrases: Any, *, target: str, name: str = "abstain") -> Abstain:
    """1 when the answer says one of the phrases exactly where the row's `target` is empty."""
    return Abstain(phrases=phrases, target=target, name=name)


class _Support:
    """What texts have of a sentence."""

    def __init__(self, texts: Iterable[str]) -> None:
        plain = normal("\n".join(texts))
        self._numbers = set(_numbers(plain))
        self._words = set(words(plain))
        self._stems = {_stem(word) for word in self._words}

    def missing(self, sentence: str) -> list[str]:
        """Its numbers and names that stand nowhere, or the words when there are too many."""
        numbers = [n for n in _NUMBER.findall(sentence) if _number(n) not in self._numbers]
        names = [name for name in _names(sentence) if not set(words(name)) <= self._words]
        if numbers or names:
            return list(dict.fromkeys([*numbers, *names]))
        content = [w for w in words(sentence) if len(w) >= SHORT and not w[0].isdigit()]
        lost = [word for word in content if _stem(word) not in self._stems]
        return lost if len(lost) > (1 - LEAST) * len(content) else []


def _stem(word: str) -> str:
    return bare(word)[:STEM]


def _numbers(text: str) -> Iterable[str]:
    return map(_number, _NUMBER.findall(text))


def _number(written: str) -> str:
    """The same for `1 200`, `1,200` and `1200`, and for `2,5` and `2.5`."""
    if _THOUSANDS.fullmatch(written):
        return re.sub(r"[ .,]", "", written)
    return written.replace(",", ".")


def _names(sentence: str) -> list[str]:
    """Words with a capital that do not begin the sentence."""
    begun = next((i for i, char in enumerate(sentence) if char.isalnum()), 0)
    found = ((m.start(), m[0]) for m in _CAPITALIZED.finditer(sentence))
    return [name for place, name in found if place > begun and name[0].isupper()]


def _said(flawed: list[list[str]]) -> str | None:
    if not flawed:
        return None
    listed = dict.fromkeys(word for lacking in flawed for word in lacking)
    return f"stands in no context: {', '.join(listed)}"

"""How near an answer is to a reference text: ROUGE, chrF, and the cosine of TF-IDF vectors.

They compare letters and words, not what is meant: of two answers with the same meaning the one that
uses the reference's words scores higher.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, ClassVar, Literal

from promptlathe.data.spelling import words
from promptlathe.data.values import as_text
from promptlathe.errors import MissingExtra
from promptlathe.scoring.builtin.compared import Compared, Comparison
from promptlathe.scoring.parsing import Parsed
from promptlathe.scoring.scorer import Measure, Name, Surroundings

SECONDS = 30.0
"""For one output: the first of them waits for the library."""
Kind = Literal["rouge1", "rouge2", "rougeL"]


class _ByLibrary(Compared):
    module: ClassVar[str]
    package: ClassVar[str]

    def aside(self, around: Surroundings) -> float | None:
        del around
        return SECONDS

    def measure(self, around: Surroundings) -> Measure:
        if find_spec(self.module) is None:
            raise MissingExtra(self.package, "overlap", f"the scorer {self.keyword}")
        return super().measure(around)

    def fingerprint(self, around: Surroundings) -> Any:
        return [super().fingerprint(around), f"{self.package} {version(self.package)}"]


class Rouge(_ByLibrary):
    """ROUGE's F1 (Lin 2004) against the target: of words, of pairs of words, or of the longest
    common sequence. Words of any language, without stemming."""

    keyword = "rouge"
    module, package = "rouge_score", "rouge-score"
    name: Name = "rouge"
    kind: Kind = "rougeL"

    def grade(self, parsed: Parsed, target: Any) -> float:
        scored = _rouge(self.kind).score(as_text(target), as_text(parsed))
        return float(scored[self.kind].fmeasure)


class Chrf(_ByLibrary):
    """chrF (Popović 2015) of one sentence: overlap of character n-grams, from 0 to 1; with
    `word_order: 2` chrF++ (2017). For translations in any language."""

    keyword = "chrf"
    module, package = "sacrebleu", "sacrebleu"
    name: Name = "chrf"
    word_order: Literal[0, 1, 2] = 0

    def grade(self, parsed: Parsed, target: Any) -> float:
        scored = _chrf(self.word_order).sentence_score(as_text(parsed), [as_text(target)])
        return min(1.0, float(scored.score) / 100)


class Similarity(_ByLibrary):
    """The cosine of TF-IDF vectors (Salton & Buckley 1988) of answer and target: n-grams of 3 to 5
    characters within words, so that endings differ little. What is in many targets counts less."""

    keyword = "similarity"
    module, package = "sklearn", "scikit-learn"
    name: Name = "similarity"

    def grader(self, around: Surroundings) -> Comparison:
        targets = tuple(around.labels(self.target))

        def grade(parsed: Parsed, target: Any) -> float:
            a, b = _tfidf(targets).transform([as_text(parsed), as_text(target)]).toarray()
            return round(min(1.0, max(0.0, float(a @ b))), 6)  # the last digits vary

        return grade


@cache
def _rouge(kind: Kind) -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer([kind], tokenizer=_Words())


class _Words:
    """In place of the library's own tokenizer, which knows the letters a to z only."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)


@cache
def _chrf(word_order: int) -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(word_order=word_order)


@cache
def _tfidf(targets: tuple[str, ...]) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    return vectorizer.fit([*targets, "   "])


def rouge(target: str, *, kind: Kind = "rougeL", parse: Any = "text", name: str = "rouge") -> Rouge:
    """ROUGE's F1 against the target, over words of any language, without stemming."""
    return Rouge(target=target, kind=kind, parse=parse, name=name)


def chrf(
    target: str, *, word_order: Literal[0, 1, 2] = 0, parse: Any = "text", name: str = "chrf"
) -> Chrf:
    """chrF against the target, from 0 to 1; with `word_order=2` chrF++."""
    return Chrf(target=target, word_order=word_order, parse=parse, name=name)


def similarity(target: str, *, parse: Any = "text", name: str = "similarity") -> Similarity:
    """The cosine of the TF-IDF vectors of answer and target."""
    return Similarity(target=target, parse=parse, name=name)

"""Definitions: a line for each label, with the words that tell its rows of `train` apart.

The measure is the log-odds ratio with an informative Dirichlet prior (Monroe, Colaresi & Quinn
2008, "Fightin' Words"): of each word the z-score of its log-odds in the label's rows against all
other rows, smoothed by its frequency in all of them.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from promptlathe.records import Example
from promptlathe.search.operators.operator_context import OperatorContext
from promptlathe.search.operators.said import in_order, is_home, listing, with_listing
from promptlathe.space import placeholders, transcript

WORDS = 10
"""Of a label, at most."""
CLEAR = 1.28
"""z-score from which on a word is named: one word in ten would reach it by chance."""
PRIOR = 100.0
"""Pseudo-counts of the prior, over all words."""
ROWS = 2
"""Rows of a label that must hold a word, unless the label has fewer than 4."""
HEAD = "Labels, each with words that are typical of it:"


def definitions(context: OperatorContext) -> Sequence[str] | None:
    """Lines for the labels whose definition is missing, and lines for all of them; in place of the
    text's own list. None without labels, or when another component lists them."""
    if not (
        context.answers
        and context.literal
        and is_home(context.text, context.beside, context.answers)
    ):
        return None
    rows = [*(case.example for case in context.cases), *context.more]
    found = salient(context, rows)
    old = listing(context.text, context.answers)
    own = old.names if old else {}
    kept = {one: own.get(one) or found[one] for one in context.answers}
    ways = [found] if kept == own else [kept, found]
    texts = [
        with_listing(
            context.text,
            [_line(one, said[one]) for one in in_order(context.answers, old)],
            old,
            HEAD,
        )
        for said in ways
    ]
    return [text for text in dict.fromkeys(texts) if text not in context.known] or None


def _line(label: str, words: str) -> str:
    return f"- {label}: {words}" if words else f"- {label}"


def salient(context: OperatorContext, rows: Sequence[Example]) -> Mapping[str, str]:
    """The telling words of each right answer, the clearest first, joined by commas."""
    # Here, for it takes seconds to load.
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

    fields = [name for name in placeholders(context.prompt) if name != context.target]
    texts = [
        " . ".join(transcript(row.row.get(name)) or str(row.row.get(name, "")) for name in fields)
        for row in rows
    ]
    counts: dict[str, Counter[str]] = {one: Counter() for one in context.answers}
    words_of = CountVectorizer(
        token_pattern=r"\b[^\W\d_]{3,}\b(?!['’])", binary=True
    ).build_analyzer()
    for row, text in zip(rows, texts, strict=True):
        if (label := context.answer(row)) in counts:
            counts[label].update({w for w in words_of(text) if w not in ENGLISH_STOP_WORDS})
    total = sum(counts.values(), Counter[str]())
    sizes = Counter(context.answer(row) for row in rows)
    return {
        label: ", ".join(_clearest(counts[label], total, least=ROWS if sizes[label] >= 4 else 1))
        for label in context.answers
    }


def _clearest(own: Counter[str], total: Counter[str], *, least: int) -> list[str]:
    words = [word for word, n in own.items() if n >= least]
    if not words:
        return []
    here = np.array([own[word] for word in words], dtype=float)
    there = np.array([total[word] for word in words], dtype=float) - here
    prior = PRIOR * (here + there) / total.total()
    n_here, n_there = float(own.total()), float(total.total() - own.total())
    odds = np.log((here + prior) / (n_here + PRIOR - here - prior)) - np.log(
        (there + prior) / (n_there + PRIOR - there - prior)
    )
    z = odds / np.sqrt(1 / (here + prior) + 1 / (there + prior))
    order = sorted(range(len(words)), key=lambda i: (-z[i], words[i]))
    return [words[i] for i in order if z[i] >= CLEAR][:WORDS]

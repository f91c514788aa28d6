"""Whether new rows read otherwise than those before.

Method: a two-sample test on the maximum mean discrepancy (Gretton et al. 2012, JMLR 13) with a
permutation p-value; the kernel is the cosine of TF-IDF vectors over groups of 2 to 4 characters.

    MMD^2 = a' K a,   a_i = 1/m for a new row, -1/n for one before
"""

from collections.abc import Sequence

LEVEL = 0.01
"""Of the test: so often rows of the same kind are called different."""
FEWEST = 20
"""New rows, and rows before, below which nothing is said."""
MOST = 500
"""Of each that are looked at."""
PERMUTATIONS = 999
SHOWN = 60
"""Characters of an example."""


def shift_note(before: Sequence[str], new: Sequence[str]) -> str | None:
    """What to say of new rows' inputs, as texts; None: nothing. The same for the same texts."""
    if min(len(before), len(new)) < FEWEST:
        return None
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    before, new = before[:MOST], new[:MOST]
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    try:
        found = vectors.fit_transform([*new, *before])
    except ValueError:  # no text has two characters
        return None
    kernel = (found @ found.T).toarray()
    rows, m = len(new) + len(before), len(new)
    weights = np.full((PERMUTATIONS + 1, rows), -1 / len(before))
    weights[:, :m] = 1 / m
    random = np.random.default_rng(0)
    weights[1:] = random.permuted(weights[1:], axis=1)
    distances = ((weights @ kernel) * weights).sum(axis=1)
    p = float((distances >= distances[0] - 1e-12).mean())
    if p > LEVEL:
        return None
    typical = int((kernel @ weights[0])[:m].argmax())
    text = " ".join(new[typical].split())
    shown = text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
    return (
        f"the {m} new rows read otherwise than the {len(before)} before (p = {p:.2g}), most of all "
        f"“{shown}”: the prompt was chosen for the others"
    )

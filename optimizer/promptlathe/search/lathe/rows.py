"""Which examples tell prompts apart, by the covariance of their scores over known prompts.

Of a new prompt the mean t of its scores over all m examples is wanted. Let y(i, j) be what n
prompts scored, and p(i, j) what the model expects where that is not known (model.py). Over the
prompts, the covariance of the examples' columns is

    C = F F' + D,   F(j, i) = (y(i, j) - mean over i) / sqrt(n)                           (1)

with p in the place of an unknown y, and on the diagonal of D the variance that p leaves open. So
where nothing is known of a pair of examples, they vary together as the model has it. Examples are
taken one after the other: each time the one whose score would leave least of the variance of t,

    cov(j, t)^2 / var(j)   given those taken before,                                      (2)

a greedy choice (Krause, Singh & Guestrin 2008, section 4; for benchmarks of language models Polo et
al. 2024, "tinyBenchmarks"). An example on which prompts differ as on another one says little after
that; one on which they differ for reasons of its own says little at all.
"""

import numpy as np

from promptlathe.search.lathe.link import Array
from promptlathe.search.lathe.model import Fit

MOST = 128
"""Examples that are ranked."""
LEAST = 1e-4
"""Variance of a score, at least."""


def ranked(fit: Fit) -> Array:
    """(m,) the rank of each example, 0 for the one that says most; inf beyond MOST of them."""
    y, known = fit.data.y, fit.data.known
    p = fit.chance(fit.u)
    n, m = p.shape
    scores = np.where(known, np.nan_to_num(y), p)
    factors = (scores - scores.mean(0)).T / np.sqrt(n)
    noise = np.where(known, 0, fit.luck(fit.u)).mean(0) + LEAST
    mean = factors.mean(0)
    given = factors.copy()
    """(m, n) F, times the covariance of the factors' weights given the scores taken before."""
    rank = np.full(m, np.inf)
    for step in range(min(MOST, m)):
        variance = np.sum(given * factors, axis=1) + noise
        said = np.where(rank < np.inf, -1.0, (given @ mean + noise / m) ** 2 / variance)
        place = int(np.argmax(said))
        rank[place] = step
        mean = mean - factors[place] / m  # its score is known: t is what the others leave open
        row = given[place]
        given -= np.outer(factors @ row, row) / variance[place]
    return rank

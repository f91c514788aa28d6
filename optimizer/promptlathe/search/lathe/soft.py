"""How likely the model thought the right answer: a second outcome of a cell, besides its score.

Right and wrong say whether the right answer was ahead, its probability z how far. So z measures the
same u(x) - d(i) as the score does (model.py), also on examples that every prompt gets right, but
with an offset of its own for each prompt: some wordings make a model surer than it is right.

    logit E z(x, i) = beta (u(x) + b(x) - d(i)),   b ~ N(level, variance)                   (1)
    var z = dispersion * E z (1 - E z)                                                      (2)

The relation is estimated, from the answers that have both; before that z counts nothing. A score
and a chance of one answer are not independent, and chances may measure nothing. So z weighs the
share that its information about u has in that of both,

    weight = (1 / dispersion) sum I_z / (sum I_z + sum I_score) min(1, (1 - c^2) / APART)^2 (3)

where c is the correlation of z with the scores: a model that is sure of all that it says only
says the score twice. What a prompt is worth is always the scores': z only tells what the unknown
ones may be.
"""

from dataclasses import dataclass

import numpy as np

from promptlathe.search.lathe.link import Array, logistic

LEAST = 30
"""Answers with both, before z counts."""
CELLS, LUCK = 20.0, 2.0
"""Weight of the priors of the slope, in answers, and of the dispersion, in sum E z (1 - E z)."""
APART = 0.2
"""Share of z's variance that is not the scores', from which z counts."""
PROMPTS = 2.0
"""Weight of the priors of level and variance, in prompts."""
MOST = 8.0
"""Weight of z, in scores."""


@dataclass(frozen=True)
class Relation:
    """Of z to the score; what stands here is expected before any data."""

    slope: float = 0.5
    level: float = 0.0
    variance: float = 0.5
    dispersion: float = 0.5
    weight: float = 0.0

    def far(self, b: Array) -> float:
        """Minus the log prior density of offsets b (n,), up to a constant."""
        return 0.5 * float(np.sum((b - self.level) ** 2)) / self.variance


def learnt(
    old: Relation,
    z: Array,
    y: Array,
    *,
    u: Array,
    b: Array,
    variance: Array,
    grid: Array,
    difficulty: Array,
) -> Relation:
    """A step of expectation maximization.

    z, y: (n, m), nan where unknown; where z is known, y is. u, b, variance: (n,) posterior means
    of u and b, and b's variance.
    grid, difficulty: (G,) and (m, G), the posterior of the difficulties.
    """
    known = ~np.isnan(z)
    if known.sum() < LEAST or np.ptp(y[known]) == 0 or np.ptp(z[known]) == 0:
        return old
    apart = 1 - float(np.corrcoef(y[known], z[known])[0, 1]) ** 2
    first = Relation()
    met = known.any(1)
    level = float(b[met].sum() / (met.sum() + PROMPTS))
    square = float(np.sum((b[met] - level) ** 2 + variance[met]))
    spread = (square + PROMPTS * first.variance) / float(met.sum() + PROMPTS)
    row, column = np.nonzero(known)
    post, seen = difficulty[column], z[row, column][:, None]
    eta = (u + b)[row][:, None] - grid
    q = logistic(old.slope * eta)
    up = np.sum(post * eta * (seen - q)) + CELLS * (first.slope - old.slope)
    slope = old.slope + float(up / (np.sum(post * eta**2 * q * (1 - q)) + CELLS))
    slope = float(np.clip(slope, 0.5 * old.slope, 2 * old.slope))
    q = logistic(slope * eta)
    luck = float(np.sum(post * q * (1 - q)))
    off = float(np.sum(post * (seen - q) ** 2))
    dispersion = (off + LUCK * first.dispersion) / (luck + LUCK)
    p = logistic(u[row][:, None] - grid)
    of_score = float(np.sum(post * p * (1 - p)))
    of_z = slope**2 * luck / dispersion
    share = min(1.0, apart / APART) ** 2 * of_z / (of_z + of_score)
    weight = min(MOST, share / dispersion)
    return Relation(slope, level, spread, dispersion, weight)

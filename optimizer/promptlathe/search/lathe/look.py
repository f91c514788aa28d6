"""What a fitted model expects of the candidates: those tried, and others worth a look."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptlathe.search.lathe.landscape import Landscape, Point
from promptlathe.search.lathe.likelihood import GRID
from promptlathe.search.lathe.link import Array, logistic
from promptlathe.search.lathe.model import Fit

DRAWS = 24
LOOK_AT = 60
"""Random points of the space that are considered at a time."""
LEADERS = 4
"""Best candidates whose neighbours are considered."""
EXACT = 8
"""Best candidates of each draw whose quality is computed cell by cell."""


@dataclass(frozen=True)
class Look:
    """Candidates are the table's rows (n), then the fresh points (k). Quality is in [0, 1]."""

    fit: Fit
    known: Array
    """(n, m) cells of the rows whose scores count as they are."""
    fresh: Sequence[Point]
    phi_fresh: Array
    """(k, p) features."""
    q: Array
    """(n + k, DRAWS) drawn quality."""
    q_fresh: Array
    """(k,) expected quality of the fresh points."""
    estimate: Array
    """(n,) expected quality of the rows: known cells as they are, the others as predicted."""
    error: Array
    """(n,) its standard deviation: of the effects, and of what unknown cells will give."""

    def chance(self, best: int, margin: float, allowed: Array) -> float:
        """Share of the draws in which an allowed candidate beats row `best` by over `margin`."""
        top = np.max(self.q, axis=0, where=allowed[:, None], initial=0)
        return float(np.mean(top > self.q[best] + margin))


def look(
    fit: Fit,
    points: Sequence[Point],
    landscape: Landscape,
    rng: np.random.Generator,
    *,
    effects: bool = True,
) -> Look:
    """Draw the quality of the rows, whose points are given, and of fresh points of the landscape.

    Quality is finite-population: the mean over the examples, where a known score counts as it is
    and an unknown one is drawn.
    """
    draws = fit.draw(DRAWS, rng)
    y, known = fit.data.y, fit.data.known
    n, m = y.shape
    total = np.where(known, np.nan_to_num(y), 0).sum(1)
    leaders = [points[int(i)] for i in np.argsort(-fit.u)[:LEADERS]]
    weights = np.column_stack([draws.weights, fit.weights])
    found = landscape.suggest(rng, count=LOOK_AT, leaders=leaders, weights=weights)
    old = set(points)
    fresh = [point for point in found if point not in old]
    phi = encode(landscape, fresh, effects=effects)
    u_fresh = phi @ draws.weights
    u_mean = fit.predict(phi)
    residual = fit.priors.residual
    q_fresh = fit.chance(u_mean, (u_fresh.var(1) + residual)[:, None]).mean(1)
    u_fresh = u_fresh + np.sqrt(residual) * rng.standard_normal(u_fresh.shape)

    unknown = np.where(known, 0, fit.chance(fit.u, np.diag(fit.covariance)[:, None]))
    noise = np.where(known, 0, fit.luck(fit.u)).sum(1) * fit.priors.dispersion

    q = _quality(np.vstack([draws.tried, u_fresh]), draws.difficulty)
    ahead = np.unique(np.argsort(-q[:n], axis=0)[:EXACT])
    for s in range(DRAWS):
        p = logistic(draws.tried[ahead, s, None] - draws.difficulty[:, s])
        q[ahead, s] = (total[ahead] + np.sum(p, axis=1, where=~known[ahead])) / m
    error = np.sqrt(q[:n].var(1) + noise / m**2)
    luck = np.sqrt(np.concatenate([noise, fit.luck(u_mean).sum(1)])) / m
    q += luck[:, None] * rng.standard_normal(q.shape)
    return Look(fit, known, fresh, phi, q, q_fresh, (total + unknown.sum(1)) / m, error)


def encode(landscape: Landscape, points: Sequence[Point], *, effects: bool = True) -> Array:
    """(points, p) features; without effects only the constant (an ablation)."""
    if not points:
        return np.zeros((0, landscape.encoder.width))
    phi = landscape.encoder.encode([landscape.values(point) for point in points])
    if not effects:
        phi[:, 1:] = 0
    return phi


def _quality(u: Array, difficulty: Array) -> Array:
    """(k, S) mean over the examples of logistic(u - d), for u (k, S) and d (m, S) on the grid."""
    q = np.empty_like(u)
    for s in range(u.shape[1]):
        share = np.mean(difficulty[:, s, None] == GRID, axis=0)
        q[:, s] = logistic(u[:, s, None] - GRID) @ share
    return q

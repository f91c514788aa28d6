"""What a fitted model expects of the candidates: those tried, and others worth a look."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from promptlathe.search.lathe.landscape import Landscape, Point
from promptlathe.search.lathe.model import Array, Fit, logistic

DRAWS = 24
LOOK_AT = 60
"""Random points of the space that are considered at a time."""
LEADERS = 4
"""Best candidates whose neighbours are considered."""
EXACT = 8
"""Best candidates of each draw whose quality is computed cell by cell."""
GRID = 24


@dataclass(frozen=True)
class Look:
    """Candidates are the table's rows (n), then the fresh points (k). Quality is in [0, 1]."""

    fit: Fit
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

    def gain(self, best: int) -> Array:
        """(n + k,) expected improvement on row `best`: E max(q - q_best, 0).

        Of the normal distribution with the draws' moments (Jones, Schonlau & Welch 1998, eq. 15),
        which leaves a chance to those that no draw put first.
        """
        difference = self.q - self.q[best]
        mean, sd = difference.mean(1), np.maximum(difference.std(1), 1e-9)
        z = mean / sd
        density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
        below = np.array([0.5 * math.erfc(-one / math.sqrt(2)) for one in z.tolist()])
        return np.maximum(sd * (z * below + density), 0)

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
    y, trust = fit.data.y, fit.data.trust
    n, m = y.shape
    known = ~np.isnan(y) & (trust == 1)
    total = np.where(known, np.nan_to_num(y), 0).sum(1)
    leaders = [points[int(i)] for i in np.argsort(-fit.u)[:LEADERS]]
    weights = np.column_stack([draws.weights, fit.weights])
    found = landscape.suggest(rng, count=LOOK_AT, leaders=leaders, weights=weights)
    old = set(points)
    fresh = [point for point in found if point not in old]
    phi = encode(landscape, fresh, effects=effects)
    u_fresh = phi @ draws.weights
    u_mean = fit.predict(phi)
    residual = fit.variances.residual
    q_fresh = _curve((u_mean / _widened(u_fresh.var(1) + residual))[:, None], fit.d[:, None])[:, 0]
    u_fresh = u_fresh + np.sqrt(residual) * rng.standard_normal(u_fresh.shape)

    p = logistic((fit.u[:, None] - fit.d) / _widened(_variance(fit)))
    unknown = np.where(known, 0, p)
    noise = np.where(known, 0, p * (1 - p)).sum(1) * fit.variances.dispersion

    q = _curve(np.vstack([draws.tried, u_fresh]), draws.difficulty)
    ahead = np.unique(np.argsort(-q[:n], axis=0)[:EXACT])
    for s in range(DRAWS):
        p = logistic(draws.tried[ahead, s, None] - draws.difficulty[:, s])
        q[ahead, s] = (total[ahead] + np.sum(p, axis=1, where=~known[ahead])) / m
    error = np.sqrt(q[:n].var(1) + noise / m**2)
    # Half of the largest variance that m answers can have: examples differ in difficulty.
    luck = np.sqrt(np.concatenate([noise, m * q_fresh * (1 - q_fresh) / 2])) / m
    q += luck[:, None] * rng.standard_normal(q.shape)
    return Look(fit, fresh, phi, q, q_fresh, (total + unknown.sum(1)) / m, error)


def encode(landscape: Landscape, points: Sequence[Point], *, effects: bool = True) -> Array:
    """(points, p) features; without effects only the constant (an ablation)."""
    if not points:
        return np.zeros((0, landscape.encoder.width))
    phi = landscape.encoder.encode([landscape.values(point) for point in points])
    if not effects:
        phi[:, 1:] = 0
    return phi


def _variance(fit: Fit) -> Array:
    """(n, m) posterior variance of u - d, their covariance left out."""
    return np.diag(fit.covariance)[:, None] + fit.difficulty_variance


def _widened(variance: Array) -> Array:
    """The mean of a logistic over a normal is one of the mean over this (MacKay 1992, eq. 10)."""
    return np.sqrt(1 + np.pi / 8 * variance)


def _curve(u: Array, difficulty: Array) -> Array:
    """(k, S) mean over the examples of logistic(u - d), for u (k, S) and d (m, S).

    By interpolation on a grid of each draw, since u has many values.
    """
    q = np.empty_like(u)
    for s in range(u.shape[1]) if len(u) else ():
        grid = np.linspace(u[:, s].min(), u[:, s].max() + 1e-9, GRID)
        q[:, s] = np.interp(u[:, s], grid, logistic(grid[:, None] - difficulty[:, s]).mean(1))
    return q

"""What the answers say of the prompts: the likelihood of u, and its curvature.

Given u (model.py), with s(i) the sum of an example's scores and k = 1 for a known cell,

    post(i, g)  proportional to  h(g) exp(-g s(i) - sum_x k(x, i) log(1 + exp(u(x) - g)))  (4)

    W = k E p (1 - p), (n, m);   D = 1 / var(d(i)), at least sum_x W;   expectations under (4)
    L = diag(W 1) - W D^-1 W'           precision that the data give about u               (5)

Where the model's own chances count (soft.py), (4) and (5) hold for the scores and for the chances
together, of u and of f = u + b, and b is taken out:

    L_uu, L_uf, L_ff of (5);   C = L_uf + L_ff;   A = L_ff + I / variance
    L = L_uu + L_uf + L_fu + L_ff - C A^-1 C',   b = A^-1 (t_f - C' u)
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.linalg import inv

from promptlathe.search.lathe.link import Array, logistic
from promptlathe.search.lathe.soft import Relation

GRID = np.linspace(-9, 9, 25)
"""Difficulties, on the logit scale."""


@dataclass(frozen=True)
class Weighted:
    """Known values, each with a weight; (n, m) both."""

    weight: Array
    """0 where nothing is known; of what is trusted less, or varies less, another than 1."""
    score: Array
    """weight times value."""

    @staticmethod
    def of(values: Array, weight: Array | float) -> "Weighted":
        """values: nan where unknown."""
        weight = np.where(np.isnan(values), 0.0, weight)
        return Weighted(weight, weight * np.nan_to_num(values))


@dataclass(frozen=True)
class Answers:
    """What equation (4) needs besides u."""

    scores: Weighted
    chances: Weighted | None
    """None: they count nothing."""
    relation: Relation
    prior: Array
    """(m or 1, len(GRID)) h."""

    @cached_property
    def _without_u(self) -> Array:
        """(m, len(GRID)) what (4) holds besides u, in logs."""
        total = self.scores.score.sum(0)
        if self.chances is not None:
            total = total + self.relation.slope * self.chances.score.sum(0)
        return np.log(self.prior) - total[:, None] * GRID

    def difficulty(self, u: Array, b: Array) -> tuple[Array, float]:
        """Equation (4), (m, len(GRID)), and the log likelihood of u and b."""
        log = self._without_u - self.scores.weight.T @ np.logaddexp(0, u[:, None] - GRID)
        likelihood = float(self.scores.score.sum(1) @ u)
        if self.chances is not None:
            slope, f = self.relation.slope, u + b
            log -= self.chances.weight.T @ np.logaddexp(0, slope * (f[:, None] - GRID))
            likelihood += float(slope * self.chances.score.sum(1) @ f)
        top = log.max(axis=1, keepdims=True)
        post = np.exp(log - top)
        total = post.sum(axis=1, keepdims=True)
        return post / total, likelihood + float(np.sum(np.log(total) + top))

    def system(self, u: Array, b: Array, post: Array) -> "System":
        """The curvature at u and b, and what it says u is."""
        weight, slope = _curvature(self.scores, u, 1.0, post)
        mean = post @ GRID
        variance = np.maximum(post @ GRID**2 - mean**2, 1e-3)
        if self.chances is None:
            spread = np.maximum(1 / variance, weight.sum(0) + 1e-3)
            precision = np.diag(weight.sum(1)) - (weight / spread) @ weight.T
            return System(precision, precision @ u + slope, np.full(len(u), self.relation.level))
        also, slope_f = _curvature(self.chances, u + b, self.relation.slope, post)
        spread = np.maximum(1 / variance, (weight + also).sum(0) + 1e-3)
        uu = np.diag(weight.sum(1)) - (weight / spread) @ weight.T
        uf = -(weight / spread) @ also.T
        ff = np.diag(also.sum(1)) - (also / spread) @ also.T
        f = u + b - self.relation.level
        right, right_f = uu @ u + uf @ f + slope, uf.T @ u + ff @ f + slope_f
        own = inv(ff + np.eye(len(u)) / self.relation.variance)
        cross = uf + ff
        pull = own @ cross.T
        return System(
            uu + uf + cross.T - cross @ pull,
            right + right_f - pull.T @ right_f,
            self.relation.level + own @ right_f,
            pull,
            np.diag(own),
        )


@dataclass(frozen=True)
class System:
    """What the answers say of u, locally, without b: precision u = target; b = shift - pull u."""

    precision: Array
    """(n, n) L."""
    target: Array
    """(n,)"""
    shift: Array
    pull: Array | None = None
    """(n, n); None: the chances say nothing."""
    rest: Array | None = None
    """(n,) variance of b given u."""

    def offset(self, u: Array) -> Array:
        """(n,) b."""
        return self.shift if self.pull is None else self.shift - self.pull @ u

    def variance_of_offset(self, covariance: Array, relation: Relation) -> Array:
        """(n,) of b, from the covariance of u (n, n)."""
        if self.pull is None or self.rest is None:
            return np.full(len(self.shift), relation.variance)
        return self.rest + np.sum((self.pull @ covariance) * self.pull, axis=1)


def _curvature(cells: Weighted, u: Array, slope: float, post: Array) -> tuple[Array, Array]:
    """W (n, m), and the slope (n,) of the log likelihood."""
    p = logistic(slope * (u[:, None] - GRID))
    weight = slope**2 * cells.weight * np.maximum((p * (1 - p)) @ post.T, 1e-6)
    return weight, slope * np.sum(cells.score - cells.weight * (p @ post.T), axis=1)

"""One statistical model of every outcome so far.

Score y of candidate x on example i, on [0, 1], as a (quasi-)binomial with

    logit p(x, i) = u(x) - d(i)                                                           (1)
    u(x) = phi(x)' w + r(x),   w_g ~ N(0, v_g I),   r ~ N(0, v_r)                          (2)
    d(i) ~ N(0, v_d)                                                                      (3)

phi are the features of the candidate's levels (features.py), in groups g with a variance each; r
is what they do not explain; d is the example's difficulty. (1) is the Rasch model (Rasch 1960)
with an explanatory person side (De Boeck & Wilson 2004, ch. 2). Fractional scores: the variance
is dispersion * p (1 - p) (Wedderburn 1974).

The posterior is a Laplace approximation (Rasmussen & Williams 2006, section 3.4), found by
Newton's method on (u, d). Given u the difficulties are independent, so they are eliminated by a
Schur complement and only a system of the size of the tried candidates is solved:

    W = weights p (1 - p) / dispersion of known cells, (n, m);   D = sum_x W + 1 / v_d
    L = diag(W 1) - W D^-1 W'           precision that the data give about u               (4)
    u = K a,   (I + L K) a = b - W D^-1 c,   K = sum_g v_g phi_g phi_g' + v_r I            (5)

with the working response z = u - d + (y - p) / (p (1 - p)), b = (W * z) 1, c = (W * z)' 1.
Variances by the fixed point of MacKay (1992, section 4), with a weak prior.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.linalg import LinAlgError, cholesky, eigh, solve

Array = np.ndarray

MU_VARIANCE = 4.0
"""Of the common level, the constant feature: its prior is fixed."""
DIFFICULTY_VARIANCE = 9.0
RESIDUAL_VARIANCE = 0.06
WEIGHT = 2.0
"""Of the prior of a group's variance, in effective features."""
DIFFICULTY_WEIGHT = 30.0
"""Of the prior of the difficulties' variance, in examples."""
BOUNDS = (1e-4, 16.0)
STEPS = 12
TOLERANCE = 0.02
"""Newton stops when a step gains less than this in log posterior density."""


@dataclass(frozen=True)
class Group:
    """Columns of phi that share a variance; `prior` is that variance before any data."""

    name: str
    start: int
    stop: int
    prior: float

    @property
    def columns(self) -> slice:
        return slice(self.start, self.stop)


@dataclass(frozen=True)
class Data:
    """Known scores of the tried candidates.

    phi: (n, p) features; column 0 is the constant. y: (n, m) scores in [0, 1], nan where not
    known. trust: (n, m) weight of each cell, 1 for an answer of this run's model.
    """

    groups: Sequence[Group]
    phi: Array
    y: Array
    trust: Array
    difficulty: bool = True
    """False: all examples are taken to be equally difficult (an ablation)."""

    @cached_property
    def known(self) -> Array:
        return ~np.isnan(self.y)


@dataclass(frozen=True)
class Variances:
    """Prior variances, on the logit scale squared."""

    groups: tuple[float, ...]
    residual: float = RESIDUAL_VARIANCE
    difficulty: float = DIFFICULTY_VARIANCE
    dispersion: float = 1.0

    def columns(self, groups: Sequence[Group], p: int) -> Array:
        """(p,) prior variance of each column of phi."""
        v = np.full(p, MU_VARIANCE)
        for group, variance in zip(groups, self.groups, strict=True):
            v[group.columns] = variance
        return v


@dataclass(frozen=True)
class Draws:
    """Samples of the posterior, S of them in the last axis."""

    tried: Array
    """(n, S) u of the tried candidates."""
    weights: Array
    """(p, S) w."""
    difficulty: Array
    """(m, S) d."""


@dataclass(frozen=True)
class Fit:
    """The posterior given some data."""

    data: Data
    variances: Variances
    u: Array
    """(n,) posterior mean of the tried candidates' u."""
    d: Array
    """(m,) posterior mean of the difficulties."""
    a: Array
    """(n,) of equation (5)."""
    kernel: Array
    """(n, n) K."""
    precision: Array
    """(n, n) L."""
    w: Array
    """(n, m) W."""
    schur: Array
    """(m,) D."""
    target: Array
    """(n,) right-hand side of equation (5)."""
    c: Array
    """(m,) c."""

    @cached_property
    def covariance(self) -> Array:
        """(n, n) posterior covariance of u: K - K (K + L^-1)^-1 K."""
        return self.kernel - self.kernel @ self.gain @ self.kernel

    @cached_property
    def gain(self) -> Array:
        """(n, n) (I + L K)^-1 L."""
        return solve(np.eye(len(self.u)) + self.precision @ self.kernel, self.precision)

    @cached_property
    def difficulty_variance(self) -> Array:
        """(m,) posterior variance of d: its own given u, and what u's uncertainty adds."""
        share = self.w / self.schur
        return 1 / self.schur + np.einsum("nm,nm->m", share, self.covariance @ share)

    @cached_property
    def weights(self) -> Array:
        """(p,) posterior mean of w."""
        return self._columns * (self.data.phi.T @ self.a)

    @property
    def _columns(self) -> Array:
        return self.variances.columns(self.data.groups, self.data.phi.shape[1])

    def predict(self, phi: Array) -> Array:
        """(k,) posterior mean of u for candidates that were not tried, from phi (k, p)."""
        return phi @ self.weights

    def draw(self, size: int, rng: np.random.Generator) -> Draws:
        """Joint samples by Matheron's rule: a draw of the prior, corrected by the data.

        Wilson et al. 2021, eq. 10, with the Laplace approximation as the likelihood.
        """
        n, p = self.data.phi.shape
        v = self._columns
        w0 = rng.standard_normal((p, size)) * np.sqrt(v)[:, None]
        u0 = self.data.phi @ w0 + np.sqrt(self.variances.residual) * rng.standard_normal((n, size))
        noise = _root(self.precision) @ rng.standard_normal((n, size))
        right = self.target[:, None] - self.precision @ u0 - noise
        a = solve(np.eye(n) + self.precision @ self.kernel, right)
        u = u0 + self.kernel @ a
        d = (self.w.T @ u - self.c[:, None]) / self.schur[:, None]
        d += rng.standard_normal(d.shape) / np.sqrt(self.schur)[:, None]
        return Draws(u, w0 + v[:, None] * (self.data.phi.T @ a), d)


def fit(data: Data, start: Fit | None = None) -> Fit:
    """The posterior, from the last one if there is one: rows may have been added since."""
    if start:
        variances = _variances(start)
    else:
        difficulty = DIFFICULTY_VARIANCE if data.difficulty else 1e-6
        variances = Variances(tuple(g.prior for g in data.groups), difficulty=difficulty)
    n, m = data.y.shape
    a, d = np.zeros(n), np.zeros(m)
    if start is not None:
        a[: len(start.a)], d = start.a, start.d
    return _newton(data, variances, a, d)


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def _newton(data: Data, variances: Variances, a: Array, d: Array) -> Fit:
    """Newton's method with step halving on the log posterior density."""
    n, m = data.y.shape
    row, column = np.nonzero(data.known)  # most cells are not known: only these are computed
    y = data.y[row, column]
    trust = data.trust[row, column] / variances.dispersion
    columns = variances.columns(data.groups, data.phi.shape[1])
    kernel = (data.phi * columns) @ data.phi.T
    kernel[np.diag_indices_from(kernel)] += variances.residual
    identity = np.eye(len(a))

    def density(u: Array, d: Array, a: Array) -> float:
        e = u[row] - d[column]
        fits = trust @ (y * e - np.logaddexp(0, e))
        return float(fits - 0.5 * a @ u - 0.5 * d @ d / variances.difficulty)

    u = kernel @ a
    now = density(u, d, a)
    found: Fit | None = None
    for _ in range(STEPS):
        e = u[row] - d[column]
        p = logistic(e)
        weight = trust * np.maximum(p * (1 - p), 1e-6)
        z = weight * e + trust * (y - p)
        w = np.zeros((n, m))
        w[row, column] = weight
        schur, c = w.sum(0) + 1 / variances.difficulty, np.bincount(column, z, m)
        share = w / schur
        precision = np.diag(w.sum(1)) - share @ w.T
        target = np.bincount(row, z, n) - share @ c
        goal = solve(identity + precision @ kernel, target)
        u_goal = kernel @ goal
        d_goal = (w.T @ u_goal - c) / schur
        step = 1.0
        while True:
            u1, d1, a1 = u + step * (u_goal - u), d + step * (d_goal - d), a + step * (goal - a)
            new = density(u1, d1, a1)
            if new >= now - 1e-6 or step < 1 / 64:
                break
            step /= 2
        gain, (u, d, a, now) = new - now, (u1, d1, a1, new)
        found = Fit(data, variances, u, d, a, kernel, precision, w, schur, target, c)
        if step == 1.0 and gain < TOLERANCE:
            break
    assert found is not None
    return found


def _variances(fit: Fit) -> Variances:
    """One step of the fixed point v <- (v^2 a' Q a + s v0) / (v tr(G Q) + s) for each group.

    Q = phi_g phi_g', G = (I + L K)^-1 L; v tr(G Q) is the group's effective number of features.
    """
    old, data, gain = fit.variances, fit.data, fit.gain
    spread = gain @ data.phi
    new: list[float] = []
    for group, v in zip(data.groups, old.groups, strict=True):
        phi = data.phi[:, group.columns]
        square = float(np.sum((phi.T @ fit.a) ** 2))
        trace = float(np.sum(phi * spread[:, group.columns]))
        new.append(_fixed_point(v, square, trace, group.prior))
    residual = _fixed_point(
        old.residual, float(fit.a @ fit.a), float(np.trace(gain)), RESIDUAL_VARIANCE
    )
    if not data.difficulty:
        return Variances(tuple(new), residual, 1e-6, _dispersion(fit))
    met = data.known.any(0)
    squares = float(np.sum(fit.d[met] ** 2 + fit.difficulty_variance[met]))
    difficulty = (squares + DIFFICULTY_WEIGHT * DIFFICULTY_VARIANCE) / (
        met.sum() + DIFFICULTY_WEIGHT
    )
    return Variances(tuple(new), residual, float(np.clip(difficulty, 0.05, 36)), _dispersion(fit))


def _fixed_point(v: float, square: float, trace: float, prior: float) -> float:
    new = (v * v * square + WEIGHT * prior) / (v * trace + WEIGHT)
    return float(np.clip(np.clip(new, v / 3, v * 3), *BOUNDS))


def _dispersion(fit: Fit) -> float:
    """Pearson's estimate; 1 when every score is 0 or 1, never above."""
    known = fit.data.known
    y = fit.data.y[known]
    if not len(y) or np.all((y == 0) | (y == 1)):
        return 1.0
    p = logistic(fit.u[:, None] - fit.d)[known]
    ratio = np.sum((y - p) ** 2) / np.sum(p * (1 - p))
    return float(np.clip((len(y) * ratio + 20) / (len(y) + 20), 0.02, 1.0))


def _root(precision: Array) -> Array:
    """A square root of a positive semidefinite matrix."""
    try:
        return cholesky(precision + 1e-9 * np.eye(len(precision)))
    except LinAlgError:
        values, vectors = eigh(precision)
        return vectors * np.sqrt(np.maximum(values, 0))

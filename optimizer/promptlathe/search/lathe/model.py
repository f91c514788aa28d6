"""One statistical model of every outcome so far.

Score y of candidate x on example i, on [0, 1], as a (quasi-)binomial with

    logit p(x, i) = u(x) - d(i)                                                           (1)
    u(x) = phi(x)' w + r(x),   w_g ~ N(mean_g, v_g I),   r ~ N(0, v_r)                     (2)
    d(i) on GRID with the probabilities h, or what a memory says of i (memory.py)          (3)

phi are the features of the candidate's levels (features.py), in groups g with a variance each; r
is what they do not explain; d is the example's difficulty. (1) is the Rasch model (Rasch 1960)
with an explanatory person side (De Boeck & Wilson 2004, ch. 2). Fractional scores: the variance
is dispersion * p (1 - p) (Wedderburn 1974).

The difficulties are integrated out, not maximized over: an example has one or two answers, and a
joint mode is biased then (Breslow & Lin 1995). Their distribution h is a histogram that is
estimated too (Bock & Aitkin 1981): most examples are answered rightly by all prompts or by none.
With a memory, h(g) below is the mean of h and of what the experts say of i, weighted by the trust
in each (memory.py). Given u, the posterior of the difficulties is equation (4) of likelihood.py.

The posterior of u is a Laplace approximation (Rasmussen & Williams 2006, section 3.4), found by
Newton's method on u, with a system of the size of the tried candidates: with the precision L that
the data give about u, and their right-hand side t, both local (likelihood.py),

    u = m + K a,   (I + L K) a = t - L m,   m = phi mean,
    K = sum_g v_g phi_g phi_g' + v_r I                                                    (6)

Variances by the fixed point of MacKay (1992, section 4), with a weak prior.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.linalg import LinAlgError, cholesky, eigh, solve

from promptlathe.search.lathe.likelihood import GRID, Answers, System, Weighted
from promptlathe.search.lathe.link import Array, logistic, widened
from promptlathe.search.lathe.soft import Relation, learnt

MU_VARIANCE = 4.0
"""Of the common level, the constant feature: its prior is fixed."""
RESIDUAL_VARIANCE = 0.04
WEIGHT = 2.0
"""Of the prior of a group's variance, in effective features."""
DIFFICULTY = 0.5 * np.exp(-(GRID**2) / 4.5) / np.sum(np.exp(-(GRID**2) / 4.5)) + 0.5 / len(GRID)
"""Their distribution before any data: half normal with a standard deviation of 1.5, half even."""
DIFFICULTY_WEIGHT = 10.0
"""Of this prior, in examples."""
MEMORY = 0.8
"""Chance that an expert is right at all, before any data."""
SHARES = (0.6, 0.95)
"""Of the examples, of which it may be."""
NO_DIFFICULTY = np.where(GRID == 0, 1.0, 1e-300)
BOUNDS = (1e-4, 16.0)
ROUNDS = 4
"""Of expectation maximization for the relation of the chances to the scores, at each fit."""
STEPS = 12
TOLERANCE = 0.02
"""Newton stops when a step gains less than this in log posterior density."""


@dataclass(frozen=True)
class Group:
    """Columns of phi that share a variance; `prior` is that variance before any data, `mean` what
    is expected of their weights when memory is right (memory.py)."""

    name: str
    start: int
    stop: int
    prior: float
    mean: float = 0.0

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
    memory: Array = field(default_factory=lambda: np.zeros((0, 1, len(GRID))))
    """(E, m, len(GRID)) what each expert says of the difficulties (memory.py)."""
    soft: Array | None = None
    """(n, m) how likely the right answer was to the model (soft.py); nan where not known."""

    @cached_property
    def known(self) -> Array:
        return ~np.isnan(self.y)


@dataclass(frozen=True)
class Priors:
    """Of the effects, the variance on the logit scale squared; of the difficulties, all."""

    groups: tuple[float, ...]
    difficulty: Array
    """(len(GRID),) h."""
    residual: float = RESIDUAL_VARIANCE
    dispersion: float = 1.0
    trust: Array = field(default_factory=lambda: np.ones(1))
    """(1 + E,) the share of the examples whose difficulty comes from h, and from each expert."""
    soft: Relation = field(default_factory=Relation)

    def columns(self, groups: Sequence[Group], p: int) -> Array:
        """(p,) prior variance of each column of phi."""
        v = np.full(p, MU_VARIANCE)
        for group, variance in zip(groups, self.groups, strict=True):
            v[group.columns] = variance
        return v

    def mean(self, groups: Sequence[Group], p: int) -> Array:
        """(p,) what is expected of the weight of each column, as far as the experts are right."""
        mean = np.zeros(p)
        for group in groups:
            mean[group.columns] = group.mean * (1 - self.trust[0])
        return mean


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
    priors: Priors
    u: Array
    """(n,) posterior mean of the tried candidates' u."""
    a: Array
    """(n,) of equation (6)."""
    kernel: Array
    """(n, n) K."""
    difficulty: Array
    """(m, len(GRID)) posterior of the difficulties given u, equation (4)."""
    offset: Array
    """(n,) posterior mean of b (soft.py)."""
    system: System
    """Of the last step."""

    @cached_property
    def covariance(self) -> Array:
        """(n, n) posterior covariance of u: K - K (K + L^-1)^-1 K."""
        return self.kernel - self.kernel @ self.gain @ self.kernel

    @cached_property
    def gain(self) -> Array:
        """(n, n) (I + L K)^-1 L."""
        precision = self.system.precision
        return solve(np.eye(len(self.u)) + precision @ self.kernel, precision)

    @cached_property
    def weights(self) -> Array:
        """(p,) posterior mean of w."""
        return self._mean + self._columns * (self.data.phi.T @ self.a)

    @property
    def heeded(self) -> float:
        """How far the memory is right about the examples, from 0 to 1."""
        return min(1.0, float(1 - self.priors.trust[0]) / float(np.mean(SHARES)))

    @property
    def _columns(self) -> Array:
        return self.priors.columns(self.data.groups, self.data.phi.shape[1])

    @property
    def _mean(self) -> Array:
        return self.priors.mean(self.data.groups, self.data.phi.shape[1])

    def covariance_of(self, phi: Array) -> Array:
        """(n + k, n + k) posterior covariance of u: the tried candidates, then those not tried.

        phi: (n + k, p), the features of both.
        """
        n = len(self.u)
        kernel = (phi * self._columns) @ phi.T
        kernel[np.diag_indices_from(kernel)] += self.priors.residual
        return kernel - kernel[:, :n] @ self.gain @ kernel[:n]

    def predict(self, phi: Array) -> Array:
        """(k,) posterior mean of u for candidates that were not tried, from phi (k, p)."""
        return phi @ self.weights

    def chance(self, u: Array, variance: Array | float = 0.0) -> Array:
        """(k, m) expected score of candidates with these u, each known up to a variance."""
        return logistic((u[:, None] - GRID) / widened(variance)) @ self.difficulty.T

    def luck(self, u: Array) -> Array:
        """(k, m) E p (1 - p), which is also the slope of the expected score in u."""
        p = logistic(u[:, None] - GRID)
        return (p * (1 - p)) @ self.difficulty.T

    def information(self, u: Array) -> Array:
        """(k, m) Fisher information about u of one more answer on each example."""
        p = self.chance(u)
        found = self.luck(u) ** 2 / np.maximum(p * (1 - p), 1e-9)
        if self.data.soft is not None and (soft := self.priors.soft).weight > 0:
            q = logistic(soft.slope * (u[:, None] + soft.level - GRID))
            mean, slope = q @ self.difficulty.T, soft.slope * (q * (1 - q)) @ self.difficulty.T
            found += soft.weight * slope**2 / np.maximum(mean * (1 - mean), 1e-9)
        return found

    def agreement(self, index: int) -> float:
        """How likely it is that a tried candidate finds those examples hard that the others do.

        Against a chance that is the same on all examples, evens before any data. Of each example,
        what the other candidates say of its difficulty: the posterior without this one's answer.
        """
        known = self.data.known[index]
        y = self.data.y[index, known]
        p = logistic(self.u[index] - GRID)
        others = self.difficulty[known] / (p ** y[:, None] * (1 - p) ** (1 - y[:, None]))
        expected = (others @ p) / others.sum(1)
        same = (y.sum() + 0.5) / (len(y) + 1)
        ahead = y * np.log(expected / same) + (1 - y) * np.log((1 - expected) / (1 - same))
        return float(logistic(ahead.sum()))

    def draw(self, size: int, rng: np.random.Generator) -> Draws:
        """Joint samples by Matheron's rule: a draw of the prior, corrected by the data.

        Wilson et al. 2021, eq. 10, with the Laplace approximation as the likelihood. Difficulties
        are drawn given u.
        """
        n, p = self.data.phi.shape
        v = self._columns
        w0 = self._mean[:, None] + rng.standard_normal((p, size)) * np.sqrt(v)[:, None]
        u0 = self.data.phi @ w0 + np.sqrt(self.priors.residual) * rng.standard_normal((n, size))
        precision = self.system.precision
        noise = _root(precision) @ rng.standard_normal((n, size))
        right = self.system.target[:, None] - precision @ u0 - noise
        a = solve(np.eye(n) + precision @ self.kernel, right)
        u = u0 + self.kernel @ a
        known, d = answers(self.data, self.priors), np.empty((self.data.y.shape[1], size))
        for s in range(size):
            below = np.cumsum(known.difficulty(u[:, s], self.offset)[0], axis=1)
            place = np.sum(below < rng.random((len(d), 1)), axis=1)
            d[:, s] = GRID[np.minimum(place, len(GRID) - 1)]
        return Draws(u, w0 + v[:, None] * (self.data.phi.T @ a), d)


def fit(data: Data, start: Fit | None = None) -> Fit:
    """The posterior, from the last one if there is one: rows may have been added since."""
    if start:
        priors = _priors(start)
    else:
        difficulty = DIFFICULTY if data.difficulty else NO_DIFFICULTY
        groups = tuple(group.prior for group in data.groups)
        priors = Priors(groups, difficulty, trust=first_trust(len(data.memory)))
    a, b = np.zeros(len(data.y)), np.full(len(data.y), priors.soft.level)
    if start is not None:
        a[: len(start.a)], b[: len(start.a)] = start.a, start.offset
    return _newton(data, priors, a, b)


def answers(data: Data, priors: Priors) -> Answers:
    """The known cells as the likelihood takes them."""
    relation, chances = priors.soft, None
    if data.soft is not None and relation.weight > 0:
        chances = Weighted.of(data.soft, relation.weight)
    scores = Weighted.of(data.y, data.trust / priors.dispersion)
    return Answers(scores, chances, relation, _prior(data, priors).sum(0))


def _hypotheses(experts: int) -> tuple[Array, Array]:
    """What the trust may be, (H, 1 + E), and how likely each is before any data, (H,).

    No expert is right, or one is, of one of SHARES of the examples.
    """
    none, *each = np.eye(1 + experts)
    some = [(1 - share) * none + share * one for one in each for share in SHARES]
    if not some:
        return none[None], np.ones(1)
    return np.array([none, *some]), np.array([1 - MEMORY] + [MEMORY / len(some)] * len(some))


def first_trust(experts: int) -> Array:
    """(1 + E,) before any data."""
    trusts, chance = _hypotheses(experts)
    return chance @ trusts


def _prior(data: Data, priors: Priors) -> Array:
    """(1 + E, m or 1, len(GRID)): the part of h, and of each expert, in the difficulties' prior."""
    return priors.trust[:, None, None] * _experts(data, priors)


def _experts(data: Data, priors: Priors) -> Array:
    """(1 + E, m or 1, len(GRID)): h, and what each expert says."""
    shape = (1, *data.memory.shape[1:])
    return np.concatenate([np.broadcast_to(priors.difficulty, shape), data.memory])


def _newton(data: Data, priors: Priors, a: Array, b: Array) -> Fit:
    """Newton's method with step halving on the log posterior density."""
    known = answers(data, priors)
    columns = priors.columns(data.groups, data.phi.shape[1])
    kernel = (data.phi * columns) @ data.phi.T
    kernel[np.diag_indices_from(kernel)] += priors.residual
    identity = np.eye(len(a))
    mean = data.phi @ priors.mean(data.groups, data.phi.shape[1])
    u = mean + kernel @ a
    post, likelihood = known.difficulty(u, b)
    now = likelihood - 0.5 * float(a @ (u - mean)) - priors.soft.far(b)
    for step in range(STEPS):
        system = known.system(u, b, post)
        right = system.target - system.precision @ mean
        goal = solve(identity + system.precision @ kernel, right)
        u_goal = mean + kernel @ goal
        b_goal = system.offset(u_goal)
        share = 1.0
        while True:
            u1, a1, b1 = (x + share * (y - x) for x, y in ((u, u_goal), (a, goal), (b, b_goal)))
            post, likelihood = known.difficulty(u1, b1)
            new = likelihood - 0.5 * float(a1 @ (u1 - mean)) - priors.soft.far(b1)
            if new >= now - 1e-6 or share < 1 / 64:
                break
            share /= 2
        gain, (u, a, b, now) = new - now, (u1, a1, b1, new)
        if step == STEPS - 1 or (share == 1.0 and gain < TOLERANCE):
            return Fit(data, priors, u, a, kernel, post, b, system)
    raise AssertionError("unreachable")


def _priors(fit: Fit) -> Priors:
    """One step of the fixed point v <- (v^2 a' Q a + s v0) / (v tr(G Q) + s) for each group.

    Q = phi_g phi_g', G = (I + L K)^-1 L; v tr(G Q) is the group's effective number of features.
    h <- the mean of the posteriors (4), a step of expectation maximization.
    """
    old, data, gain = fit.priors, fit.data, fit.gain
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
    difficulty, trust = old.difficulty, old.trust
    if data.difficulty:
        met = np.flatnonzero(data.known.any(0))
        parts = _prior(data, old)
        share = (parts / parts.sum(0) * fit.difficulty)[:, met]
        difficulty = share[0].sum(0) + DIFFICULTY_WEIGHT * DIFFICULTY
        difficulty /= difficulty.sum()
        trust = _learnt_trust(fit, met)
    return Priors(tuple(new), difficulty, residual, _dispersion(fit), trust, _relation(fit))


def _relation(fit: Fit) -> Relation:
    """What is learnt of the chances; the difficulties are seen as all that is known shows them."""
    found, z = fit.priors.soft, fit.data.soft
    if z is None:
        return found
    variance = fit.system.variance_of_offset(fit.covariance, found)
    for _ in range(ROUNDS):
        whole = replace(fit.priors, soft=replace(found, weight=1 / found.dispersion))
        difficulty = answers(fit.data, whole).difficulty(fit.u, fit.offset)[0]
        found = learnt(
            found,
            z,
            fit.data.y,
            u=fit.u,
            b=fit.offset,
            variance=variance,
            grid=GRID,
            difficulty=difficulty,
        )
    return found


def _learnt_trust(fit: Fit, met: Array) -> Array:
    """(1 + E,) the mean trust over the hypotheses, by how likely each makes these answers."""
    trusts, chance = _hypotheses(len(fit.data.memory))
    likelihood = fit.difficulty / _prior(fit.data, fit.priors).sum(0)
    by_expert = np.sum(_experts(fit.data, fit.priors) * likelihood, axis=2)[:, met]
    log = np.log(chance) + np.log(trusts @ by_expert).sum(1)
    weight = np.exp(log - log.max())
    return weight @ trusts / weight.sum()


def _fixed_point(v: float, square: float, trace: float, prior: float) -> float:
    new = (v * v * square + WEIGHT * prior) / (v * trace + WEIGHT)
    return float(np.clip(np.clip(new, v / 3, v * 3), *BOUNDS))


def _dispersion(fit: Fit) -> float:
    """Pearson's estimate; 1 when every score is 0 or 1, never above."""
    known = fit.data.known
    y = fit.data.y[known]
    if not len(y) or np.all((y == 0) | (y == 1)):
        return 1.0
    p = logistic(fit.u[:, None] - fit.difficulty @ GRID)[known]
    ratio = np.sum((y - p) ** 2) / np.sum(p * (1 - p))
    return float(np.clip((len(y) * ratio + 20) / (len(y) + 20), 0.02, 1.0))


def _root(precision: Array) -> Array:
    """A square root of a positive semidefinite matrix."""
    try:
        return cholesky(precision + 1e-9 * np.eye(len(precision)))
    except LinAlgError:
        values, vectors = eigh(precision)
        return vectors * np.sqrt(np.maximum(values, 0))

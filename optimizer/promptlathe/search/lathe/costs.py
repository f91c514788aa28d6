"""What candidates take (tokens, cost, latency): which are expected to keep the limits.

For each metric, the mean log cost of candidate x over its n(x) calls is

    c(x) = m + phi(x)' w + r(x) + e,   w_j ~ N(0, s g_j),  r ~ N(0, t),  e ~ N(0, v / n(x))   (1)

with g the features' prior variances, v the variance of a call's log cost within a candidate, and
s + t its variance between candidates, most of it in s, since costs come from the levels. (1) is
a ridge regression with a residual; its posterior mean (Rasmussen & Williams 2006, eq. 2.25) holds
for candidates that were tried and for those that were not. Examples need no difficulty here: what
a prompt takes differs little between them, compared with how much it differs between prompts.
A candidate with ENOUGH calls is judged by its own mean alone.
"""

from collections.abc import Sequence

import numpy as np

from promptlathe.records import Outcome
from promptlathe.scoring import Limit
from promptlathe.search.lathe.link import Array
from promptlathe.search.lathe.model import Group

ENOUGH = 12
SHARE = 0.8
"""Of the variance between candidates: what the levels explain, before any data."""
PRIOR_VARIANCE, PRIOR_WEIGHT = 0.1, 2.0
"""Of log costs between candidates, and its weight in candidates."""
SMALLEST = 1e-9


class Costs:
    """Takes outcomes by the candidate's row; fitted now and then, on the rows' features.

    Made only where there are limits on what calls take, or where tokens are paid for. Limits on
    scores are not its matter: they need not be positive, and levels do not multiply them.
    """

    def __init__(self, limits: Sequence[Limit]) -> None:
        self._metrics = [_Metric(limit) for limit in limits]

    def take(self, index: int, outcome: Outcome) -> None:
        """An outcome of the candidate in this row; a failure, or tokens that are not known, say
        nothing."""
        for metric in self._metrics:
            metric.take(index, outcome)

    def fit(self, phi: Array, groups: Sequence[Group]) -> None:
        """The posterior, given the features (n, p) of all rows so far, and their groups."""
        prior = np.zeros(phi.shape[1])
        for group in groups:
            prior[group.columns] = group.prior
        for metric in self._metrics:
            metric.fit(phi, prior)

    def excess_of_rows(self) -> Array:
        """(n,) log of expected cost over its limit, the worst limit's, as of the last `fit`.

        At most 0 where all limits are expected to be kept.
        """
        return np.max([metric.rows for metric in self._metrics], axis=0)

    def excess(self, phi: Array) -> Array:
        """(k,) the same for candidates that were not tried, from their features (k, p)."""
        return np.max([metric.predict(phi) for metric in self._metrics], axis=0)


def within(excess: Array) -> Array:
    """Which are expected to keep all limits; if none is, those that break them least, half of them.

    With few answers the costs of one dear candidate are all that is known: the search must go on
    to cheaper ones, not end.
    """
    kept = excess <= 0
    return kept if kept.any() else excess <= np.median(excess)


class _Metric:
    """One limit; costs are logs, relative to the limit."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._calls = np.zeros((0, 4))
        """By row: calls, sum of costs, of their logs, and of the squares of those."""

    def take(self, index: int, outcome: Outcome) -> None:
        cost = self._limit.of(outcome)
        if cost is None:
            return
        while index >= len(self._calls):
            self._calls = np.vstack([self._calls, np.zeros((max(16, index), 4))])
        relative = max(cost / self._limit.bound, SMALLEST)
        log = float(np.log(relative))
        self._calls[index] += 1, relative, log, log * log

    def fit(self, phi: Array, prior: Array) -> None:
        n = len(phi)
        self.rows = np.zeros(n)
        self._mean, self._w = 0.0, np.zeros(phi.shape[1])
        calls = np.zeros((n, 4))
        calls[: len(self._calls)] = self._calls[:n]
        met = np.flatnonzero(calls[:, 0])
        if not len(met):
            return
        count, total, logs, squares = calls[met].T
        c = logs / count
        within = max(float(np.sum(squares - count * c * c)), 0.0)
        noise = (within + 0.1) / (count.sum() - len(met) + 1)
        # The mean cost, over the cost of the mean log: logs lie below.
        bend = float(np.log(np.sum(total) / np.sum(count * np.exp(c))))
        variance = noise / count
        self._mean = float(np.average(c, weights=1 / (variance + PRIOR_VARIANCE)))
        spread = float(np.sum(np.maximum((c - self._mean) ** 2 - variance, 0)))
        between = (spread + PRIOR_WEIGHT * PRIOR_VARIANCE) / (len(met) + PRIOR_WEIGHT)
        size = float(np.mean(np.sum(phi[met] ** 2 * prior, axis=1)))
        scale = np.sqrt(prior * SHARE * between / max(size, SMALLEST))
        known = phi[met] * scale
        residual = (1 - SHARE) * between
        covariance = known @ known.T + np.diag(residual + variance)
        a = np.linalg.solve(covariance, c - self._mean)
        self._w = scale * (known.T @ a)
        self._mean += bend
        self.rows = self.predict(phi)
        self.rows[met] += residual * a
        enough = count >= ENOUGH
        self.rows[met[enough]] = np.log(total[enough] / count[enough])

    def predict(self, phi: Array) -> Array:
        return self._mean + phi @ self._w

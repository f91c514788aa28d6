"""What a few more cells of a candidate are worth: the knowledge gradient with correlated beliefs.

After b more cells of candidate x, with information c(x) about u(x), the expectations of all
candidates move together along one line (Frazier, Powell & Dayanik 2009, section 2):

    q(j) -> q(j) + s(j, x) Z,   s(j, x) = slope(j) C(j, x) / sqrt(C(x, x) + 1 / c(x)),   Z ~ N(0, 1)
    worth(x) = E max_j (q(j) + s(j, x) Z) - max_j q(j)

C is the posterior covariance of u, so cells of x are worth something for what they say of the
others that share its levels. slope(j) is the slope of j's quality in u(j): known cells do not move.
One cell rarely changes which candidate is best, and its worth would say little (Frazier & Powell
2010); b is a share of the cells bought so far.
"""

import numpy as np

from promptlathe.search.lathe.link import Array
from promptlathe.search.lathe.look import Look

AHEAD, LEAST_AHEAD = 0.1, 5
"""b, in cells that were bought, and at least."""
LEAST = 1e-9
"""Worth of any allowed candidate: when nothing could change which is the best, all are alike."""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
"""Of Gauss-Hermite quadrature over Z."""


def worth(look: Look, allowed: Array) -> Array:
    """(n + k,) expected gain in quality; 0 for those that are not allowed, a mask (n + k,)."""
    if not allowed.any():
        return np.zeros(len(allowed))
    fit, n = look.fit, len(look.estimate)
    phi = np.vstack([fit.data.phi, look.phi_fresh])
    covariance = fit.covariance_of(phi)
    u = np.concatenate([fit.u, fit.predict(look.phi_fresh)])
    slope = fit.luck(u)
    slope[:n] *= ~look.known
    information = fit.information(u)
    information[:n] *= ~look.known
    m = slope.shape[1]
    cells = min(m, max(LEAST_AHEAD, int(AHEAD * look.known.sum())))
    best_cells = np.partition(information, m - cells, axis=1)[:, m - cells :].sum(1)
    spread = np.sqrt(np.diag(covariance) + 1 / np.maximum(best_cells, 1e-9))
    moves = slope.mean(1)[:, None] * covariance / spread
    q = np.where(allowed, np.concatenate([look.estimate, look.q_fresh]), -np.inf)
    value = sum(w * (q[:, None] + moves * z).max(0) for z, w in zip(NODES, WEIGHTS, strict=True))
    return np.where(allowed, np.maximum(value / WEIGHTS.sum() - q.max(), LEAST), 0)

"""Small statistics of the search: a mean's interval, and the paired test of the race."""

import math
from collections.abc import Sequence

import numpy as np

from promptlathe.records import Estimate

Z95 = 1.959963984540054


def estimate(values: Sequence[float]) -> Estimate | None:
    """Mean score with its 95 % interval; None without values.

    Scores in [0, 1]: Wilson's interval (Wilson 1927, eq. 4), which also holds, conservatively,
    for fractional scores, since none has more variance than p(1 - p). Others: mean ± z·s/√n.
    """
    n = len(values)
    if n == 0:
        return None
    x = np.asarray(values, dtype=float)
    mean = float(x.mean())
    if x.min() >= 0 and x.max() <= 1:
        shrink = 1 + Z95**2 / n
        centre = (mean + Z95**2 / (2 * n)) / shrink
        half = Z95 * math.sqrt(mean * (1 - mean) / n + Z95**2 / (4 * n**2)) / shrink
        low, high = max(0.0, centre - half), min(1.0, centre + half)
        return Estimate(mean, min(low, mean), max(high, mean), n)  # 1e-17 beside it, by rounding
    half = Z95 * float(x.std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf
    return Estimate(mean, mean - half, mean + half, n)


def worse_probability(differences: Sequence[float]) -> float:
    """One-sided p-value of "the mean difference is not below zero": small means worse.

    The paired t-test of racing (Maron & Moore 1994; CAPO, Zehle et al. 2025, section 3), with
    the normal in place of Student's t and one pseudo-observation of each sign (Bonett & Price
    2012), so that a few equal answers prove nothing.
    """
    if not differences:
        return 1.0
    scale = max(abs(d) for d in differences)
    if scale == 0:
        return 1.0
    d = np.asarray([*differences, scale, -scale], dtype=float)
    z = float(d.mean()) * math.sqrt(len(d)) / float(d.std(ddof=1))
    return 0.5 * math.erfc(-z / math.sqrt(2))

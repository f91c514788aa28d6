"""How high the mean of a score may be, from some rows: a one-sided bound for any distribution.

For rows x_1 … x_n, drawn alike, with values from 0 to 1 and mean p, the bound is the largest m that
the rows do not refute: P(a mean as low as the one seen | p = m) > ALPHA.

0 and 1 only   exact, by the binomial distribution (Clopper & Pearson 1934). Without a single 1 it
               is 1 - ALPHA^(1/n), about 3/n: the rule of three.
fractions      the smaller of two bounds on that probability (Bates et al. 2021, J. ACM 68(6),
               section 3.1): exp(-n kl(x, m)) (Hoeffding 1963, theorem 1), with x the mean seen, and
               e P(Binomial(n, m) <= ceil(n x)) (Bentkus 2004). Valid for any values in the range.
               With all rows at 0 it is the exact one.

Whether a score can be a fraction is taken from the rows.
"""

import math
from collections.abc import Sequence

ALPHA = 0.05
"""Of the bound: it is exceeded by the true mean at most this often."""
STEPS = 60
"""Halvings of an interval: to the last digit of a float."""
MOST_ROWS = 10_000_000


def upper_bound(values: Sequence[float], *, alpha: float = ALPHA) -> float:
    """Of the mean of values from 0 to 1, one a row, with confidence 1 - alpha; 1 without a row."""
    if not values:
        return 1.0
    whole = all(value in (0.0, 1.0) for value in values)
    return _upper(math.fsum(values), len(values), alpha, whole)


def rows_needed(values: Sequence[float], most: float, *, alpha: float = ALPHA) -> int | None:
    """How many rows would show that the mean is at most `most`, if the others were like these; the
    fewest that can show it when there is none. None when these are too high, and for a bound that
    no number of rows can show."""
    mean = math.fsum(values) / len(values) if values else 0.0
    whole = all(value in (0.0, 1.0) for value in values)
    if mean >= most:
        return None

    def shows(n: int) -> bool:
        total = math.ceil(mean * n - 1e-9) if whole else mean * n
        return _upper(total, n, alpha, whole) <= most

    low, high = 0, 1
    while not shows(high):
        low, high = high, 2 * high
        if high > MOST_ROWS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def _upper(total: float, n: int, alpha: float, whole: bool) -> float:
    if total >= n:
        return 1.0
    if total <= 0:
        return 1 - alpha ** (1 / n)
    if whole:
        from scipy.special import betaincinv

        return float(betaincinv(total + 1, n - total, 1 - alpha))
    low, high = total / n, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _tail(total, n, middle) > alpha else (low, middle)
    return high


def _tail(total: float, n: int, m: float) -> float:
    """At least the probability of a sum as low as `total` when the mean is m, for m above it."""
    from scipy.special import bdtr

    x = total / n
    kl = x * math.log(x / m) + (1 - x) * math.log((1 - x) / (1 - m)) if m < 1 else math.inf
    return min(math.exp(-n * kl), math.e * float(bdtr(math.ceil(total - 1e-9), n, m)))

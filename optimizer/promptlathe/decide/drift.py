"""Whether a prompt still does what it did: looks at the same rows, day after day, at any time.

Each look gives one score, the mean over the canary rows. As long as nothing changes, the looks are
exchangeable: the rank of the latest among all so far is uniform, whatever the distribution of the
score, however it depends on the rows, and however often one looks. Against that we bet (a conformal
test martingale: Vovk, Nouretdinov, Gammerman 2003, ICML; Vovk 2021, Statist. Sci. 36(4)).

    p_t     = (#{s < t: S_s < S_t} + U_t #{s <= t: S_s = S_t}) / t,   U_t uniform; low for a low S_t
    k       = t - j + 1, the looks since a drift that began with look j
    f_c     = LEAK + (1 - LEAK) 1{p <= v} / v,  v = min(1, c k / t)    a bet: its mean is 1
    f_e     = e p^(e - 1)                                              another one, for small drifts
    M_t     = sum over j <= t, and mean over all f, of  w_j prod_{i = j..t} f(p_i)
              + the weight of later j
    w_j     = (1 - 1/D)^(j - 1) / D                   a drift begins some day, nobody knows which

If every look since j is lower than every one before, p is uniform up to k / t: f with c = 1 is then
the best bet; the others are for looks that overlap. M is a martingale that begins with 1 and is
never negative: by Ville's inequality it reaches 1 / alpha with probability alpha at most, in all
looks together. Pairing the looks with one fixed draw of answers is not valid: what that draw had by
luck is taken for what the prompt does (docs/decisions/0026-watch.md).
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WIDTHS = (1.0, 2.0, 4.0)
EXPONENTS = (0.4, 0.7)
LEAK = 0.1
"""Of each bet what is not risked: a look that does not fit does not end it."""
DAYS = 200
"""D: looks until a drift begins, on average, as far as the bets are concerned."""
FEWEST = 20
"""Looks before which nothing is said: fewer can hardly be evidence against themselves."""

Verdict = Literal["holds", "drift", "not enough looks yet"]


@dataclass(frozen=True)
class Drift:
    """What looks say, the first to the last."""

    verdict: Verdict
    looks: int
    evidence: float
    """The martingale's value now; 1 at the start."""
    highest: float
    """The highest that it ever was: a drift was seen when this reached 1 / alpha."""
    alpha: float
    first: int | None
    """The look, from 0, at which 1 / alpha was reached."""
    since: int | None
    """The look at which the drift most probably began."""
    drop: float | None
    """How much lower the score is since then, in score units: over rows, mean of before - after."""
    interval: tuple[float, float] | None
    """95 % of the drop, over rows (paired t). The day was chosen by the same looks, so that it is
    somewhat narrow; it does not decide."""


def evidence_of(scores: Sequence[float], seed: int) -> list[float]:
    """M after each look; seed: of the U_t, the same ones each time."""
    later = 1 - 1 / DAYS
    return [float(starts.sum()) + later**t for t, starts in enumerate(_starts(scores, seed), 1)]


def drift_of(looks: Sequence[Sequence[float]], *, alpha: float, seed: int) -> Drift:
    """looks: for each one the rows' scores, shape (looks, rows), the rows in the same order.

    seed: of the martingale's randomness, the same for all looks at a prompt.
    """
    scores = [math.fsum(rows) / len(rows) for rows in looks]
    values = evidence_of(scores, seed)
    highest = max(values, default=1.0)
    first = next((t for t, value in enumerate(values) if value >= 1 / alpha), None)
    now = values[-1] if values else 1.0
    if first is None:
        verdict: Verdict = "holds" if len(scores) >= FEWEST else "not enough looks yet"
        return Drift(verdict, len(scores), now, highest, alpha, None, None, None, None)
    *_, starts = _starts(scores[: first + 1], seed)
    since = int(np.argmax(starts))
    drop, interval = _drop(looks, since)
    return Drift("drift", len(scores), now, highest, alpha, first, since, drop, interval)


def ranks(scores: Sequence[float], seed: int) -> list[float]:
    """p of each look among those up to it: above 0, at most 1."""
    draw = random.Random(seed)
    found: list[float] = []
    for t, score in enumerate(scores, 1):
        lower = sum(1 for one in scores[:t] if one < score)
        same = sum(1 for one in scores[:t] if one == score)
        found.append((lower + (1 - draw.random()) * same) / t)
    return found


def _starts(scores: Sequence[float], seed: int) -> Iterator[NDArray[np.float64]]:
    """After each look, what each start j up to it adds to M; shape (looks so far)."""
    widths, exponents = np.array(WIDTHS)[:, None], np.array(EXPONENTS)[:, None]
    logs = np.zeros((len(WIDTHS) + len(EXPONENTS), 0))
    for t, p in enumerate(ranks(scores, seed), 1):
        reach = np.minimum(1.0, widths * np.arange(t, 0, -1) / t)
        windows = np.log(LEAK + (1 - LEAK) * (p <= reach) / reach)
        powers = np.log(exponents) + (exponents - 1) * math.log(p) + np.zeros(t)
        logs = np.pad(logs, ((0, 0), (0, 1))) + np.concatenate([windows, powers])
        weights = (1 - 1 / DAYS) ** np.arange(t) / DAYS
        yield weights * np.exp(np.minimum(logs, 600.0)).mean(0)


def _drop(looks: Sequence[Sequence[float]], since: int) -> tuple[float, tuple[float, float] | None]:
    before, after = looks[:since], looks[since:]
    if not before:
        return 0.0, None
    rows = range(len(looks[0]))
    lower = [fmean(one[r] for one in before) - fmean(one[r] for one in after) for r in rows]
    drop = fmean(lower)
    if len(lower) < 2:
        return drop, None
    from scipy.special import stdtrit

    half = float(stdtrit(len(lower) - 1, 0.975)) * stdev(lower) / math.sqrt(len(lower))
    return drop, (drop - half, drop + half)

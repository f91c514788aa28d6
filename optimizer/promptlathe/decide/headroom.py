"""Can anything in this space matter? A few prompts on the same rows, before a search is paid for.

y(x, i): the score of prompt x, the seed among them, on row i; all k prompts on all m rows.

Is there a spread? If nothing mattered, the scores of a row could stand beside any of its prompts:
they are shuffled within rows, and what is seen is compared with what is seen then: the variance of
the prompts' means, how far the seed's is from the others', and the variance of the means of each
component's levels. The test is exact whatever the scores are (Fisher 1935; for scores of 0 and 1
the first of these statistics is Cochran's Q, 1950). One p value for all of them, and one for each
component that allows for the others, by the smallest p of each shuffle (Westfall & Young 1993,
algorithm 2.5).

How much? Prompts other than the seed are taken as drawn from one normal distribution:

    mean(x) ~ N(mu, sigma^2 + s^2 / m),   s^2 = residual mean square of prompts x rows        (1)
    p(mu, sigma) flat in mu, half Cauchy with scale SCALE in sigma (Gelman 2006)              (2)

sigma is the spread. What the best prompts of the space have over the seed is

    reach = mu + z sigma - seed,    z: the best of so many prompts, at most the best of forty (3)

with the prompts' means drawn up to as far below their median as the highest is above it, so that a
broken prompt does not count as reach. A search is worth its calls when reach is at least the
smallest gain that the decision on `test` would call better half of the time:

    worth = 1.96 sqrt(2 s^2 / rows of test), at least LEAST                                   (4)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np

SHUFFLES = 2_000
PARTS = 8
"""In which they are made, to save memory."""
DRAWS = 8_000
SCALE = 3.0
"""Points; the prior of sigma. Half of its mass is below."""
BEST_OF = 43
"""Prompts that (3) takes the best of at most: z is 2."""
GRID = np.concatenate([[0.0], np.geomspace(0.05, 60, 240)])
"""Values of sigma, in points."""
LEAST = 2.0
"""Points: a smaller gain is not worth a search, could it be shown or not."""
ALPHA = 0.05
UNLIKELY = 0.2
"""Chance of a reach that is worth a search, below which there is no headroom."""

Verdict = Literal[
    "headroom", "spread, but not above the seed", "spread", "no headroom seen", "cannot tell"
]


@dataclass(frozen=True)
class ComponentSpread:
    """What is seen of one component; in points."""

    component: str
    best: str
    """The level with the highest mean, and that with the lowest."""
    worst: str
    difference: float
    """Between their means. The best and the worst of several differ by chance, too: see `p`."""
    p: float
    """That so much is seen anywhere, if no level of anything mattered."""


@dataclass(frozen=True)
class Headroom:
    """What is known of a space after a few prompts on the same rows; in points."""

    verdict: Verdict
    prompts: int
    rows: int
    """Rows that all prompts answered."""
    p: float
    """That so much is seen, if no level of anything mattered."""
    spread: float
    """Standard deviation between prompts, without the noise."""
    spread_low: float
    spread_high: float
    reach: float
    """Of the best prompts of the space over the seed."""
    reach_low: float
    reach_high: float
    worth: float
    """The smallest gain that the decision would call better half of the time, at least LEAST."""
    chance: float
    """That `reach` is at least `worth`."""
    components: tuple[ComponentSpread, ...]
    """By their p, the smallest first."""


def headroom(
    scores: np.ndarray,
    levels: Mapping[str, Sequence[str | None]],
    *,
    size: float,
    test: int,
    seed: int = 0,
) -> Headroom:
    """scores: (k, m) of k prompts, the seed first, on m rows, both at least 2; one point is 0.01.

    levels: of each component the level of each prompt, None where it is not active. size: prompts
    in the space; test: rows of the decision.
    """
    y = 100 * np.asarray(scores, float)
    k, m = y.shape
    centred = y - y.mean(0)
    means = centred.mean(1)
    residual = _residual(centred, means)
    rng = np.random.default_rng(seed)
    components = {name: found for name, own in levels.items() if (found := _Groups.of(own))}
    p, by_component = _tests(centred, list(components.values()), rng)
    sigma, _ = _posterior(means[1:], residual / m, rng)
    reach = _reach(means, residual / m, size, rng)
    worth = max(LEAST, 1.96 * float(np.sqrt(2 * residual / test)))
    chance = float(np.mean(reach >= worth))
    low, high = (float(x) for x in np.quantile(reach, [0.025, 0.975]))
    spread_low, spread_high = (float(x) for x in np.quantile(sigma, [0.025, 0.975]))
    return Headroom(
        verdict=_verdict(p, chance, low),
        prompts=k,
        rows=m,
        p=p,
        spread=float(np.median(sigma)),
        spread_low=spread_low,
        spread_high=spread_high,
        reach=float(np.median(reach)),
        reach_low=low,
        reach_high=high,
        worth=worth,
        chance=chance,
        components=tuple(
            sorted(
                (
                    _seen(name, groups, means, one)
                    for (name, groups), one in zip(components.items(), by_component, strict=True)
                ),
                key=lambda one: (one.p, -one.difference),
            )
        ),
    )


def _verdict(p: float, chance: float, low: float) -> Verdict:
    if p < ALPHA:
        if low > 0:
            return "headroom"
        return "spread, but not above the seed" if chance < UNLIKELY else "spread"
    return "no headroom seen" if chance < UNLIKELY else "cannot tell"


def _residual(centred: np.ndarray, means: np.ndarray) -> float:
    """Mean square of what neither prompt nor row explains; never as if nothing could differ."""
    k, m = centred.shape
    square = float(np.sum((centred - means[:, None]) ** 2)) / ((k - 1) * (m - 1))
    return max(square, 100**2 / (k * m + 1))


# Is there a spread


@dataclass(frozen=True)
class _Groups:
    """The prompts by their level of one component."""

    names: tuple[str, ...]
    member: np.ndarray
    """(levels, k): 1 / (prompts with the level) where a prompt has it, else 0."""
    counts: np.ndarray

    @classmethod
    def of(cls, own: Sequence[str | None]) -> "_Groups | None":
        """None when there is nothing to compare."""
        names = tuple(dict.fromkeys(level for level in own if level is not None))
        if len(names) < 2:
            return None
        member = np.array([[level == name for level in own] for name in names], float)
        counts = member.sum(1)
        return cls(names, member / counts[:, None], counts)

    def square(self, means: np.ndarray) -> np.ndarray:
        """Between the levels, from prompts' means (..., k)."""
        of_level = means @ self.member.T
        centre = of_level @ self.counts / self.counts.sum()
        return ((of_level - centre[..., None]) ** 2) @ self.counts


def _tests(
    centred: np.ndarray, components: Sequence[_Groups], rng: np.random.Generator
) -> tuple[float, list[float]]:
    """p of anything, and of each component, allowing for all that is looked at."""
    means = [_shuffled_means(centred, SHUFFLES // PARTS, rng) for _ in range(PARTS)]
    found = _statistics(np.concatenate([centred.mean(1)[None], *means]), components)
    # What is seen is the first of them: if nothing matters, it is one like the others.
    share = np.stack([_share(column) for column in found.T], axis=1)
    smallest = share.min(1)
    adjusted = [float(np.mean(smallest <= p * (1 + 1e-9))) for p in share[0]]
    return min(adjusted), adjusted[2:]


def _shuffled_means(centred: np.ndarray, times: int, rng: np.random.Generator) -> np.ndarray:
    """(times, k) prompts' means with the scores of each row shuffled."""
    order = rng.random((times, *centred.shape)).argsort(axis=1)
    return np.take_along_axis(centred[None], order, axis=1).mean(2)


def _statistics(means: np.ndarray, components: Sequence[_Groups]) -> np.ndarray:
    """(n, 2 + components) of prompts' means (n, k)."""
    seed = abs(means[:, 0] - means[:, 1:].mean(1))
    return np.stack([means.var(1), seed, *(one.square(means) for one in components)], axis=1)


def _share(values: np.ndarray) -> np.ndarray:
    """The share of the values that is at least as large as each, rounding aside."""
    below = np.searchsorted(np.sort(values), values * (1 - 1e-9) - 1e-12, side="left")
    return 1 - below / len(values)


def _seen(name: str, groups: _Groups, means: np.ndarray, p: float) -> ComponentSpread:
    of_level = groups.member @ means
    best, worst = int(of_level.argmax()), int(of_level.argmin())
    difference = float(of_level[best] - of_level[worst])
    return ComponentSpread(name, groups.names[best], groups.names[worst], difference, p)


# How much


def _posterior(
    means: np.ndarray, error: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(DRAWS,) of sigma, and of mu, under (1) and (2); error: variance of a mean, s^2 / m."""
    count = len(means)
    variance = GRID**2 + error
    square = float(np.sum((means - means.mean()) ** 2))
    log = -0.5 * (count - 1) * np.log(variance) - square / (2 * variance)
    log -= np.log1p((GRID / SCALE) ** 2)
    weight = np.exp(log - log.max()) * np.gradient(GRID)
    sigma = rng.choice(GRID, DRAWS, p=weight / weight.sum())
    mu = means.mean() + np.sqrt((sigma**2 + error) / count) * rng.standard_normal(DRAWS)
    return sigma, mu


def _reach(means: np.ndarray, error: float, size: float, rng: np.random.Generator) -> np.ndarray:
    """(DRAWS,) of (3)."""
    others = means[1:]
    centre = np.median(others)
    # A prompt that is broken says nothing of how far the good ones reach.
    others = np.maximum(others, centre - (others.max() - centre))
    sigma, mu = _posterior(others, error, rng)
    start = means[0] + np.sqrt(error) * rng.standard_normal(DRAWS)
    best_of = min(size, BEST_OF)
    z = NormalDist().inv_cdf(best_of / (best_of + 1)) if best_of > 1 else 0.0
    return mu + z * sigma - start

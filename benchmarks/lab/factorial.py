"""Simulated worlds with a known optimum: products of components, as prompts are.

    logit p(x, i) = mu + sum of x's level effects + pairwise terms + residual of x - difficulty of i

Difficulties are heavy-tailed, so that many examples are nearly always right or nearly always
wrong, and the effects are scaled until the candidates' quality spreads as in recorded tables.
The quality of a candidate is the mean of p over the examples, not of the answers that were drawn.

    additive    level effects only, beside the residual
    pairwise    half of the variance is interactions of two components
    inert       most components do nothing
    broken      one level of one component always scores 0
    fractional  partial credit: the score is k of 4, each of the four with probability p
    noisy       answers flip with probability 0.1, anew for each repeat
    null        no candidate differs from another; examples do

An answer is a hash of (seed, candidate, example, repeat): the same cell has the same answer in any
order of asking, and nothing of the size candidates x examples is stored.
"""

import math
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal, get_args

import numpy as np

from lab.worlds import Codes, Component

Kind = Literal["additive", "pairwise", "inert", "broken", "fractional", "noisy", "null"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SIZES: dict[str, tuple[tuple[int, ...], int]] = {
    "100x50": ((5, 5, 4), 50),
    "720x200": ((6, 5, 4, 3, 2), 200),
    "5000x300": ((10, 10, 5, 5, 2), 300),
    "50000x1000": ((10, 10, 5, 5, 5, 2, 2), 1000),
}
"""Levels of each component, and examples."""
SMALL = ("100x50", "720x200")

CREDITS = 4
FLIP = 0.1
RESIDUAL = 0.25
"""Standard deviation of a candidate's residual, in units of that of its structured part."""
MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Factorial:
    """A `World`; `logits` holds one number for each candidate, in C order of the codes."""

    name: str
    kind: Kind
    components: tuple[Component, ...]
    examples: int
    seed: int
    logits: np.ndarray
    difficulties: np.ndarray
    best: float
    pool: None = None

    def outcome(self, codes: Codes, example: int, repeat: int = 0) -> float:
        candidate = self._index(codes)
        gap = float(self.difficulties[example] - self.logits[candidate])
        p = self._chance(1 / (1 + math.exp(gap)))
        draw = repeat if self.kind == "noisy" else 0
        if self.kind != "fractional":
            return float(_uniform(self.seed, candidate, example, draw) < p)
        hits = sum(_uniform(self.seed, candidate, example, k) < p for k in range(CREDITS))
        return hits / CREDITS

    def logit(self, codes: Codes) -> float:
        return float(self.logits[self._index(codes)])

    def quality(self, codes: Codes) -> float:
        return self._mean_chance(self.logits[self._index(codes)])

    def _index(self, codes: Codes) -> int:
        index = 0
        for code, component in zip(codes, self.components, strict=True):
            index = index * len(component.levels) + code
        return index

    def _chance(self, p: float) -> float:
        return p * (1 - 2 * FLIP) + FLIP if self.kind == "noisy" else p

    def _mean_chance(self, logit: float) -> float:
        return self._chance(_quality(np.array([logit]), self.difficulties)[0])


def simulate(kind: Kind, size: str, seed: int) -> Factorial:
    """A world of a kind and a size (a key of SIZES); another seed is another world."""
    shape, examples = SIZES[size]
    rng = np.random.default_rng([seed, KINDS.index(kind), list(SIZES).index(size)])
    difficulties = draw_difficulties(rng, examples)
    structure = _structure(kind, shape, rng)
    structure += RESIDUAL * structure.std() * rng.standard_normal(structure.shape)
    logits = _scaled(structure.ravel(), difficulties, rng)
    if kind == "broken":
        logits = _break(logits.reshape(shape), rng).ravel()
    components = tuple(
        Component(f"c{i}", tuple(range(levels)), "number" if i == 0 else "category")
        for i, levels in enumerate(shape)
    )
    name = f"{kind}-{size}"
    world = Factorial(name, kind, components, examples, seed, logits, difficulties, best=math.nan)
    # Quality grows with the logit, whatever the difficulties are: the highest logit is the best.
    object.__setattr__(world, "best", world._mean_chance(logits.max()))
    return world


def another_model(world: Factorial, *, seed: int, likeness: float) -> Factorial:
    """The same prompts and examples as another model answers them.

    Its logits and its difficulties correlate by `likeness` with those of `world`.
    """
    size = world.name.removeprefix(f"{world.kind}-")
    other = simulate(world.kind, size, seed)
    rest = math.sqrt(1 - likeness**2)

    def mixed(own: np.ndarray, others: np.ndarray) -> np.ndarray:
        usual = own > own.max() - 50  # a broken level stays broken
        mean, unit = own[usual].mean(), (others - np.median(others)) / others[usual].std()
        found = mean + likeness * (own - mean) + rest * own[usual].std() * np.clip(unit, -4, 4)
        return np.where(usual, found, own)

    made = replace(
        world,
        seed=seed,
        logits=mixed(world.logits, other.logits),
        difficulties=mixed(world.difficulties, other.difficulties),
    )
    object.__setattr__(made, "best", made._mean_chance(made.logits.max()))
    return made


def draw_difficulties(rng: np.random.Generator, examples: int) -> np.ndarray:
    """Student's t with 3 degrees of freedom: some examples that no prompt gets right or wrong."""
    return np.clip(2.0 * rng.standard_t(3, examples), -30, 30)


def _structure(kind: Kind, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Level effects and interactions, of shape `shape`, in arbitrary units."""
    total = np.zeros(shape)
    if kind == "null":
        return total
    active = range(len(shape))
    if kind == "inert":
        active = rng.permutation(len(shape))[: max(1, len(shape) // 3)]
    for place in active:
        total += _along(_effects(shape[place], rng, smooth=place == 0), (place,), shape)
    if kind == "pairwise":
        terms = np.zeros(shape)
        for pair in combinations(range(len(shape)), 2):
            effects = rng.standard_normal([shape[place] for place in pair])
            terms += _along(rng.gamma(1.0) * effects, pair, shape)
        total += terms * total.std() / terms.std()
    return total


def _effects(levels: int, rng: np.random.Generator, *, smooth: bool) -> np.ndarray:
    """Effects of one component's levels; components differ much in how strong they are."""
    strength = rng.gamma(2.0)
    if not smooth:
        return strength * rng.standard_normal(levels)
    # Like a number of demos: a hump with its top anywhere.
    place = np.linspace(0, 1, levels)
    return -4 * strength * (place - rng.uniform(0, 1)) ** 2


def _along(effects: np.ndarray, places: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    return effects.reshape([n if i in places else 1 for i, n in enumerate(shape)])


def _scaled(
    structure: np.ndarray, difficulties: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Logits whose qualities have a median of 40 to 75 points and a spread (sd) of 4 to 9."""
    median, spread = rng.uniform(0.40, 0.75), rng.uniform(0.04, 0.09)
    grid = np.linspace(-25, 25, 2001)
    curve = _quality(grid, difficulties)
    centre = float(np.interp(median, curve, grid))
    if not structure.any():
        return np.full(structure.shape, centre)
    unit = (structure - np.median(structure)) / structure.std()
    low, high = 0.0, 8.0
    for _ in range(40):  # bisection: the spread grows with the scale
        scale = (low + high) / 2
        narrow = np.interp(centre + scale * unit, grid, curve).std() < spread
        low, high = (scale, high) if narrow else (low, scale)
    return centre + scale * unit


def _break(logits: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One level of one component answers in a form that no scorer accepts."""
    place = int(rng.integers(1, logits.ndim))
    logits = np.moveaxis(logits, place, 0).copy()
    logits[rng.integers(len(logits))] = -100.0
    return np.moveaxis(logits, 0, place)


def _quality(logits: np.ndarray, difficulties: np.ndarray) -> np.ndarray:
    """Mean success over the examples, for each logit."""
    return (1 / (1 + np.exp(difficulties - np.asarray(logits)[:, None]))).mean(axis=1)


def _uniform(*key: int) -> float:
    """A number in [0, 1) from a key: rounds of splitmix64 (Steele, Lea & Flood 2014)."""
    state = 0
    for part in key:
        state = (state + part + 1) * 0x9E3779B97F4A7C15 & MASK
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & MASK
        state = (state ^ state >> 27) * 0x94D049BB133111EB & MASK
        state ^= state >> 31
    return (state >> 11) / (1 << 53)

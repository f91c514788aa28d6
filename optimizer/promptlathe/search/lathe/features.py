"""Candidates as rows of numbers: what the model of outcomes (model.py) knows of their levels.

An axis is one thing that varies. Its features make the prior covariance of its levels' effects,
scaled so that a level has variance 1 on average (the model multiplies it by the axis' variance):

    Category  levels without an order: independent effects
    Texts     half independent, half shared between similar texts (cosine of n-gram counts); of
              the first half of a text that was made from others, INHERITED is theirs
    Number    smooth: piecewise linear between knots, whose covariance is exp(-distance / LENGTH)
    Rows      which rows are shown as demos: an effect of each row, divided by sqrt(how many)

Pairs of axes add an independent effect for each pair of levels, with one variance for all.
"""

import zlib
from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations
from typing import Protocol

import numpy as np

from promptlathe.search.lathe.link import Array
from promptlathe.search.lathe.model import Group

KNOTS = 9
LENGTH = 0.5
"""In units of the range."""
BINS = 4
"""Of a number in a pair."""
TEXT_FEATURES = 48
INHERITED = 0.7
"""Share of its parent's effect in that of a text that was made from it, as variance."""
MOST_INDEPENDENT = 64
"""Texts beyond which each has no effect of its own: it would be the candidate's residual."""
MOST_PAIRS = 400
"""Pairs of levels of two axes that are modelled."""
BUCKETS = 1 << 12
NGRAM = 4


class Axis(Protocol):
    """One thing that varies."""

    name: str
    width: int
    prior: float
    """Variance of its effects before any data (logit scale)."""
    levels: int
    """How many codes there are; 0: takes no part in pairs."""

    def vector(self, value: Hashable) -> Array:
        """(width,) features of a level."""
        ...

    def code(self, value: Hashable) -> int:
        """The level's number, for pairs."""
        ...


class Category:
    """Levels without an order."""

    prior = 0.1

    def __init__(self, name: str, values: Sequence[Hashable]) -> None:
        self.name, self.levels = name, len(values)
        self.width = len(values)
        self._place = {value: i for i, value in enumerate(values)}
        self._rows = np.eye(self.width)

    def vector(self, value: Hashable) -> Array:
        return self._rows[self._place[value]]

    def code(self, value: Hashable) -> int:
        return self._place[value]


class Texts(Category):
    """Levels that are texts; `texts` maps a level's name to its text, `parents` to the levels
    before it that it was made from."""

    def __init__(
        self,
        name: str,
        texts: Mapping[str, str],
        parents: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(name, list(texts))
        for level, before in (parents or {}).items():
            inherited = np.mean([self._rows[self._place[one]] for one in before], axis=0)
            own = np.sqrt(1 - INHERITED * inherited @ inherited) * self.vector(level)
            self._rows[self._place[level]] = np.sqrt(INHERITED) * inherited + own
        similar = ngram_features(list(texts.values()))
        if len(texts) > MOST_INDEPENDENT:
            self._rows = similar
        elif similar.shape[1]:
            self._rows = np.hstack([self._rows, similar]) / np.sqrt(2)
        self.width = self._rows.shape[1]


class Number:
    """A number in [low, high]."""

    prior = 0.25
    width = KNOTS
    levels = BINS

    def __init__(self, name: str, low: float, high: float) -> None:
        self.name, self._low, self._range = name, low, max(high - low, 1e-12)
        knots = np.linspace(0, 1, KNOTS)
        distance = np.abs(knots[:, None] - knots)
        self._root = np.linalg.cholesky(np.exp(-distance / LENGTH))

    def _place(self, value: Hashable) -> float:
        return (float(value) - self._low) / self._range  # type: ignore[arg-type]

    def vector(self, value: Hashable) -> Array:
        place = self._place(value) * (KNOTS - 1)
        left = min(int(place), KNOTS - 2)
        share = place - left
        return (1 - share) * self._root[left] + share * self._root[left + 1]

    def code(self, value: Hashable) -> int:
        return min(int(self._place(value) * BINS), BINS - 1)


class Rows:
    """Which rows are shown; a level is a tuple of row ids."""

    prior = 0.15
    levels = 0

    def __init__(self, name: str, ids: Sequence[Hashable]) -> None:
        self.name, self.width = name, len(ids)
        self._column = {one: i for i, one in enumerate(ids)}

    def vector(self, value: Hashable) -> Array:
        shown: tuple[Hashable, ...] = value  # type: ignore[assignment]
        row = np.zeros(self.width)
        for one in shown:
            row[self._column[one]] = 1 / np.sqrt(len(shown))
        return row

    def code(self, value: Hashable) -> int:
        return 0


class Encoder:
    """Levels in, features out. A level None is not active: it has no effect."""

    PAIR_PRIOR = 0.04

    def __init__(self, axes: Sequence[Axis], steps: Sequence[str] = ()) -> None:
        """steps: for each axis, the step of a chain that it belongs to."""
        self.axes = tuple(axes)
        steps = steps or [""] * len(axes)
        self._cache: list[dict[Hashable, tuple[Array, int]]] = [
            {None: (np.zeros(axis.width), -1)} for axis in axes
        ]
        groups: list[Group] = []
        start = 1  # column 0 is the constant
        for axis in axes:
            groups.append(Group(axis.name, start, start + axis.width, axis.prior))
            start += axis.width
        self._main = start
        self.pairs: list[tuple[int, int, int]] = []
        """(first axis, second axis, first column)."""
        for i, j in combinations(range(len(axes)), 2):
            # Between steps interactions are rarely significant (arXiv 2604.14585).
            count = axes[i].levels * axes[j].levels if steps[i] == steps[j] else 0
            if 0 < count <= MOST_PAIRS:
                self.pairs.append((i, j, start))
                start += count
        if self.pairs:
            groups.append(Group("pairs", self._main, start, self.PAIR_PRIOR))
        self.groups, self.width = tuple(groups), start

    def encode(self, candidates: Sequence[Sequence[Hashable]]) -> Array:
        """(n, width) features; each candidate has a value for each axis, in their order."""
        n = len(candidates)
        phi = np.zeros((n, self.width))
        phi[:, 0] = 1
        codes = np.empty((n, len(self.axes)), int)
        column = 1
        for k, axis in enumerate(self.axes):
            found = [self._look(k, candidate[k]) for candidate in candidates]
            phi[:, column : column + axis.width] = [vector for vector, _ in found]
            codes[:, k] = [code for _, code in found]
            column += axis.width
        for i, j, first in self.pairs:
            both = np.flatnonzero((codes[:, i] >= 0) & (codes[:, j] >= 0))
            columns = first + codes[both, i] * self.axes[j].levels + codes[both, j]
            phi[both, columns] = 1 / np.sqrt(len(self.pairs))
        return phi

    def _look(self, axis: int, value: Hashable) -> tuple[Array, int]:
        cache = self._cache[axis]
        if value not in cache:
            one = self.axes[axis]
            cache[value] = one.vector(value), one.code(value)
        return cache[value]


def ngram_features(texts: Sequence[str]) -> Array:
    """(texts, k) features whose products are the texts' similarities, centred, variance 1.

    Similarity: cosine of damped counts of character 4-grams and words, hashed, weighted by
    inverse document frequency (Salton & Buckley 1988); the largest k components are kept.
    """
    if len(texts) < 3:
        return np.zeros((len(texts), 0))
    counts = np.zeros((len(texts), BUCKETS), np.float32)
    for row, text in zip(counts, texts, strict=True):
        plain = f" {' '.join(text.lower().split())} "
        grams = [plain[i : i + NGRAM] for i in range(len(plain) - NGRAM + 1)] + plain.split()
        for gram in grams:
            row[zlib.crc32(gram.encode("utf-8", "replace")) % BUCKETS] += 1
    x = np.sqrt(counts) * np.log((1 + len(texts)) / (1 + (counts > 0).sum(0)))
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9)
    x -= x.mean(0)
    values, vectors = np.linalg.eigh(np.asarray(x @ x.T, float))
    order = np.argsort(-values)[:TEXT_FEATURES]
    order = order[values[order] > 1e-9]
    features = vectors[:, order] * np.sqrt(values[order])
    scale = np.sqrt(np.mean(np.sum(features**2, axis=1)))
    return features / scale if scale > 0 else features

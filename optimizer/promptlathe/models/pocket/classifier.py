"""Evidence and demos of a prompt against the final input, by TF-IDF inside the prompt.

Each label has a description: its name, its definitions and the rules that point to it; words of
denials count DENIED times. A feature's weight is log((L + 1) / l), with L labels of which l show
it in a description or a demo. With unit vectors d_k (descriptions), v_i (demos) and x (the input):

    score(k) = x·d_k + DEMOS · (max_i x·v_i + mean_i x·v_i) / 2 + PRIOR · log(share of k)

over the demos i of label k; the share is smoothed by one demo a label. So one demo that is near
helps at once, many describe the label better, and an unbalanced set pulls towards its largest
label. The weights were set on ten intents of Banking77 and are not tuned to any other task.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from promptlathe.models.pocket.features import features, split_name
from promptlathe.models.pocket.rules import Evidence

DENIED = -0.5
DEMOS = 0.7
PRIOR = 0.02
Floats = NDArray[np.float64]


class Demo(NamedTuple):
    """A solved example: an input and the index of its label."""

    text: str
    label: int


@dataclass(frozen=True, slots=True)
class Ranking:
    """All labels, the most likely first, with their scores."""

    labels: tuple[str, ...]
    scores: tuple[float, ...]

    @property
    def closeness(self) -> float:
        """How near the second comes to the first: 0 (far behind) to 1 (equal)."""
        if len(self.scores) < 2:
            return 0.0
        first, second = self.scores[:2]
        return min(1.0, max(0.0, second / first)) if first > 0 else 1.0

    @property
    def confidence(self) -> float:
        """A share of 1 for the first label, which falls with the closeness of the second."""
        return round(1.0 - self.closeness / 2, 2)


class Classifier:
    """The vectors of one context. Rows are the labels' descriptions, then the demos."""

    def __init__(
        self, labels: Sequence[str], evidence: Sequence[Evidence], demos: Sequence[Demo]
    ) -> None:
        self.labels = tuple(labels)
        # That one ticket says "was" tells nothing about its label, unlike a label named `how_to`.
        rows = _descriptions(labels, evidence)
        rows += [features(d.text, function_words=False) for d in demos]
        owners = [*range(len(labels)), *(d.label for d in demos)]
        weights = _rarity(rows, owners, len(labels))
        self._ids = {feature: i for i, feature in enumerate(weights)}
        self._weights = np.array(list(weights.values()))
        self._starts, self._rows, self._values = _by_feature(rows, self._ids, self._weights)
        self._owners = np.array([d.label for d in demos], dtype=np.intp)
        counts = np.bincount(self._owners, minlength=len(labels))
        self._counts = np.maximum(counts, 1)
        share = (counts + 1) / (counts.sum() + len(labels)) if demos else np.ones(len(labels))
        self._prior = PRIOR * np.log(share)

    def rank(self, text: str) -> Ranking:
        """Put the labels in order for one input."""
        size = len(self.labels) + len(self._owners)
        near = self._cosines(features(text), size)
        scores = near[: len(self.labels)] + self._prior
        if len(self._owners):
            scores = scores + DEMOS * self._demo_part(near[len(self.labels) :])
        # A stable sort: of equal labels the one named first in the prompt wins.
        order = np.argsort(-scores, kind="stable")
        return Ranking(tuple(self.labels[k] for k in order), tuple(float(scores[k]) for k in order))

    def _demo_part(self, near: Floats) -> Floats:
        nearest = np.zeros(len(self.labels))
        np.maximum.at(nearest, self._owners, near)
        total = _sums(self._owners, near, len(self.labels))
        return (nearest + total / self._counts) / 2

    def _cosines(self, counts: Mapping[str, float], size: int) -> Floats:
        """Of the input with each row, by the features that they share."""
        known = [f for f in counts if f in self._ids]
        ids = np.array([self._ids[f] for f in known], dtype=np.intp)
        x = _damped(np.array([counts[f] for f in known])) * self._weights[ids]
        x = x / (float(np.sqrt(x @ x)) or 1.0)
        starts = self._starts[ids]
        spans = self._starts[ids + 1] - starts
        places = np.repeat(np.arange(len(known)), spans)
        within = np.arange(len(places)) - np.repeat(np.cumsum(spans) - spans, spans)
        at = starts[places] + within
        return _sums(self._rows[at], self._values[at] * x[places], size)


def _descriptions(labels: Sequence[str], evidence: Sequence[Evidence]) -> list[dict[str, float]]:
    """Signed feature counts of each label."""
    rows = [features(split_name(name)) for name in labels]
    at = {name: i for i, name in enumerate(labels)}
    for item in evidence:
        row = rows[at[item.label]]
        sign = 1.0 if item.sign > 0 else DENIED
        for feature, count in features(item.text).items():
            row[feature] = row.get(feature, 0.0) + sign * count
    return rows


def _rarity(
    rows: Sequence[Mapping[str, float]], owners: Sequence[int], labels: int
) -> dict[str, float]:
    shown_by: list[set[str]] = [set() for _ in range(labels)]
    for row, owner in zip(rows, owners, strict=True):
        # A word that only a denial brings to a label does not make it common.
        shown_by[owner].update(feature for feature, count in row.items() if count > 0)
    counts = Counter(feature for shown in shown_by for feature in shown)
    # In order of first appearance, never in a set's: equal prompts must give equal sums.
    features_in_order = dict.fromkeys(feature for row in rows for feature in row)
    return {f: float(np.log((labels + 1) / max(counts[f], 1))) for f in features_in_order}


def _sums(places: NDArray[np.intp], parts: Floats, size: int) -> Floats:
    """The sum of the parts at each of `size` places."""
    return np.bincount(places, weights=parts, minlength=size).astype(np.float64)


def _damped(counts: Floats) -> Floats:
    """1 + log of counts above 1, so that repetition counts less each time; the sign stays."""
    size = np.abs(counts)
    return np.sign(counts) * np.where(size > 1, 1 + np.log(np.maximum(size, 1)), size)


def _by_feature(
    rows: Sequence[Mapping[str, float]], ids: Mapping[str, int], weights: Floats
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """The unit vectors of all rows as columns: (starts by feature, row numbers, values)."""
    columns = np.array([ids[f] for row in rows for f in row], dtype=np.intp)
    numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    values = _damped(np.array([n for row in rows for n in row.values()])) * weights[columns]
    squares = _sums(numbers, values * values, len(rows))
    values = values / np.sqrt(np.where(squares > 0, squares, 1.0))[numbers]
    order = np.argsort(columns, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(columns, minlength=len(ids)))])
    return starts.astype(np.intp), numbers[order].astype(np.intp), values[order]

"""The table of outcomes: a row for each candidate, a column for each example."""

from dataclasses import dataclass, field

import numpy as np

from promptlathe.search.lathe.landscape import Point
from promptlathe.search.lathe.link import Array
from promptlathe.search.pooled import PooledCandidate

SILENT = 8
"""Failures of the service in a row without an answer, after which a candidate or an example is
given up."""


@dataclass(eq=False)
class Row:
    """A candidate that the model knows."""

    point: Point
    member: PooledCandidate | None = None
    """None while it is known from earlier runs only."""
    silent: int = 0
    """Failures of the service since the last answer."""


@dataclass(eq=False)
class Table:
    """Scores by candidate and example; grows by rows."""

    examples: int
    rows: list[Row] = field(default_factory=list[Row])
    y: Array = field(init=False)
    """(rows or more, examples) scores, the mean over repeats; nan where there is none."""
    soft: Array = field(init=False)
    """How likely the model thought the right answer, the mean likewise; nan where not known."""
    answers: Array = field(init=False)
    """How many answers each mean is of."""
    asked: Array = field(init=False)
    """How often each cell was sent."""
    unsent: Array = field(init=False)
    """(rows or more,) how many examples each row was not sent: kept, since it is read often."""
    phi: Array = field(init=False)
    """(rows or more, p) features."""
    failed: Array = field(init=False)
    """(examples,) failures, while an example has no answer."""

    def __post_init__(self) -> None:
        shape = (0, self.examples)
        self.y, self.soft = np.zeros(shape), np.zeros(shape)
        self.answers, self.asked = np.zeros(shape, int), np.zeros(shape, int)
        self.unsent = np.zeros(0, int)
        self.phi = np.zeros((0, 0))
        self.failed = np.zeros(self.examples, int)

    def add(self, point: Point, phi: Array) -> int:
        """The index of a new row."""
        n = len(self.rows)
        if n == len(self.y):
            more = (max(16, n), self.examples)
            self.y = np.vstack([self.y, np.full(more, np.nan)])
            self.soft = np.vstack([self.soft, np.full(more, np.nan)])
            self.answers = np.vstack([self.answers, np.zeros(more, int)])
            self.asked = np.vstack([self.asked, np.zeros(more, int)])
            self.unsent = np.concatenate([self.unsent, np.full(more[0], self.examples)])
            self.phi = np.vstack([self.phi.reshape(n, len(phi)), np.zeros((more[0], len(phi)))])
        self.rows.append(Row(point))
        self.phi[n] = phi
        return n

    def describe(self, phi: Array) -> None:
        """New features (rows, p) of all rows: the space has grown."""
        self.phi = np.zeros((len(self.y), phi.shape[1]))
        self.phi[: len(phi)] = phi

    def send(self, index: int, place: int) -> int:
        """Note that a cell is sent; how often it was sent before."""
        before = int(self.asked[index, place])
        self.asked[index, place] += 1
        self.unsent[index] -= not before
        return before

    def take(
        self, index: int, place: int, value: float | None, soft: float | None = None
    ) -> float | None:
        """A cell's value; None: the service failed. How far a repeat is from those before it."""
        row = self.rows[index]
        if value is None:
            row.silent += 1
            self.failed[place] += 1
            return None
        row.silent = 0
        self.failed[place] = -(10**6)
        before = self.answers[index, place]
        if soft is not None:
            known = before if not np.isnan(self.soft[index, place]) else 0
            mean = np.nan_to_num(self.soft[index, place])
            self.soft[index, place] = mean + (soft - mean) / (known + 1)
        if not before:
            self.y[index, place] = value
            self.answers[index, place] = 1
            return None
        change = abs(value - self.y[index, place])
        self.y[index, place] += (value - self.y[index, place]) / (before + 1)
        self.answers[index, place] += 1
        return float(change)

    def know(self, index: int, place: int, value: float) -> None:
        """A cell's score from an earlier run; the first counts."""
        if not np.isnan(self.y[index, place]):
            return
        self.y[index, place], self.answers[index, place] = value, 1
        self.send(index, place)

    def known(self, index: int) -> Array:
        """The known scores of a row."""
        y = self.y[index]
        return y[~np.isnan(y)]

    def left(self, index: int) -> Array:
        """Places that a row has not been sent."""
        return np.flatnonzero((self.asked[index] == 0) & (self.failed < SILENT))

    def usable(self, n: int) -> Array:
        """(n,) rows that have an example left and are answered at all."""
        left = self.unsent[:n]
        given_up = np.flatnonzero(self.failed >= SILENT)
        if len(given_up):
            left = left - (self.asked[:n, given_up] == 0).sum(1)
        return (left > 0) & self.answering(n)

    def answering(self, n: int) -> Array:
        """(n,) rows that were not given up."""
        return np.fromiter((row.silent < SILENT for row in self.rows[:n]), bool, n)

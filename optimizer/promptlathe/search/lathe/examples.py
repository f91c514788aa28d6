"""Which example a candidate meets next.

At random in proportion to a power of the Fisher information of its answer; or, as far as a memory
is trusted, the next of those that told other prompts apart (rows.py); now and then (UNIFORM) any
example, so that a wrong model is noticed.

A text that is written mid-run may find other examples hard than those before it. The examples that
say most are then those on which the old prompts do well, and the new one would look worse than it
is (decision 0009). So, once levels were added, a candidate's example is drawn at random as far as
its answers do not say that it finds hard what the others do (decision 0030).
"""

import numpy as np

from promptlathe.search.lathe.link import Array
from promptlathe.search.lathe.look import Look
from promptlathe.search.lathe.memory import Memory
from promptlathe.search.lathe.model import Fit
from promptlathe.search.lathe.table import Table

UNIFORM, SHARPNESS = 0.15, 3.0
"""Share of draws at random, and the power of the information in the others."""


class Examples:
    """Chooses places of examples, for the rows of a table."""

    def __init__(self, rng: np.random.Generator, table: Table, memory: Memory) -> None:
        self.memory = memory
        self.grown = False
        """Levels were added mid-run."""
        self._rng, self._table = rng, table
        self._first = self._order()

    def first(self) -> Array:
        """Places in the order in which new candidates meet them: the same for all, until levels are
        added."""
        return self._rng.permutation(self._table.examples) if self.grown else self._first

    def _order(self) -> Array:
        """What told prompts apart, or else what an answer would say most of; some at random in
        between. By place, where nothing is remembered."""
        n, rank, information = self._table.examples, self.memory.rank, self.memory.information
        if information is None:
            return np.arange(n)
        if np.isfinite(rank).any():
            anywhere = self._rng.random(n) < UNIFORM
            return np.argsort(np.where(anywhere, n * self._rng.random(n), rank), kind="stable")
        chance = information**SHARPNESS
        chance = (1 - UNIFORM) * chance / chance.sum() + UNIFORM / n
        return self._rng.choice(n, n, replace=False, p=chance / chance.sum())

    def next(self, index: int, look: Look | None) -> int:
        """The place of an example that says much about this row; it has one left."""
        places = self._table.left(index)
        fit = look.fit if look is not None else None
        if self.grown and self._rng.random() >= _agreement(fit, index):
            return int(self._rng.choice(places))
        if fit is None:
            return int(places[0])
        rank = self.memory.rank[places]
        if np.isfinite(rank).any() and self._rng.random() < (1 - UNIFORM) * fit.heeded:
            return int(places[np.argmin(rank)])
        tried = index < len(fit.u)
        u = fit.u[index : index + 1] if tried else fit.predict(self._table.phi[index : index + 1])
        information = fit.information(u)[0, places] ** SHARPNESS
        if not (total := information.sum()) > 0:  # nothing is left to learn
            return int(self._rng.choice(places))
        chance = information / total
        return int(self._rng.choice(places, p=(1 - UNIFORM) * chance + UNIFORM / len(places)))


def _agreement(fit: Fit | None, index: int) -> float:
    """How likely it is that the row finds hard what the others do, as far as anything is known."""
    return 0.0 if fit is None or index >= len(fit.u) else fit.agreement(index)

"""What earlier answers say before this run asks anything: of the examples, and of the levels.

Earlier outcomes come from sources: other models, and this model with prompts that the space does
not make any more. The model of outcomes (model.py) is fitted to those of each source.

Examples: the source gives the difficulty of each, a distribution q(i) on GRID. What it is here may
differ. So each source brings several experts, which say that the difficulty here is the source's
up to a normal error of some SPREAD:

    P_k(i, g) = sum_g' N_k(g | g') q(i, g')                                                (1)
    prior(i, g) = t_0 h(g) + sum_k t_k P_k(i, g)                                           (2)

h is the distribution of the difficulties whichever the example, as without a memory. The trust t
is the mean over hypotheses (no expert is right, or one is for some share of the examples), by how
likely each makes this run's answers, as of the last fit (Hoeting et al. 1999): what misleads is
soon left aside. Sources form a chain, this model's last: each is fitted with those before it as its
memory, and so hands on what they say as far as it fits.

Levels: the effects that a source found, w_s, are a direction in which the effects here may lie,

    w ~ N(sum_s b_s w_s, V),   b_s ~ N(DIRECTION, v_s)                                      (3)

which is one more feature of each candidate, phi(x)' w_s, with a variance that is estimated like
those of the others. Of a prompt with some levels that are gone, those that are left count.
"""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promptlathe.records import Candidate, Value
from promptlathe.search.lathe.landscape import Encoding, Landscape, Point
from promptlathe.search.lathe.likelihood import GRID
from promptlathe.search.lathe.link import Array
from promptlathe.search.lathe.model import Data, Fit, Group, fit
from promptlathe.search.lathe.rows import ranked
from promptlathe.search.lathe.settings import Earlier

SPREADS = (0.6, 1.5, 3.0)
"""Standard deviations of an expert's error, on the logit scale."""
MOST_SOURCES = 3
"""Other models that are heard: those with the most outcomes."""
MOST_PROMPTS = 100
"""Of a source, that are heard: those with the most outcomes."""
OWN_VARIANCE = 0.5
"""Of what a prompt with a level that is gone does besides its other levels, before any data."""
DIRECTION, DIRECTION_VARIANCE = 1.0, 0.15
"""What is expected of b_s, and v_s before any data; of several sources the sum."""
ROUNDS = 6
"""Fits, each of which takes the variances and the trust one step further."""


@dataclass(frozen=True)
class Memory:
    """What is known of m examples, and of p features of candidates."""

    experts: Array
    """(E, m, len(GRID)); E is 0 when nothing is known."""
    information: Array | None
    """(m,) Fisher information of an answer about a prompt like those of the last source."""
    rank: Array
    """(m,) by how much an example told prompts of this model apart (rows.py), from 0 on; inf for
    those that are not ranked. What tells another model's apart is no guide (decision 0030)."""
    directions: Array
    """(p, S) w_s of each source; S is 0 when nothing is known of any level."""

    def over(self, landscape: Landscape) -> Landscape:
        """The landscape, its candidates with a feature for each direction."""
        return _Directed(landscape, self.directions) if self.directions.shape[1] else landscape


def remember(earlier: Sequence[Earlier], place: Mapping[str, int], landscape: Landscape) -> Memory:
    """What the sources say of the examples, by their place."""
    sources: dict[str, list[Earlier]] = defaultdict(list)
    for one in earlier:
        if one.example in place:
            sources[one.model].append(one)
    others = sorted((s for s in sources if s), key=lambda s: (len(sources[s]), s))
    chain = [*others[-MOST_SOURCES:], *([""] if "" in sources else [])]
    experts, information = np.zeros((0, len(place), len(GRID))), None
    rank = np.full(len(place), np.inf)
    p = landscape.encoder.width
    directions = np.zeros((p, 0))
    for source in chain:
        found = _fitted(sources[source], place, experts, landscape)
        experts = np.concatenate([experts, _widened(found.difficulty)])
        information = found.information(found.weights[:1])[0]
        if not source:
            rank = ranked(found)
        direction = found.weights[:p, None].copy()
        direction[0] = 0  # the level is another model's
        if direction.any():
            directions = np.hstack([directions, direction])
    return Memory(experts, information, rank, directions)


def _fitted(
    outcomes: Sequence[Earlier], place: Mapping[str, int], experts: Array, landscape: Landscape
) -> Fit:
    """The model of outcomes of one source."""
    by_prompt: dict[str, list[Earlier]] = defaultdict(list)
    for one in outcomes:
        by_prompt[one.prompt].append(one)
    prompts = sorted(by_prompt, key=lambda p: -len(by_prompt[p]))[:MOST_PROMPTS]
    y = np.full((len(prompts), len(place)), np.nan)
    for row, prompt in enumerate(prompts):
        for one in reversed(by_prompt[prompt]):  # the latest comes first, and counts
            y[row, place[one.example]] = one.value
    low, high = min(0.0, float(np.nanmin(y))), max(1.0, float(np.nanmax(y)))
    first = [by_prompt[prompt][0] for prompt in prompts]
    phi = landscape.encoder.encode([landscape.left(one.levels) for one in first])
    gone = np.flatnonzero([not one.made for one in first])
    own = np.zeros((len(prompts), len(gone)))
    own[gone, np.arange(len(gone))] = 1
    p = phi.shape[1]
    groups = [*landscape.encoder.groups, Group("own", p, p + len(gone), OWN_VARIANCE)]
    scores = (y - low) / (high - low)
    data = Data(groups, np.hstack([phi, own]), scores, np.ones(y.shape), memory=experts)
    found = fit(data)
    for _ in range(ROUNDS):
        found = fit(data, found)
    return found


def _widened(difficulty: Array) -> Array:
    """Equation (1): (len(SPREADS), m, len(GRID)) from q (m, len(GRID))."""
    kernels = np.exp(-0.5 * ((GRID - GRID[:, None]) / np.array(SPREADS)[:, None, None]) ** 2)
    kernels /= kernels.sum(2, keepdims=True)
    return difficulty @ kernels


class _DirectedEncoder:
    """An `Encoding` with one more feature for each direction."""

    def __init__(self, inner: Encoding, directions: Array) -> None:
        self._inner, self._directions = inner, directions
        p, more = directions.shape
        self.width = p + more
        self.groups = (
            *inner.groups,
            *(
                Group(f"source {k}", p + k, p + k + 1, DIRECTION_VARIANCE / more, DIRECTION / more)
                for k in range(more)
            ),
        )

    def encode(self, candidates: Sequence[Sequence[Hashable]]) -> Array:
        phi = self._inner.encode(candidates)
        return np.hstack([phi, phi @ self._directions])


class _Directed:
    """A `Landscape` whose candidates have such features."""

    def __init__(self, inner: Landscape, directions: Array) -> None:
        self._inner, self._directions = inner, directions
        self.encoder = _DirectedEncoder(inner.encoder, directions)
        self.seed = inner.seed

    def values(self, point: Point) -> Sequence[Hashable]:
        return self._inner.values(point)

    def left(self, levels: Mapping[str, Value]) -> Sequence[Hashable]:
        return self._inner.left(levels)

    def candidate(self, point: Point) -> Candidate:
        return self._inner.candidate(point)

    def suggest(
        self, rng: np.random.Generator, *, count: int, leaders: Sequence[Point], weights: Array
    ) -> list[Point]:
        """What the directions add to the effects of the levels is one of their effects."""
        p = len(self._directions)
        effects = weights[:p] + self._directions @ weights[p:]
        return self._inner.suggest(rng, count=count, leaders=leaders, weights=effects)

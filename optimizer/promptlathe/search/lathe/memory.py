"""What earlier answers say of the examples: their difficulty, before this run asks anything.

Earlier outcomes come from sources: other models, and this model with prompts that the space does
not make any more. A source's prompts answered some of the examples; the model of outcomes
(model.py) is fitted to them, with a level of its own for each prompt, and gives each example's
difficulty there, a distribution q(i) on GRID. What it is here may differ. So each source brings
several experts, which say that the difficulty here is the source's up to a normal error of some
SPREAD:

    P_k(i, g) = sum_g' N_k(g | g') q(i, g')                                                (1)
    prior(i, g) = w_0 h(g) + sum_k w_k P_k(i, g)                                           (2)

h is the distribution of the difficulties whichever the example, as without a memory. The weights w
are the trust in the sources: they are estimated with everything else from this run's answers
(model.py), so what misleads is soon left aside. Sources form a chain, this model's last: each is
fitted with those before it as its memory, and so hands on what they say as far as it fits.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from promptlathe.search.lathe.model import GRID, Array, Data, Fit, Group, fit
from promptlathe.search.lathe.settings import Earlier

SPREADS = (0.6, 1.5, 3.0)
"""Standard deviations of an expert's error, on the logit scale."""
MOST_SOURCES = 3
"""Other models that are heard: those with the most outcomes."""
MOST_PROMPTS = 100
"""Of a source, that are heard: those with the most outcomes."""
LEVEL_VARIANCE = 0.5
"""Of a prompt's own level, before any data."""
ROUNDS = 6
"""Fits, each of which takes the variances and the trust one step further."""


@dataclass(frozen=True)
class Memory:
    """What is known of m examples."""

    experts: Array
    """(E, m, len(GRID)); E is 0 when nothing is known."""
    information: Array | None
    """(m,) Fisher information of an answer about a prompt like those of the last source."""


def remember(earlier: Sequence[Earlier], place: Mapping[str, int]) -> Memory:
    """What the sources say of the examples, by their place."""
    sources: dict[str, list[Earlier]] = defaultdict(list)
    for one in earlier:
        if one.example in place:
            sources[one.model].append(one)
    others = sorted((s for s in sources if s), key=lambda s: (len(sources[s]), s))
    chain = [*others[-MOST_SOURCES:], *([""] if "" in sources else [])]
    known, information = np.zeros((0, len(place), len(GRID))), None
    for source in chain:
        found = _fitted(sources[source], place, known)
        known = np.concatenate([known, _widened(found.difficulty)])
        information = found.information(float(found.weights[0]))
    return Memory(known, information)


def _fitted(outcomes: Sequence[Earlier], place: Mapping[str, int], memory: Array) -> Fit:
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
    phi = np.hstack([np.ones((len(prompts), 1)), np.eye(len(prompts))])
    groups = [Group("prompts", 1, 1 + len(prompts), LEVEL_VARIANCE)]
    data = Data(groups, phi, (y - low) / (high - low), np.ones(y.shape), memory)
    found = fit(data)
    for _ in range(ROUNDS):
        found = fit(data, found)
    return found


def _widened(difficulty: Array) -> Array:
    """Equation (1): (len(SPREADS), m, len(GRID)) from q (m, len(GRID))."""
    kernels = np.exp(-0.5 * ((GRID - GRID[:, None]) / np.array(SPREADS)[:, None, None]) ** 2)
    kernels /= kernels.sum(2, keepdims=True)
    return difficulty @ kernels

"""Which operator works next: Thompson sampling on points gained per token.

An operator's rate of gain has a Gamma(1 + gained / POINTS, 1 + spent / TOKENS) posterior: at first
all are alike, and each has the tokens of one request to show something (Chapelle & Li 2011 on the
rule; the Gamma stands for gains that are rare and positive).
"""

from collections.abc import Mapping

import numpy as np

POINTS = 2.0
"""Gain that counts as one success."""
TOKENS = 4000.0
"""Tokens that count as one failure."""


def choose(
    gained: Mapping[str, float], spent: Mapping[str, float], rng: np.random.Generator
) -> str:
    """One of the keys of `gained` (points); `spent` in tokens."""
    rates = {
        name: rng.gamma(1 + gained[name] / POINTS) / (1 + spent[name] / TOKENS) for name in gained
    }
    return max(rates, key=lambda name: rates[name])

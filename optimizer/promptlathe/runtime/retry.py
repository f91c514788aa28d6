"""When a failed attempt is made again."""

from __future__ import annotations

import random

from promptlathe.records import Failure

BUSY = 0.5
"""Seconds before the second attempt at a service that is overloaded, or answers hardly anybody."""
BROKEN = 0.1
"""The same while it answers others: what failed is mostly gone at once."""
LONGEST = 8.0
"""Seconds between two attempts, at most; they are doubled with each."""
PATIENCE = 120.0
"""Seconds that a service may ask for; one that wants more is not asked again."""


FLEX_BUSY, FLEX_LONGEST = 5.0, 120.0
"""The same at a tier for half the price, which refuses what it has no room for."""


def pause(failure: Failure, attempt: int, *, working: bool, flex: bool = False) -> float | None:
    """Seconds to wait after attempt number `attempt` (from 0); None: it would be too long.

    What the service asks for, or else twice as long each time, less up to a quarter at random, so
    that calls that failed together do not come back together. working: the service answers
    others. flex: of a call at that tier.
    """
    if failure.retry_after is not None:
        return failure.retry_after if failure.retry_after <= PATIENCE else None
    if flex and failure.overloaded:
        return min(FLEX_LONGEST, FLEX_BUSY * 2**attempt) * (1 - random.random() / 4)
    first = BROKEN if working and not failure.overloaded else BUSY
    return min(LONGEST, first * 2**attempt) * (1 - random.random() / 4)

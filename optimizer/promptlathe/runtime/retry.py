"""When a failed attempt is made again."""

from __future__ import annotations

import random

from promptlathe.records import Failure

FIRST, LONGEST = 0.5, 8.0
"""Seconds before the second attempt, doubled with each further one up to the longest."""
PATIENCE = 120.0
"""Seconds that a service may ask for; one that wants more is not asked again."""


def pause(failure: Failure, attempt: int) -> float | None:
    """Seconds to wait after attempt number `attempt` (from 0); None: it would be too long.

    What the service asks for, or else twice as long each time, less up to a quarter at random, so
    that calls that failed together do not come back together.
    """
    if failure.retry_after is not None:
        return failure.retry_after if failure.retry_after <= PATIENCE else None
    return min(LONGEST, FIRST * 2**attempt) * (1 - random.random() / 4)

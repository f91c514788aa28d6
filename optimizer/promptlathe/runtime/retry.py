"""When a failed attempt is made again."""

from __future__ import annotations

import random

from promptlathe.records import Failure

BUSY, GROWS = 0.5, 2
"""Seconds before the second attempt at a service that is overloaded, and by how many times the
pause grows with each further one: it is asked less."""
BROKEN, GROWS_FAST = 0.1, 4
"""The same after any other failure, most of which are gone at once; five attempts have as long as
with an overloaded one."""
LONGEST = 8.0
"""Seconds between two attempts, at most."""
PATIENCE = 120.0
"""Seconds that a service may ask for; one that wants more is not asked again."""


def pause(failure: Failure, attempt: int) -> float | None:
    """Seconds to wait after attempt number `attempt` (from 0); None: it would be too long.

    What the service asks for, or else longer each time, less up to a quarter at random, so that
    calls that failed together do not come back together.
    """
    if failure.retry_after is not None:
        return failure.retry_after if failure.retry_after <= PATIENCE else None
    first, grows = (BUSY, GROWS) if failure.overloaded else (BROKEN, GROWS_FAST)
    return min(LONGEST, first * grows**attempt) * (1 - random.random() / 4)

"""Python's garbage collector, while many units are under way."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

NEW = 50_000
"""Objects between two looks at the new ones; Python's own number is 700, which one unit makes."""


@contextmanager
def rare_collections() -> Generator[None]:
    """Within, the collector looks less often for objects that only refer to each other.

    Units under way are no such garbage: it would look at them again and again in vain. What the
    program itself has set is kept, where it is rarer still, or never.
    """
    before = gc.get_threshold()
    if 0 < before[0] < NEW:
        gc.set_threshold(NEW, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)

"""The time of day, in one place, so that a year can be lived through in minutes.

Moments that are kept or compared with a calendar are asked of here; how long something takes is
measured with `time.monotonic`, which nobody sets.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime


def _machine() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _machine


def now() -> datetime:
    """This moment, in UTC."""
    return _source()


@contextmanager
def told_by(source: Callable[[], datetime]) -> Generator[None]:
    """Within, `now` is what `source` says: an aware moment in UTC. For all threads."""
    global _source
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before

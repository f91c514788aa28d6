"""How long a failed attempt waits for the next one."""

import pytest

from promptlathe.records import Failure
from promptlathe.runtime.retry import BROKEN, BUSY, LONGEST, PATIENCE, pause


@pytest.mark.parametrize(
    ("failure", "first"),
    [
        (Failure("rate_limited", "slow down"), BUSY),
        (Failure("server_error", "500"), BROKEN),
        (Failure("malformed", "{", 1), BROKEN),
        (Failure("connection", "lost", 1), BROKEN),
    ],
)
def test_pauses_grow_to_the_longest(failure: Failure, first: float) -> None:
    waits = [pause(failure, attempt) or 0.0 for attempt in range(8)]
    assert first * 3 / 4 <= waits[0] <= first
    assert waits[:4] == sorted(waits[:4])
    assert LONGEST * 3 / 4 <= waits[-1] <= LONGEST
    assert 11 <= sum(pause(failure, n) or 0.0 for n in range(5)) <= 17  # the default `retries`
    assert len({pause(failure, 0) for _ in range(20)}) > 1


@pytest.mark.parametrize(("asked", "waits"), [(0.0, 0.0), (3.5, 3.5), (PATIENCE + 1, None)])
def test_what_the_service_asks_for_holds(asked: float, waits: float | None) -> None:
    assert pause(Failure("server_error", "503", retry_after=asked), 4) == waits

"""How long a failed attempt waits for the next one."""

import pytest

from promptlathe.records import Failure
from promptlathe.runtime.retry import BROKEN, BUSY, LONGEST, PATIENCE, pause

LOST = Failure("connection", "lost", 1)


@pytest.mark.parametrize(
    ("failure", "working", "first"),
    [
        (Failure("rate_limited", "slow down"), True, BUSY),
        (Failure("server_error", "500"), True, BROKEN),
        (Failure("server_error", "500"), False, BUSY),
        (Failure("malformed", "{", 1), True, BROKEN),
        (LOST, True, BROKEN),
        (LOST, False, BUSY),
    ],
)
def test_pauses_double_up_to_the_longest(failure: Failure, working: bool, first: float) -> None:
    for attempt in range(10):
        most = min(LONGEST, first * 2**attempt)
        assert most * 3 / 4 <= (pause(failure, attempt, working=working) or 0.0) <= most
    assert len({pause(failure, 0, working=working) for _ in range(20)}) > 1


@pytest.mark.parametrize(("asked", "waits"), [(0.0, 0.0), (3.5, 3.5), (PATIENCE + 1, None)])
def test_what_the_service_asks_for_holds(asked: float, waits: float | None) -> None:
    busy = Failure("server_error", "503", retry_after=asked)
    assert pause(busy, 4, working=True) == waits

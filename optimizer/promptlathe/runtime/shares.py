"""Which slots of which lanes each of several workers gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from promptlathe.runtime.lanes import Lanes


def pools(lanes: Lanes) -> Mapping[str, str]:
    """By lane, the name of what it shares its slots with: its pool, or itself."""
    return {name: lane.pool or name for name, lane in lanes.by_name.items()}


def slots(lanes: Lanes) -> Mapping[str, int]:
    """By pool; the first of its lanes says."""
    found: dict[str, int] = {}
    for name, lane in lanes.by_name.items():
        found.setdefault(lane.pool or name, lane.slots)
    return found


def shares(lanes: Lanes, workers: int) -> list[Lanes]:
    """The lanes of each worker; of no more workers than there are slots.

    Every pool is split evenly, what is left over going round the workers: a pool with fewer slots
    than there are workers lives on some of them, and each worker has a slot at least.
    """
    whole = slots(lanes)
    count = max(1, min(workers, sum(whole.values())))
    split: list[dict[str, int]] = [{} for _ in range(count)]
    turn = 0
    for pool, number in whole.items():
        size, rest = divmod(number, count)
        for i in range(count):
            split[i][pool] = size
        for i in range(turn, turn + rest):
            split[i % count][pool] += 1
        turn += rest
    of = pools(lanes)
    return [
        Lanes(
            {
                name: replace(lane, slots=own[of[name]])
                for name, lane in lanes.by_name.items()
                if own[of[name]]
            }
        )
        for own in split
    ]

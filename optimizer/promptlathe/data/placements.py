"""Where earlier jobs had a row, and where rows go then: new ones to `test`, while they are fresh.

test → select or train   a row that a decision has seen makes room for one that none has seen
select, train            for good: what was searched on never decides (docs/decisions/0027)

No row of it is known: the order is cut by the shares (data/splits.py).
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from promptlathe.records import Split

SEARCHED: tuple[Split, ...] = ("train", "select")
"""What operators read, and what the search scores on."""
Place = Split | None
"""None: the rest, where the shares sum to less than 1."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a job had a row."""

    row: str
    """Its id."""
    input: str
    """Its input's key."""
    place: Place
    batch: int = 0
    """Which job it came with, from 0."""

    @property
    def names(self) -> tuple[str, str]:
        """A row is known by its content; one whose right answer was corrected by its input."""
        return self.row, self.input


class Placements:
    """Those of earlier jobs, in the order in which they were told.

    told: under the same splits. elsewhere: of the same objective under others. opened: ids of rows
    that a decision has seen. past: rows that are not among them came later, and are in no split.
    """

    def __init__(
        self,
        told: Sequence[Placement] = (),
        elsewhere: Sequence[Placement] = (),
        opened: Collection[str] = (),
        *,
        past: bool = False,
    ) -> None:
        self.past = past
        self._places: dict[str, Place] = {}
        self._since: dict[str, tuple[int, int]] = {}
        for number, one in enumerate(told):
            for name in one.names:
                if self._places.get(name) in SEARCHED and one.place not in SEARCHED:
                    continue
                self._places[name] = one.place
                self._since.setdefault(name, (one.batch, number))
        self.batch = max((one.batch + 1 for one in told), default=0)
        """Of the rows that come now."""
        both = (*told, *elsewhere)
        self._searched = {n for one in both if one.place in SEARCHED for n in one.names}
        seen = frozenset(opened)
        self._opened = seen | {one.input for one in both if one.row in seen}

    def knows(self, names: Iterable[str]) -> bool:
        """Whether a job had a row of one of these names."""
        return any(name in self._places for name in names)

    def place(self, names: Iterable[str]) -> Place:
        """Where it was; searched on under one of its names, searched on under all."""
        known: list[Place] = [self._places[name] for name in names if name in self._places]
        for place in known:
            if place in SEARCHED:
                return place
        return known[0] if known else None

    def since(self, names: Iterable[str]) -> tuple[int, int]:
        """The batch that it came with, and its number there: grows with time."""
        known = [self._since[name] for name in names if name in self._since]
        return min(known, default=(self.batch, 0))

    def opened(self, names: Iterable[str]) -> bool:
        """Whether a decision has seen it."""
        return not self._opened.isdisjoint(names)

    def searched(self, names: Iterable[str]) -> bool:
        """Whether a job has searched on it, under whatever splits."""
        return not self._searched.isdisjoint(names)


NOWHERE = Placements()
"""No job had any row."""


def settle(
    groups: Sequence[Collection[str]],
    sizes: Sequence[int],
    shares: Mapping[Split, float],
    earlier: Placements,
) -> list[Place]:
    """The place of each group of rows with one input, by the names of its rows; `groups` stand in
    the seeded order, `sizes` are their rows.

    Fresh rows fill `test` up to its share, then the split that has least of its own.
    """
    total = sum(sizes)
    wanted: dict[Place, float] = {name: share * total for name, share in shares.items()}
    wanted[None] = total - sum(wanted.values())
    places: list[Place] = [earlier.place(names) for names in groups]
    known = [earlier.knows(n) and place in wanted for n, place in zip(groups, places, strict=True)]
    fresh = [index for index, one in enumerate(known) if not one]
    if not fresh or earlier.past:
        return places
    has: dict[Place, int] = dict.fromkeys(wanted, 0)
    for index, place in enumerate(places):
        if known[index]:
            has[place] += sizes[index]
    room = round(wanted.pop("test", 0))
    held = has.pop("test", 0)
    leaving = sorted(
        (i for i, place in enumerate(places) if known[i] and place == "test"),
        key=lambda index: earlier.since(groups[index]),
        reverse=True,  # the oldest last, which is taken first
    )
    leaving = [index for index in leaving if earlier.opened(groups[index])]
    moved: list[int] = []
    for index in fresh:
        size = sizes[index]
        while held + size > room and leaving:
            moved.append(leaving.pop())
            held -= sizes[moved[-1]]
        if held + size <= room:
            places[index] = "test"
            held += size
        else:
            moved.append(index)
    others: list[Place] = [place for place, rows in wanted.items() if rows >= 0.5]
    for index in moved:
        lacking = {place: wanted[place] - has[place] for place in others}
        poorest = max(others, key=lambda place: lacking[place], default=None)
        places[index] = poorest
        has[poorest] += sizes[index]
    return places


def earlier_notes(now: Sequence[Placement], earlier: Placements) -> list[str]:
    """What became of rows since the last job; and test rows that were searched on."""
    notes: list[str] = []
    if any(earlier.knows(one.names) for one in now):
        new = Counter(one.place or "no split" for one in now if not earlier.knows(one.names))
        moved = Counter(
            one.place or "no split"
            for one in now
            if earlier.knows(one.names) and earlier.place(one.names) == "test" != one.place
        )
        if new:
            many = "rows" if new.total() > 1 else "row"
            notes.append(f"{new.total()} new {many}: {_counts(new)}")
        if moved:
            seen = "rows that decisions have" if moved.total() > 1 else "row that a decision has"
            made = f"{moved.total()} test {seen} seen made room for new ones"
            notes.append(f"{made}: {_counts(moved)}")
    flattering = sum(one.place == "test" and earlier.searched(one.names) for one in now)
    if flattering:
        were = "rows were" if flattering > 1 else "row was"
        notes.append(
            f"{flattering} test {were} searched on by earlier jobs, under other splits: "
            "gains on them flatter; give `test` rows that no job has had"
        )
    return notes


def _counts(places: Mapping[str, int]) -> str:
    return ", ".join(f"{rows} in {place}" for place, rows in sorted(places.items()))

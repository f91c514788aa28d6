"""Paired successive halving (Karnin, Koren & Somekh 2013; Jamieson & Talwalkar 2016, Fig. 1).

A bracket: many random candidates meet a few examples, the better half of them twice as many, and
so on until two are left or every example was met; then the next bracket. All of a rung meet the
same examples, and are compared on them. An answer that is missing must not make the others'
examples look easier: the score is the mean deviation from each example's mean over the rung,
which with all answers orders as the mean does.

The best of a rung is the incumbent. It stays in every later bracket, where its cells are paid
for, and only who has met as many examples as it takes its place. The seed prompt is the first
incumbent and competes like the others: it meets every example only if it earns that.
"""

from bisect import bisect_right
from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import fmean

from promptlathe.records import Cell, Dropped, Example, Outcome, Standing
from promptlathe.search.candidate_pool import CandidatePool
from promptlathe.search.pooled import PooledCandidate
from promptlathe.search.study import Study
from promptlathe.space import BoundSpace

DECIMALS = 12
"""Of scores that are compared: equal ones must not differ by rounding."""
FEWEST = 8
"""Examples of the first rung: this many, or up to twice as many."""
OUT = 1 / 8
"""A rung is decided when at most this part of its cells is not back: nobody waits for one call."""


class HalvingPolicy:
    """A `Policy`. `calls` is what the search may spend, if known: the brackets' width uses it."""

    def __init__(
        self,
        space: BoundSpace,
        examples: Sequence[Example],
        *,
        study: Study,
        seed: int,
        calls: int | None = None,
    ) -> None:
        self._pool = CandidatePool(space, examples, study=study, seed=seed)
        self._calls = calls
        self._incumbent = self._pool.seed
        self._reach = 0
        """Examples on which the incumbent became it."""
        self._decided: list[PooledCandidate] = []
        """Not running any more, but not all of their cells are back."""
        self._start()

    def propose(self, pending: Collection[Cell], limit: int) -> Sequence[Cell]:
        """The rung's cells, example by example, so that all have met about as many."""
        cells: list[Cell] = []
        while len(cells) < limit and (member := self._next()):
            cells.append(self._pool.send(member))
            if member.sent < member.goal:
                self._queue.append(member)
        return cells

    def tell(self, event: Outcome | Dropped) -> list[Standing]:
        """With a rung's last outcomes half of it is dropped, or all of it complete."""
        if isinstance(event, Dropped):
            return []
        self._pool.take(event)
        if self._is_over():
            self._decide()
        settled = [e for e in self._decided if e.told == e.sent]
        self._decided = [e for e in self._decided if e.told < e.sent]
        return [self._pool.settle(member) for member in settled]

    @property
    def best(self) -> Standing:
        return self._incumbent.standing()

    @property
    def seed(self) -> Standing:
        return self._pool.seed.standing()

    @property
    def standings(self) -> Sequence[Standing]:
        return self._pool.standings

    @property
    def finish_reason(self) -> str | None:
        over = len(self._rung) == 1 and not self._queue
        return self._pool.finish_reason if over else None

    def extend(self, space: BoundSpace) -> None:
        self._pool.extend(space)
        if len(self._rung) == 1:
            self._start()

    def close(self) -> None:
        for member in self._decided:
            self._pool.settle(member)
        self._decided = []
        self._pool.close()

    def _start(self) -> None:
        """A new bracket, of the incumbent and newcomers."""
        spent = sum(member.sent for member in self._pool.members)
        left = self._calls and self._calls - spent
        self._plan = bracket(self._pool.examples, left, reach=self._reach)
        self._rung: list[PooledCandidate] = []
        self._vacant = self._plan[0][0] - 1
        self._climb([self._incumbent])

    def _climb(self, members: list[PooledCandidate]) -> None:
        """On to the plan's first rung that is left."""
        self._rung = members
        self._queue: deque[PooledCandidate] = deque()
        for member in members:
            member.goal = max(member.goal, self._plan[0][1])
            if member.sent < member.goal:
                self._queue.append(member)

    def _next(self) -> PooledCandidate | None:
        """Who gets the next call: the seed, then newcomers, then who has met the fewest."""
        if self._vacant and self._pool.seed.sent:
            self._vacant -= 1
            newcomer = self._pool.drawn()
            if newcomer:
                newcomer.goal = self._plan[0][1]
                self._rung.append(newcomer)
                return newcomer
            self._vacant = 0
            if self._is_over():
                self._decide()
        return self._queue.popleft() if self._queue else None

    def _is_over(self) -> bool:
        """The rung can be decided."""
        if self._vacant or self._queue or len(self._rung) == 1:
            return False
        out = sum(member.sent - member.told for member in self._rung)
        return out <= OUT * len(self._rung) * self._plan[0][1]

    def _decide(self) -> None:
        """Who leaves, who goes on, and who is the best now."""
        (_, size), *rest = self._plan
        scores = deviations(self._rung, size)
        ranked = sorted(
            self._rung, key=lambda member: member.rank(scores[member.number]), reverse=True
        )
        if size >= self._reach:
            self._incumbent, self._reach = ranked[0], size
        stay = [e for e in ranked[: rest[0][0] if rest else 0] if e.values]
        if self._incumbent not in stay:
            stay.append(self._incumbent)
        for member in self._rung:
            self._pool.report(member)
            met_all = size == self._pool.examples
            if member.state == "running" and (met_all or member not in stay):
                member.state = "complete" if met_all else "dropped"
                self._decided.append(member)
        self._plan = rest
        if len(stay) > 1:
            self._climb(stay)
        else:
            self._start()


def bracket(examples: int, calls: int | None, *, reach: int = 0) -> list[tuple[int, int]]:
    """The rungs: how many members meet how many examples, those of the rung before included.

    As wide as `calls` allow; without a number, so that two are left when every example is met.
    reach: how many examples the last rung must have at least.
    """
    sizes = [examples]
    while (half := -(-sizes[0] // 2)) >= FEWEST:
        sizes.insert(0, half)
    if not calls or calls < 0:
        return list(_rungs(2 ** len(sizes), sizes, reach))
    widths = range(2, max(2, calls // sizes[0]) + 1)

    def cost(width: int) -> int:
        before, total = 0, 0
        for members, size in _rungs(width, sizes, reach):
            total += members * (size - before)
            before = size
        return total

    affordable = bisect_right(widths, calls, key=cost)
    return list(_rungs(widths[max(0, affordable - 1)], sizes, reach))


def _rungs(width: int, sizes: Sequence[int], reach: int) -> Iterator[tuple[int, int]]:
    for size in sizes:
        yield width, size
        if width <= 2 and size >= reach:
            return
        width = max(2, -(-width // 2))


def deviations(rung: Sequence[PooledCandidate], size: int) -> Mapping[int, float]:
    """By member's number: the mean deviation from the example's mean, on the first `size`."""
    answers: defaultdict[int, list[float]] = defaultdict(list)
    for member in rung:
        for place, value in member.values.items():
            answers[place].append(value)
    means = {place: fmean(values) for place, values in answers.items()}
    found: dict[int, float] = {}
    for member in rung:
        own = [value - means[place] for place, value in member.values.items() if place < size]
        found[member.number] = round(fmean(own), DECIMALS) if own else 0.0
    return found

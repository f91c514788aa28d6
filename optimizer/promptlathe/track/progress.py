"""The parent's curves, thinned: a point for every 3 % more calls is enough to see a curve."""

GROWTH = 1.03


class Points:
    """Stepped metrics that wait to be written: `eval_score`, `seed_score` by calls made.

    The number of points grows with the logarithm of the calls: about 170 for 2,000.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[str, int, float]] = []
        self._skipped: list[tuple[str, int, float]] = []
        self._next = 1.0
        self.calls = 0

    def add(self, calls: int, best: float | None, seed: float | None) -> None:
        """Note the estimates after `calls` calls; None is left out."""
        self.calls = calls
        named = {"eval_score": best, "seed_score": seed}
        point = [(name, calls, value) for name, value in named.items() if value is not None]
        if calls < self._next:
            self._skipped = point
            return
        self._next = max(calls + 1, calls * GROWTH)
        self._waiting += point
        self._skipped = []

    def finish(self) -> None:
        """Let the last point through."""
        self._waiting += self._skipped
        self._skipped = []

    def take(self) -> list[tuple[str, int, float]]:
        """The points to write now; they do not come again."""
        waiting, self._waiting = self._waiting, []
        return waiting

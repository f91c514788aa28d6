"""What may be spent on making levels, and when."""

from collections.abc import Iterable

from promptlathe.records import Value

START, SPENT_AT = 0.2, 0.6
"""Share of the calls for rewriting that may be used at once, and the part of the budget at which
all of them may: new levels need time to be tried."""
UNPLANNED = 60
"""Calls for rewriting that may be used at once where the budget does not limit calls."""
OPEN, TRIED = 6, 8
"""Levels that wait to be tried and requests under way, at most; answers after which one counts as
tried."""
TRIALS = 0.25
"""Share of the calls that may go to the trials of new levels, after the first OPEN of them."""


class Purse:
    """Counts calls against a share of the budget."""

    def __init__(self, calls: int | None, share: float) -> None:
        """calls: of the search's budget, if that is known."""
        self._calls, self._share = calls, share
        self.allowance = None if calls is None else int(share * calls)
        """Calls for rewriting, if that is known."""
        self.used = 0
        """Calls that were told, of any kind."""
        self._own = 0
        self._answers: dict[tuple[str, Value], int] = {}
        """So far by level that was made."""
        self._tokens, self._cells = 0, 0

    def affords(self, calls: int, *, over: bool) -> bool:
        """Whether so many more may be spent on rewriting now; all, when the search is `over`."""
        if self.allowance is None or not self._calls:
            return self._own + calls <= UNPLANNED + self._share * self.used
        part = min(1.0, START + (1 - START) * self.used / (SPENT_AT * self._calls))
        return self._own + calls <= (1.0 if over else part) * self.allowance

    def spend(self) -> None:
        """One call for rewriting. A level made without a request has its price too: its trial."""
        self._own += 1

    def has_room(self, asked: int) -> bool:
        """Whether one more level could be tried soon, with so many requests under way."""
        untried = sum(answers < TRIED for answers in self._answers.values())
        trials = TRIED * (len(self._answers) + asked)
        return untried + asked < OPEN and trials <= TRIED * OPEN + TRIALS * self.used

    def open(self, component: str, level: str) -> None:
        """A level was made: it is to be tried."""
        self._answers[component, level] = 0

    def tried(self, levels: Iterable[tuple[str, Value]], tokens: int | None) -> None:
        """An answer of a candidate with these levels."""
        for level in levels:
            if level in self._answers:
                self._answers[level] += 1
        if tokens is not None:
            self._tokens, self._cells = self._tokens + tokens, self._cells + 1

    @property
    def trial_tokens(self) -> float:
        """Of the trial of one level."""
        return TRIED * self._tokens / max(self._cells, 1)

"""What may be spent on making levels, and when."""

from collections.abc import Iterable, Mapping

from promptlathe.records import Answer, Outcome, Rewritten, Value

START, SPENT_AT = 0.2, 0.6
"""Part of the share that may be used at once, and the part of the budget at which all of it may:
new levels need time to be tried."""
UNPLANNED = 60
"""Calls for rewriting that may be used at once where only time is limited."""
OPEN, TRIED = 6, 8
"""Levels that wait to be tried and requests under way, at most; answers after which one counts as
tried."""
TRIALS = 0.25
"""Share of the calls that may go to the trials of new levels, after the first OPEN of them."""


class RewriteBudget:
    """Holds a share of each limit of the budget: of calls, tokens and USD."""

    def __init__(self, limits: Mapping[str, float], share: float) -> None:
        """limits: `calls`, `tokens` and `usd` of the search, those that are limited."""
        self._limits, self._share = limits, share
        self._used: dict[str, float] = {"calls": 0, "tokens": 0, "usd": 0.0}
        self._own = dict(self._used)
        """By limit: of all that was told, and of rewriting; of calls also those under way. Where a
        service does not tell tokens or a price, only calls are shared out."""
        self._answers: dict[tuple[str, Value], int] = {}
        """So far by level that was made."""
        self._tokens, self._cells = 0, 0

    @property
    def allowance(self) -> int | None:
        """Calls for rewriting in all, if they are limited."""
        calls = self._limits.get("calls")
        return None if calls is None else int(self._share * calls)

    @property
    def used(self) -> int:
        """Calls that were told, of any kind."""
        return int(self._used["calls"])

    def affords(self, calls: int, *, over: bool) -> bool:
        """Whether so many more may be spent on rewriting now; all, when the search is `over`."""
        own = self._own["calls"] + calls
        if not self._limits:
            return own <= UNPLANNED + self._share * self.used
        done = max(self._used[name] / limit for name, limit in self._limits.items())
        part = 1.0 if over else min(1.0, START + (1 - START) * done / SPENT_AT)
        return all(
            (own if name == "calls" else self._own[name]) <= part * self._share * limit
            for name, limit in self._limits.items()
        )

    def spend(self) -> None:
        """One unit for rewriting, or one level that was made without: its trial has a price too."""
        self._own["calls"] += 1

    def put_back(self) -> None:
        """A unit for rewriting was dropped."""
        self._own["calls"] -= 1

    def tell(self, event: Outcome | Rewritten, *, own: bool) -> None:
        """A unit is back, with the calls of all roles; own: it was for rewriting."""
        sent = event.trace.calls if isinstance(event, Outcome) else (event.sent,)
        calls = max(1, len(sent))
        self._used["calls"] += calls
        if own:
            self._own["calls"] += calls - 1  # one was counted when it was sent
        for counted in (self._used, self._own) if own else (self._used,):
            for one in sent:
                if isinstance(one.reply, Answer):
                    counted["tokens"] += one.reply.tokens or 0
                counted["usd"] += one.cost or 0.0

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

"""The budget's meter: asked before a call is sent, told what it really took.

It fails closed: a call that could exceed a limit, at worst, is not admitted. A job's budget
covers what the job uses; answers that the ledger knew are used without being paid for again,
so a run that was interrupted goes on where it stopped, and a repeated run gives the same result.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from promptlathe.models.pricing import Prices, WorstCase, cost, worst_case
from promptlathe.records import Answer, Budget, Call, Failure, Role, tokens_of


@dataclass(frozen=True, slots=True)
class Spent:
    """What a job has used so far."""

    calls: int = 0
    """Calls sent, failed ones included."""
    tokens: int = 0
    usd: float | None = 0.0
    """None once an answer came whose cost is unknown."""
    cached_calls: int = 0
    cached_tokens: int = 0
    rewrite_calls: int = 0
    """Of `calls`, those to the rewriter."""
    rewrite_tokens: int = 0

    def plus(self, role: Role, tokens: int, usd: float | None, *, cached: bool) -> "Spent":
        """With one more call, which took so many tokens."""
        if role == "rewrite" and not cached:
            rewrites, more = self.rewrite_calls + 1, self.rewrite_tokens + tokens
            return replace(
                self.plus("task", tokens, usd, cached=False),
                rewrite_calls=rewrites,
                rewrite_tokens=more,
            )
        if cached:
            return replace(
                self,
                cached_calls=self.cached_calls + 1,
                cached_tokens=self.cached_tokens + tokens,
            )
        known = self.usd is not None and usd is not None
        return replace(
            self,
            calls=self.calls + 1,
            tokens=self.tokens + tokens,
            usd=self.usd + usd if known else None,  # type: ignore[operator]
        )

    @property
    def used_calls(self) -> int:
        """Sent or read from the ledger: what counts against the budget."""
        return self.calls + self.cached_calls


class Meter:
    """Admits calls within the budget; `clock` gives seconds."""

    def __init__(
        self, budget: Budget, prices: Prices, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._budget, self._prices, self._clock = budget, prices, clock
        self._bounded = budget.tokens is not None or budget.usd is not None
        self._start = clock()
        self._held: dict[str, list[WorstCase]] = {}
        self._held_calls = 0
        self._held_tokens, self._held_usd = 0, 0.0
        self._used_usd = 0.0
        self._dearest = WorstCase(0, 0.0)
        self.spent = Spent()

    @property
    def seconds(self) -> float:
        """Since the meter was made."""
        return self._clock() - self._start

    def refusal(self, call: Call, *, keep: int = 0) -> str | None:
        """Which limit this call could exceed, with `keep` more calls still to come after it.

        The calls to come are reckoned as the dearest so far; before there is one, as this one
        at worst.
        """
        limit, spent = self._budget, self.spent
        under_way = spent.used_calls + self._held_calls
        if limit.calls is not None and under_way + 1 + keep > limit.calls:
            return "calls"
        if limit.minutes is not None:
            pace = self.seconds / spent.used_calls if spent.used_calls else 0.0
            if self.seconds + keep * pace >= limit.minutes * 60:
                return "minutes"
        return self._dear(worst_case(call, self._prices), keep) if self._bounded else None

    def _dear(self, worst: WorstCase, keep: int) -> str | None:
        limit, spent = self._budget, self.spent
        if limit.tokens is not None:
            used = spent.tokens + spent.cached_tokens + self._held_tokens
            if used + worst.tokens + keep * (self._dearest.tokens or worst.tokens) > limit.tokens:
                return "tokens"
        if limit.usd is not None:
            used_usd = self._used_usd + self._held_usd
            if worst.usd is None:
                return "usd"
            if used_usd + worst.usd + keep * (self._dearest.usd or worst.usd) > limit.usd:
                return "usd"
        return None

    def hold(self, call: Call) -> None:
        """The call is taken on: its worst case counts until it is settled.

        Of equal calls each one counts, though the answer comes once: whether the second is
        under way together with the first or after it must not change what the budget affords.
        """
        worst = worst_case(call, self._prices) if self._bounded else WorstCase(0, 0.0)
        self._held.setdefault(call.key, []).append(worst)
        self._held_calls += 1
        self._held_tokens += worst.tokens or 0
        self._held_usd += worst.usd or 0.0

    def release(self, call: Call) -> None:
        """The call was taken on, and will not be sent."""
        self._take(call.key)

    def cost(self, call: Call, reply: Answer | Failure) -> float | None:
        """What a reply costs in USD; None when unknown."""
        return cost(call, reply, self._prices) if isinstance(reply, Answer) else None

    def settle(self, call: Call, reply: Answer | Failure, *, cached: bool = False) -> None:
        """Count what came back.

        What the service does not tell, and what a failed call may have been charged for,
        counts at its worst: the budget fails closed.
        """
        worst = self._take(call.key)
        tokens, usd = tokens_of(reply), self.cost(call, reply)
        if isinstance(reply, Answer):
            self._dearest = WorstCase(
                max(self._dearest.tokens, tokens or 0), max(self._dearest.usd or 0.0, usd or 0.0)
            )
        if tokens is None:
            tokens = worst.tokens
        self._used_usd += (worst.usd or 0.0) if usd is None else usd
        self.spent = self.spent.plus(call.role, tokens, usd, cached=cached)

    def _take(self, key: str) -> WorstCase:
        held = self._held[key]
        worst = held.pop()
        if not held:
            del self._held[key]
        self._held_calls -= 1
        self._held_tokens -= worst.tokens
        self._held_usd = self._held_usd - (worst.usd or 0.0) if self._held else 0.0
        return worst

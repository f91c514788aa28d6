"""The account: what was spent, held and reserved, by role. The one place that knows the budget.

    admit(unit)     may it begin? by what such units have cost so far
    hold(call)      may this attempt be sent? at its worst; waits for what is under way
    settle(hold)    what it really took; unknown is charged at its worst
    reserve         what must remain for the decision

It fails closed. Let u be what is used, h what is held for attempts under way at their worst, e what
the units that began are still expected to take, r the reserve and B the limit. A unit begins while

    u + h + e + expected(unit) + r <= B                                                        (1)

and an attempt of it is sent while

    u + h + worst(attempt) + r <= B.                                                           (2)

(2) alone keeps the budget; (1) keeps units from beginning that could not end. Since h shrinks when
an answer comes, an attempt that (2) refuses waits for those under way, and a unit that (1) refuses
is asked for again; both are final when nothing is under way. So what stays unused beside the
reserve is less than the worst case of one attempt, or than what a unit is expected to take.

A job's budget covers what the job uses: an answer that the ledger knew from an earlier run counts
as if it was paid for, once, so that a run that was interrupted goes on where it stopped. A second
use of the same call within the run is free.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from promptlathe.models.pricing import Prices, cost, worst_case
from promptlathe.records import LIMITS, Answer, Budget, Call, Failure, Role
from promptlathe.runtime.amounts import NOTHING, ONE_CALL, Amounts
from promptlathe.runtime.seam import Abandoned


@dataclass(frozen=True, slots=True)
class Usage:
    """What the calls of one role took."""

    calls: int = 0
    """Sent, failed ones included, and further attempts that the service may charge for."""
    tokens: int = 0
    """Input and output, where the service tells."""
    usd: float | None = 0.0
    """None once an answer came whose cost is unknown."""
    cached_calls: int = 0
    """Answered by the ledger from earlier runs."""
    cached_tokens: int = 0


@dataclass(frozen=True)
class Spent:
    """What a job has used so far, by role, and in all."""

    by_role: Mapping[Role, Usage] = field(default_factory=dict[Role, Usage])

    def of(self, role: Role) -> Usage:
        """What the calls of a role took."""
        return self.by_role.get(role, Usage())

    @property
    def calls(self) -> int:
        return sum(one.calls for one in self.by_role.values())

    @property
    def tokens(self) -> int:
        return sum(one.tokens for one in self.by_role.values())

    @property
    def usd(self) -> float | None:
        known = [one.usd for one in self.by_role.values()]
        return None if None in known else sum(usd for usd in known if usd is not None)

    @property
    def cached_calls(self) -> int:
        return sum(one.cached_calls for one in self.by_role.values())

    @property
    def cached_tokens(self) -> int:
        return sum(one.cached_tokens for one in self.by_role.values())

    @property
    def used_calls(self) -> int:
        """Sent or read from the ledger: what counts against the budget."""
        return self.calls + self.cached_calls


@dataclass(eq=False)
class Hold:
    """An attempt under way, at its worst; `settle` it once."""

    call: Call
    worst: Amounts


class Account:
    """Admits units and attempts within the budget; `clock` gives seconds."""

    def __init__(
        self, budget: Budget, prices: Prices, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._prices, self._clock = prices, clock
        self._limits = {name: budget.limits[name] for name in LIMITS if name in budget.limits}
        if "minutes" in self._limits:
            self._limits["seconds"] = 60 * self._limits.pop("minutes")
        self._bounded = not self._limits.keys() <= {"calls", "seconds"}
        self._unpriced = math.inf if "usd" in self._limits else 0.0
        """USD of a call without a price: nothing of a limit in USD can be afforded."""
        self._start = clock()
        self._used, self._held, self._expected = NOTHING, NOTHING, NOTHING
        self._under_way = 0
        self._changed = asyncio.Event()
        self.reserve = NOTHING
        """What must remain for the decision; set by whoever plans it."""
        self.spent = Spent()

    @property
    def seconds(self) -> float:
        """Since the account was opened."""
        return self._clock() - self._start

    @property
    def used(self) -> Amounts:
        """What counts against the budget, unknown amounts at their worst."""
        return replace(self._used, seconds=self.seconds)

    @property
    def idle(self) -> bool:
        """No attempt is under way that could give something back."""
        return self._under_way == 0

    # Units

    def admit(self, expected: Amounts) -> str | None:
        """Begin a unit that is expected to take this. The limit that forbids it (1), or None."""
        wanted = expected + self._expected
        limit = self._exceeded(wanted)
        if limit is None:
            self._expected = wanted
        return limit

    def has_room(self, expected: Amounts) -> bool:
        """Whether `admit` would allow it now."""
        return self._exceeded(expected + self._expected) is None

    def lower(self, expected: Amounts) -> None:
        """Of what began units are expected to take, this was held or is not needed."""
        self._expected = self._expected - expected

    # Attempts

    async def hold(self, call: Call) -> Hold:
        """Hold an attempt's worst case (2). Raises `Abandoned` when it cannot be afforded."""
        worst = self._worst(call) if self._bounded else ONE_CALL
        await self._affords(worst)
        self._held += worst
        self._under_way += 1
        return Hold(call, worst)

    def settle(self, hold: Hold, reply: Answer | Failure | None, *, again: bool = False) -> Amounts:
        """Count what an attempt took at most, and return it; None: it was given up.

        again: another attempt follows. Then one that the service did not charge for is no call.
        """
        self._held -= hold.worst
        self._under_way -= 1
        self._changed.set()
        free = isinstance(reply, Failure) and not reply.billed
        if free and again:
            return NOTHING
        answer = reply if isinstance(reply, Answer) else None
        took = ONE_CALL if free else self._took(hold.call, answer)
        self._used += took
        usd = self.cost(hold.call, answer) if answer else 0.0
        self._note(hold.call.role, (answer and answer.tokens) or 0, usd, cached=False)
        return took

    async def use(self, call: Call, answer: Answer) -> Amounts:
        """Count an answer of an earlier run, and return what it took at most.

        Raises `Abandoned` when it cannot be afforded.
        """
        took = self._took(call, answer)
        await self._affords(took)
        self._used += took
        self._note(call.role, answer.tokens or 0, 0.0, cached=True)
        return took

    def cost(self, call: Call, answer: Answer) -> float | None:
        """USD; None when the price or the tokens are unknown."""
        return cost(call, answer, self._prices)

    def _took(self, call: Call, answer: Answer | None) -> Amounts:
        """What an attempt took; what the service does not tell at its worst."""
        if answer is None or answer.tokens is None:
            return self._worst(call)
        usd = self.cost(call, answer)
        return Amounts(1, answer.tokens, self._unpriced if usd is None else usd)

    def _worst(self, call: Call) -> Amounts:
        """Of one attempt."""
        worst = worst_case(call, self._prices)
        return Amounts(1, worst.tokens, self._unpriced if worst.usd is None else worst.usd)

    async def _affords(self, amounts: Amounts) -> None:
        while (limit := self._exceeded(amounts)) is not None:
            if self.idle or limit in ("calls", "minutes"):
                raise Abandoned(limit)
            self._changed.clear()
            await self._changed.wait()

    def _exceeded(self, more: Amounts) -> str | None:
        for name, limit in self._limits.items():
            wanted = getattr(self._held, name) + getattr(more, name) + getattr(self.reserve, name)
            if name == "seconds":
                if self.seconds + wanted >= limit:  # no time is left
                    return "minutes"
            elif getattr(self._used, name) + wanted > limit:
                return name
        return None

    def _note(self, role: Role, tokens: int, usd: float | None, *, cached: bool) -> None:
        one = self.spent.of(role)
        if cached:
            one = Usage(
                one.calls, one.tokens, one.usd, one.cached_calls + 1, one.cached_tokens + tokens
            )
        else:
            known = None if one.usd is None or usd is None else one.usd + usd
            one = Usage(
                one.calls + 1, one.tokens + tokens, known, one.cached_calls, one.cached_tokens
            )
        self.spent = Spent({**self.spent.by_role, role: one})

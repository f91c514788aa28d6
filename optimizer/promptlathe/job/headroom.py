"""Before a search is paid for: a few prompts on a few rows say whether anything can matter.

The seed and the prompts that say most about the space (search/lathe/design.py) meet the same rows
of `select`, never of `test`. What it takes is at most SHARE of each limit of the budget. Outcomes
stand in the ledger as those of a run whose search has ended: a run that follows pays for none of
them again, and its search starts from them.
"""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from promptlathe.errors import BudgetTooSmall, Interrupted
from promptlathe.job.asking import Told, ask
from promptlathe.job.interrupts import interruptible
from promptlathe.job.job import Job
from promptlathe.job.plan import Plan
from promptlathe.job.rivals import with_rivals
from promptlathe.job.stores import asking_file, ledger_url, make_state, storage
from promptlathe.ledger import Asking, Ledger
from promptlathe.records import Budget, Candidate, Cell, Example, Outcome
from promptlathe.runtime.account import Account, Spent

if TYPE_CHECKING:  # numpy loads when it is needed
    from promptlathe.decide.headroom import Headroom

SHARE = 0.1
"""Of each limit of the budget."""
CELLS = 400
"""Where only time is limited."""
ROWS_EACH = 6
"""Rows for each prompt: with n prompts, about ROWS_EACH * n. Many rows tell few prompts apart
better than few rows tell many."""
FEWEST_PROMPTS, MOST_PROMPTS = 4, 24
FEWEST_ROWS = 8


@dataclass(frozen=True)
class Seen:
    """What `promptlathe check --headroom` ends with."""

    headroom: "Headroom | None"
    """None: the space has only one prompt so far, and nothing was asked."""
    test: int
    """Rows that the decision would have."""
    spent: Spent
    seconds: float
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        found = asdict(self.headroom) if self.headroom else {"verdict": "cannot tell"}
        spent = self.spent
        return {
            **found,
            "test_rows": self.test,
            "calls": spent.calls,
            "cached_calls": spent.cached_calls,
            "tokens": spent.tokens,
            "cost_usd": spent.usd,
            "seconds": round(self.seconds, 3),
            "notes": list(self.notes),
        }


def look(job: Job, plan: Plan, tell: Told = lambda done, total: None) -> Seen:
    """Ask, and say what is seen; plan: as `check` gives it.

    Raises InputError, BudgetTooSmall, ModelUnavailable, StorageFailed, ClusterLost or Interrupted.
    """
    with storage(job.state):
        make_state(job.state)
        job = with_rivals(job, plan)
        try:
            return interruptible(lambda: _Looking(job, plan, tell).to_the_end())
        finally:
            job.objective.close()


def sizes(cells: int, rows: int) -> tuple[int, int]:
    """How many prompts meet how many rows, where so many cells are affordable and rows there."""
    wanted = round((cells / ROWS_EACH) ** 0.5)
    prompts = min(max(wanted, FEWEST_PROMPTS, cells // rows), MOST_PROMPTS)
    return prompts, min(rows, cells // prompts)


def design(plan: Plan, seed: int) -> tuple[list[Candidate], Sequence[Example]]:
    """The prompts, the seed first, and the rows that all of them meet. Raises BudgetTooSmall."""
    from promptlathe.search.lathe.design import spread_out

    cells = CELLS if plan.calls is None else int(SHARE * plan.calls) // plan.calls_per_cell
    prompts, _ = sizes(cells, len(plan.select))
    candidates = spread_out(plan.space, prompts, seed)
    rows = plan.select[: cells // len(candidates)]
    if len(candidates) > 1 and len(rows) < FEWEST_ROWS:
        least = int(FEWEST_ROWS * len(candidates) * plan.calls_per_cell / SHARE)
        raise BudgetTooSmall(
            f"a tenth of the budget affords about {cells} answers: too few to see anything",
            f"allow about {least:,} calls in all, or run the search at once",
        )
    return candidates, rows


class _Looking:
    """One test, with one account."""

    def __init__(self, job: Job, plan: Plan, tell: Told) -> None:
        self._job, self._plan, self._tell = job, plan, tell
        limits = {name: SHARE * limit for name, limit in plan.budget.limits.items()}
        whole = {name: int(limits[name]) for name in ("calls", "tokens") if name in limits}
        self._account = Account(Budget(**(limits | whole)), job.paid)  # type: ignore[arg-type]
        self._values: dict[tuple[str, str], float | None] = {}
        self._run = uuid4().hex[:12]

    async def to_the_end(self) -> Seen:
        candidates, rows = design(self._plan, self._job.search.seed)
        if len(candidates) < 2:
            return self._tested(None, [])
        try:
            await self._ask(candidates, rows)
        except asyncio.CancelledError:
            raise Interrupted(len(self._values)) from None
        return self._seen(candidates, rows)

    async def _ask(self, candidates: Sequence[Candidate], rows: Sequence[Example]) -> None:
        """Row by row: where the budget ends early, whole rows are known."""
        job, cells = self._job, [Cell(candidate, row) for row in rows for candidate in candidates]

        def seen(outcome: Outcome) -> None:
            cell = outcome.cell
            self._values[cell.candidate.id, cell.example.id] = outcome.value
            self._tell(len(self._values), len(cells))

        asking, ledger = Asking(asking_file(job)), Ledger(ledger_url(job))
        try:
            guess = self._plan.first_guess
            await ask(
                job,
                cells,
                self._account,
                ledger,
                run=self._run,
                first_guess=guess,
                asking=asking,
                seen=seen,
            )
        finally:
            asking.close()
            ledger.close()

    def _seen(self, candidates: Sequence[Candidate], rows: Sequence[Example]) -> Seen:
        import numpy as np

        from promptlathe.decide.headroom import headroom
        from promptlathe.search.lathe.design import levels_of

        known = [[self._values.get((c.id, row.id)) for row in rows] for c in candidates]
        scores = np.array(known, float)
        whole = ~np.isnan(scores).any(0)
        if whole.sum() < 2:
            raise BudgetTooSmall(
                f"only {int(whole.sum())} of {len(rows)} rows were answered for all prompts",
                "allow more, or see why calls fail; what was answered is kept",
            )
        space, size = self._plan.space, self._plan.space.space.size
        found = headroom(
            scores[:, whole],
            levels_of(space, candidates),
            size=math.inf if size.continuous else size.count,
            test=len(self._plan.test),
        )
        lost = len(rows) - int(whole.sum())
        notes = [f"{lost} of {len(rows)} rows are left out: a prompt has no answer"] if lost else []
        return self._tested(found, notes)

    def _tested(self, found: "Headroom | None", notes: Sequence[str]) -> Seen:
        job, more = self._job, list(notes)
        if job.operators:
            more.append("texts that operators will write are not covered, nor what they are worth")
        if found is None:
            more.append("the space has one prompt so far: there is nothing to compare it with")
        if job.model.embedded:
            more.append("the embedded pocket model: its scores say nothing about an LLM's")
        return Seen(
            headroom=found,
            test=len(self._plan.test),
            spent=self._account.spent,
            seconds=self._account.seconds,
            notes=tuple(more),
        )

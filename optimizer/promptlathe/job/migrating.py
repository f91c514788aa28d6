"""Another model for a prompt that works: what the champion does there, paired with what it did.

The held-out rows, and the champion's answers to them: those of the old model are known since it was
promoted, so that a model that is gone can still be compared with. Nothing is decided by it, and no
error of `test` is spent.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any, Literal
from uuid import uuid4

from promptlathe.decide import Comparison, compare_values
from promptlathe.errors import InputError, ModelUnavailable
from promptlathe.job.asking import Told, ask
from promptlathe.job.interrupts import interruptible
from promptlathe.job.job import Job
from promptlathe.job.plan import Plan
from promptlathe.job.rivals import with_rivals
from promptlathe.job.stores import asking_file, ledger_url, make_state, point_to_ledger, storage
from promptlathe.job.watching import registered_now
from promptlathe.ledger import Asking, Ledger
from promptlathe.records import Budget, Candidate, Cell, Outcome
from promptlathe.results import Result
from promptlathe.runtime.account import Account
from promptlathe.track.registry import versions_listed

Advice = Literal["keep the prompt", "search again", "not clear"]


@dataclass(frozen=True)
class Side:
    """A model with a prompt, on the held-out rows."""

    model: str
    prompt: str
    score: float | None
    rows: int
    """Answered."""
    usd_per_1000: float | None
    """Of the target's calls; None where a price is unknown."""
    seconds: float | None
    """Mean of an answer."""


@dataclass(frozen=True)
class Migrated:
    """What `promptlathe migrate` ends with."""

    old: Side
    new: Side
    comparison: Comparison | None
    """The old model (baseline) and the new one (challenger) with the same prompt; None: no row was
    answered by both."""
    notes: tuple[str, ...]
    found: Side | None = None
    """The new model with the best prompt of a search."""

    @property
    def advice(self) -> Advice:
        """Whether a search for the new model is worth it."""
        if self.comparison is None or self.comparison.low < 0 <= self.comparison.high:
            return "not clear"
        return "search again" if self.comparison.high < 0 else "keep the prompt"

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        return {"verdict": self.advice, **asdict(self), "notes": list(self.notes)}


def migrate(
    old: tuple[Job, Plan], new: tuple[Job, Plan], tell: Told = lambda done, total: None
) -> Migrated:
    """Ask the new model, and the old one as far as its answers are not known.

    Raises InputError, also without a champion, ModelUnavailable when the new one cannot be used,
    StorageFailed, ClusterLost or Interrupted.
    """
    job, plan = old
    with storage(job.state):
        make_state(job.state)
        point_to_ledger(job)
        _, candidate, versions = registered_now(job, plan)
        listed = versions_listed(versions)
        notes: list[str] = []
        try:
            before = _asked(job, plan, candidate, tell, reach=False)
        except ModelUnavailable as error:
            raise InputError(
                f"{job.model.name} does not answer any more, and not all of its answers to the "
                f"held-out rows are known: {error.reason}",
                job.place("run", ("model",)),
                "run the job with the new model: it compares with the champion there",
            ) from None
        after = _asked(*new, candidate, tell, reach=True)
    comparison = compare_values(_values(before), _values(after), rows=len(plan.test))
    if new[1].test != plan.test:
        notes.append("the two models were asked different rows: only those of both are compared")
    return Migrated(
        _side(job, listed, before), _side(new[0], listed, after), comparison, tuple(notes)
    )


def with_search(migrated: Migrated, result: Result) -> Migrated:
    """With the best prompt of a search on the new model."""
    test = result.decisive
    listed = versions_listed(result.registered or result.proposed)
    prompt = listed or f"run {result.run}, {result.verdict}"
    side = Side(result.facts.model, prompt, test.best, test.examples, None, None)
    return replace(migrated, found=side)


def _asked(
    job: Job, plan: Plan, candidate: Candidate, tell: Told, *, reach: bool
) -> dict[str, Outcome]:
    """The outcome of each held-out row."""
    found: dict[str, Outcome] = {}
    job = with_rivals(job, plan)

    def seen(outcome: Outcome) -> None:
        found[outcome.cell.example.id] = outcome
        tell(len(found), len(plan.test))

    asking = Asking(asking_file(job))
    try:
        with closing(Ledger(ledger_url(job))) as ledger:
            interruptible(
                lambda: ask(
                    job,
                    [Cell(candidate, row) for row in plan.test],
                    Account(Budget(), job.paid),
                    ledger,
                    run=uuid4().hex[:12],
                    first_guess=plan.first_guess,
                    asking=asking,
                    seen=seen,
                    reach=reach,
                )
            )
    finally:
        asking.close()
        job.objective.close()
    return found


def _values(outcomes: Mapping[str, Outcome]) -> dict[tuple[str, int], float | None]:
    return {(row, 0): outcome.value for row, outcome in outcomes.items()}


def _side(job: Job, prompt: str, outcomes: Mapping[str, Outcome]) -> Side:
    values = [one.value for one in outcomes.values() if one.value is not None]
    sent = [one for outcome in outcomes.values() for one in outcome.trace.calls]
    costs = [one.cost for one in sent if one.call.role == "task"]
    known = [cost for cost in costs if cost is not None]
    seconds = [a.latency for outcome in outcomes.values() for a in outcome.trace.answers()]
    return Side(
        model=job.model.name,
        prompt=prompt,
        score=fmean(values) if values else None,
        rows=len(values),
        usd_per_1000=1000 * fmean(known) if known and len(known) == len(costs) else None,
        seconds=fmean(seconds) if seconds else None,
    )

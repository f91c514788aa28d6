"""The decision: seed, best and champion meet on the same held-out rows, once."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from promptlathe import clock
from promptlathe.decide import Comparison, Level, Recommendation, compare, level_of, recommend
from promptlathe.decide.wealth import words
from promptlathe.errors import BudgetTooSmall, InputError
from promptlathe.job.job import Job
from promptlathe.job.limits import check, kept
from promptlathe.job.loop import Fixed, Stopped
from promptlathe.job.plan import Plan
from promptlathe.ledger import Ledger, Opening
from promptlathe.records import (
    Candidate,
    Cell,
    Event,
    Example,
    FinalistName,
    Outcome,
    Standing,
    total,
)
from promptlathe.results import Checked

RACES = 5
"""Attempts to open a split that other processes open at the same moment."""


@dataclass(frozen=True)
class Decided:
    """What the rows said."""

    best_seed: Comparison
    """With the 95 % interval, as the next."""
    best_champion: Comparison | None
    champion: Candidate | None
    recommendation: Recommendation
    limits: tuple[Checked, ...]
    seed_outcomes: tuple[Outcome, ...]
    best_outcomes: tuple[Outcome, ...]
    opened: int
    """How often these rows were opened for a decision, this one included; 0: nothing to decide."""
    notes: tuple[str, ...]

    @property
    def promotes(self) -> bool:
        """The best is better than whom it was compared with, and keeps the limits."""
        shown = all(checked.kept for checked in self.limits)
        better = self.recommendation.verdict == "better"
        return better and shown and self.recommendation.use == "best"


@dataclass
class Decision:
    """Who meets, and what they answered."""

    job: Job
    plan: Plan
    ledger: Ledger
    run: str | None
    """None for a replay, which opens nothing."""
    seed: Candidate
    best: Candidate
    champion: Candidate | None
    _outcomes: dict[str, dict[str, Outcome]] = field(default_factory=dict[str, dict[str, Outcome]])
    """By candidate and row."""

    async def meet(
        self,
        drive: Callable[[Fixed], Awaitable[Stopped]],
        affordable: Callable[[Sequence[Candidate]], int],
        note: Callable[[FinalistName, Outcome], None],
    ) -> Decided:
        """Ask all sides all rows, and again what the service failed; then decide.

        affordable: how many rows the budget has left for these prompts. note: told of each row of
        each side, once. Raises BudgetTooSmall when no row was answered by both.
        """
        prompts = {one.id: one for _, one in self._sides}
        rows = self.plan.test[: affordable(list(prompts.values()))]
        level, opening = self._open(rows)
        cells = [Cell(candidate, row) for row in rows for candidate in prompts.values()]
        stopped = await drive(_Final(cells, self._take))
        failed = [cell for cell in cells if (one := self._of(cell)) and one.value is None]
        if failed and not stopped.limit:
            await drive(_Final(failed, self._take))
        for cell in cells:
            if outcome := self._of(cell):
                for side, candidate in self._sides:
                    if candidate == cell.candidate:
                        note(side, outcome)
        decided = self._decide(level, opening, stopped)
        if opening and decided.recommendation.verdict == "better":
            self.ledger.promote(self.job.objective.name, opening)
        return decided

    @property
    def _sides(self) -> list[tuple[FinalistName, Candidate]]:
        """A prompt may be there under two names."""
        found: list[tuple[FinalistName, Candidate]] = [("seed", self.seed), ("best", self.best)]
        return [*found, ("champion", self.champion)] if self.champion else found

    def _take(self, outcome: Outcome) -> None:
        cell = outcome.cell
        self._outcomes.setdefault(cell.candidate.id, {})[cell.example.id] = outcome

    def _of(self, cell: Cell) -> Outcome | None:
        return self._outcomes.get(cell.candidate.id, {}).get(cell.example.id)

    def _open(self, rows: Sequence[Example]) -> tuple[Level | None, Opening | None]:
        """Write down that the rows are opened, before the first is asked."""
        baseline, name = self.champion or self.seed, self.job.objective.name
        if baseline == self.best:
            return None, None
        ids = [row.id for row in rows]
        for race in range(RACES):
            known = self.ledger.openings(name)
            level = level_of(known, rows=ids, baseline=baseline.id, challenger=self.best.id)
            if level.known and level.known.run == self.run:  # before it was interrupted
                return replace(level, known=None), level.known
            if level.known or self.run is None:
                return level, None
            opening = Opening(
                split=level.split,
                number=level.number,
                rows=frozenset(ids),
                baseline=baseline.id,
                challenger=self.best.id,
                level=level.level,
                run=self.run,
                at=clock.now(),
            )
            try:
                self.ledger.open_test(name, opening)
            except InputError:
                if race == RACES - 1:
                    raise
            else:
                return level, opening
        raise AssertionError("unreachable")

    def _decide(self, level: Level | None, opening: Opening | None, stopped: Stopped) -> Decided:
        best_seed = self._compare(self.seed, self.best)
        if best_seed is None:
            raise BudgetTooSmall(
                "no row of the test split was answered by both prompts",
                f"the decision ended by budget: {stopped.limit}: allow more of it"
                if stopped.limit
                else "see why the calls failed",
            )
        champion = self.champion
        best_champion = self._compare(champion, self.best) if champion else None
        champion_seed = self._compare(self.seed, champion) if champion else None
        alpha = {"alpha": level.alpha} if level else {}
        against = champion or self.seed
        strict = self._compare(against, self.best, **alpha)
        limits = self._limits()
        recommendation = recommend(
            best_seed if champion else strict or best_seed,
            strict if champion else None,
            champion_seed,
            kept=kept(limits),
            cheaper=self._tokens(self.best) < self._tokens(against),
        )
        shown = best_champion or best_seed
        notes = [*shown.notes, *(note for one in limits if (note := one.note))]
        all_rows, unopened = len(self.plan.test), self.plan.unopened
        if level and (said := words(level, rows=all_rows, unopened=unopened)):
            notes.append(said)
        opened = level.number if level else 0
        seed, best = (tuple(self._outcomes.get(s.id, {}).values()) for s in (self.seed, self.best))
        return Decided(
            best_seed,
            best_champion,
            champion,
            recommendation,
            limits,
            seed,
            best,
            opened,
            tuple(notes),
        )

    def _compare(
        self, baseline: Candidate, challenger: Candidate, *, alpha: float = 0.05
    ) -> Comparison | None:
        found = compare(
            self._outcomes.get(baseline.id, {}).values(),
            self._outcomes.get(challenger.id, {}).values(),
            rows=len(self.plan.test),
            scale=self.job.objective.bounds,
            alpha=alpha,
        )
        if found and baseline == challenger:  # the same prompt: no gain, and no doubt about it
            return replace(found, gain=0.0, low=0.0, high=0.0)
        return found

    def _limits(self) -> tuple[Checked, ...]:
        def of(candidate: Candidate | None) -> list[Outcome]:
            return list(self._outcomes.get(candidate.id, {}).values()) if candidate else []

        objective = self.job.objective
        return check(
            objective.limits.all,
            of(self.seed),
            of(self.best),
            of(self.champion),
            ranges=objective.ranges,
        )

    def _tokens(self, candidate: Candidate) -> float:
        """Mean tokens per row; nan, which is not less than anything, where one is unknown."""
        answered = [o for o in self._outcomes.get(candidate.id, {}).values() if o.answer]
        tokens = total([outcome.tokens for outcome in answered]) if answered else None
        return float("nan") if tokens is None else tokens / len(answered)


class _Final(Fixed):
    """Cells whose outcomes are taken."""

    def __init__(self, cells: Sequence[Cell], take: Callable[[Outcome], None]) -> None:
        super().__init__(cells)
        self._take = take

    def tell(self, event: Event) -> Sequence[Standing]:
        if isinstance(event, Outcome):
            self._take(event)
        return ()

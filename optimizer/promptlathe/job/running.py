"""A job from the first call to the result: search, then the decision, then the record."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from promptlathe.data.splits import SPLITS
from promptlathe.decide import Comparison, compare
from promptlathe.errors import BudgetTooSmall, InputError, Interrupted, PromptlatheError
from promptlathe.job.interrupts import interruptible
from promptlathe.job.limits import Checked, best_within, check
from promptlathe.job.loop import Cells, Fixed, Proposer, Stopped, drive
from promptlathe.job.plan import Plan, portfolio
from promptlathe.job.progress import Progress, View
from promptlathe.job.recording import Recorder, sides
from promptlathe.job.result import Result, Side, Test
from promptlathe.job.stores import ledger_url
from promptlathe.job.warm import comparable, terms
from promptlathe.ledger import Course, Ledger
from promptlathe.records import Answer, Budget, Candidate, Cell, Outcome, Standing, Event, Unit
from promptlathe.runtime import Engine, LocalEngine
from promptlathe.runtime.evaluator import Evaluator
from promptlathe.runtime.health import Health, check_reachable
from promptlathe.runtime.meter import Meter
from promptlathe.runtime.replay import ReplayedEvaluator
from promptlathe.runtime.roles import RoleEngine
from promptlathe.search import Policy, make_policy
from promptlathe.search.lathe.effects import Effect, effects_of
from promptlathe.search.operators import Descent, OperatorReport, lineage_of
from promptlathe.search.operators.briefing import answers_of
from promptlathe.search.operators.guards import Leaks
from promptlathe.search.operators.workshop import ASKED, Terms, Workshop
from promptlathe.space import BoundSpace

if TYPE_CHECKING:
    from promptlathe.job.job import Job
    from promptlathe.search.lathe import Earlier

SIDES = 3
"""Prompts that meet the test rows at most: the seed, the best and the champion."""
PROGRESS = 50
"""Outcomes after which MLflow is told how the search stands, whether or not one has settled."""
HEAD_START = 0.05
"""Seconds from the first answer until MLflow is started: that takes a core for seconds, and the
first calls go first. A model that never answers leaves no run."""


def run_job(job: "Job", *, progress: Progress | None, replay: str | None) -> Result:
    """Run it to the end, or until it is interrupted."""
    return interruptible(lambda: _run(job, progress, replay))


async def _run(job: "Job", progress: Progress | None, replay: str | None) -> Result:
    run = uuid4().hex[:12]
    ledger = Ledger(ledger_url(job))
    try:
        if replay and not ledger.order(replay):
            raise InputError(
                f"no run {replay!r} is in the ledger",
                "--replay",
                "name the `run` of a result that was made in this workspace",
            )
        engine = _engine(job)
        if job.parallel.engine == "local":
            await check_reachable(job.model)
        async with engine:
            recorder = Recorder(job, run)
            try:
                running = Running(job, run, ledger, engine, recorder, progress, replay)
                return await running.to_the_end()
            except asyncio.CancelledError:
                recorder.abort("KILLED", "interrupted")
                raise
            except PromptlatheError as error:
                recorder.abort("FAILED", str(error))
                raise
            except BaseException as error:
                recorder.abort("FAILED", f"{type(error).__name__}: {error}")
                raise
    except asyncio.CancelledError:
        raise Interrupted(ledger.count(run)) from None
    finally:
        ledger.close()


def _engine(job: "Job") -> Engine:
    task = _task_engine(job)
    if not job.operators:
        return task
    return RoleEngine(task, LocalEngine(job.writer, ASKED))


def _task_engine(job: "Job") -> Engine:
    parallel = job.parallel
    if parallel.engine == "ray":
        from promptlathe.runtime.ray_engine import RayEngine

        return RayEngine(
            job.model,
            parallel.concurrency,
            workers=parallel.workers,
            address=parallel.address,
        )
    return LocalEngine(job.model, parallel.concurrency)


@dataclass(frozen=True)
class Decided:
    """The final comparison, with what the champion was worth when there is one."""

    comparison: Comparison
    champion: Comparison | None
    cheaper: bool
    """The best takes fewer tokens per call than the seed."""
    limits: tuple[Checked, ...]

    @property
    def for_best(self) -> bool:
        """The best is recommended: it keeps the limits, and is better, or as good for less."""
        if not all(checked.kept for checked in self.limits):
            return False
        if self.comparison.verdict != "no significant gain":
            return self.comparison.verdict == "better"
        seed_breaks = any(not checked.kept_by_seed for checked in self.limits)
        return seed_breaks or (self.cheaper and self.comparison.gain >= 0)


class Running:
    """One run of a job; its methods are the stages."""

    def __init__(
        self,
        job: "Job",
        run: str,
        ledger: Ledger,
        engine: Engine,
        recorder: Recorder,
        progress: Progress | None,
        replay: str | None,
    ) -> None:
        self._job, self._run, self._recorder, self._progress = job, run, recorder, progress
        self._ledger, self._plan = ledger, job.plan
        self._course = _course(ledger, replay) if replay else None
        # The record says where the clock ended the search that is replayed.
        budget = replace(job.budget, minutes=None) if replay else job.budget
        self._meter = Meter(budget, job.prices)
        self._health = Health(job.model.name)
        evaluator = Evaluator(
            engine, ledger, job.objective, job.model, self._meter, None if replay else run
        )
        evaluator.rewriter = job.writer
        self._cells: Cells = evaluator
        if self._course:
            evaluator.failures = self._course.failures
            self._cells = ReplayedEvaluator(evaluator, self._course)
        if not replay:
            ledger.begin(run, terms(job), warm=job.search.warm_start)
        self._earlier = self._known(replay or run)
        self._policy = self._make_policy()
        self._workshop = self._make_workshop() if job.operators else None
        self._view = View(self._policy, self._meter, job.budget, job.model.name)
        self._settled: set[int] = set()
        """Numbers of the candidates whose cells are done."""
        self._told: list[Outcome] = []
        """The search's outcomes, in the order in which the policy saw them."""
        self._failed = 0
        self._answered = False

    async def to_the_end(self) -> Result:
        """Search, decide, record."""
        reason = await self._search()
        limits, policy = self._job.objective.limits.all, self._policy
        best = best_within(limits, policy.best, policy.seed, policy.standings, self._told)
        outcomes = await self._meet(best.candidate)
        decided = self._decide(best.candidate, outcomes, reason)
        return self._recorder.conclude(
            self._result(reason, best, decided),
            best.candidate,
            decided.comparison,
            decided.champion,
            self._ledger,
        )

    def _known(self, run: str) -> "Sequence[Earlier]":
        """What the run knew when it began; only `lathe` learns from it."""
        if self._job.search.policy != "lathe":
            return ()
        examples = {example.id for example in self._plan.select}
        return comparable(self._plan.space, self._ledger.earlier(run, examples))

    def _make_policy(self) -> Policy:
        search, plan, name = self._job.search, self._plan, f"{self._job.name}-{self._run}"
        return make_policy(
            search.policy,
            plan.space,
            plan.select,
            seed=search.seed,
            calls=_search_calls(plan),
            earlier=self._earlier,
            limits=self._job.objective.limits.all,
            per_token=self._job.budget.calls is None
            and (self._job.budget.tokens or self._job.budget.usd) is not None,
            study=name,
            path=self._job.state / "optuna" / f"{name}.journal",
        )

    def _make_workshop(self) -> Workshop:
        """Around the policy: makes new levels while it searches."""
        job, plan = self._job, self._plan
        objective = job.objective
        terms = Terms(
            limits=_search_limits(plan, job.budget),
            share=job.search.rewrite_share,
            seed=job.search.seed,
            target=objective.target,
            contract=objective.contract,
        )
        rows = [example for split in SPLITS for example in objective.examples(split)]
        leaks = Leaks(rows, answers_of(plan.space.train, objective.target))
        return Workshop(self._policy, plan.space, portfolio(job), terms, leaks)

    async def _search(self) -> str:
        """Keeps the calls of the decision back: also for a champion, until there is none."""
        rows = len(self._plan.test)
        policy = self._workshop or self._policy
        stopped = await self._drive(policy, keep=SIDES * rows)
        self._cells.stop(stopped.limit)
        if stopped.limit and await self._has_calls_left():
            first, keep = stopped.refused, (SIDES - 1) * rows
            stopped = await self._drive(policy, keep=keep, first=first)
            self._cells.stop(stopped.limit)
        self._policy.close()
        for standing in self._policy.standings:
            seen = standing.calls or standing.estimate
            if seen and standing.number not in self._settled:
                self._recorder.candidate(standing)
        return stopped.reason

    async def _has_calls_left(self) -> bool:
        """Those that were kept back for a champion that is not there."""
        if self._course:
            return len(self._course.stages) > 1
        return await self._recorder.champion() is None

    async def _drive(self, policy: Proposer, *, keep: int, first: Sequence[Unit] = ()) -> Stopped:
        return await drive(
            policy,
            self._cells,
            concurrency=self._job.parallel.concurrency,
            watch=self._watch,
            keep=keep,
            first=first,
        )

    def _watch(self, outcome: Event, settled: Sequence[Standing]) -> None:
        if isinstance(outcome, Outcome):
            self._watch_cell(outcome, settled)
        if self._progress:
            self._progress.update(self._view)

    def _watch_cell(self, outcome: Outcome, settled: Sequence[Standing]) -> None:
        self._health.watch(outcome)
        if not self._answered and isinstance(outcome.reply, Answer):
            self._answered = True
            asyncio.get_running_loop().call_later(HEAD_START, self._recorder.begin)
        self._recorder.check()
        self._failed += outcome.value is None
        if outcome.cell.example.split == "select":
            self._told.append(outcome)
        for standing in settled:
            self._settled.add(standing.number)
            self._recorder.candidate(standing)
        due = self._view.stage == "search" and len(self._told) % PROGRESS == 0
        if settled or due:
            self._recorder.progress(self._view)

    async def _meet(self, best: Candidate) -> dict[str, list[Outcome]]:
        """Seed, best and champion on the same test rows, once; outcomes by candidate id."""
        contestants = sides(self._plan.space.seed, best, await self._recorder.champion())
        prompts = {candidate.id: candidate for _, candidate in contestants}
        outcomes: dict[str, list[Outcome]] = {one: [] for one in prompts}
        recorder = self._recorder

        class Final(Fixed):
            def tell(self, outcome: Any) -> Sequence[Standing]:
                candidate = outcome.cell.candidate
                outcomes[candidate.id].append(outcome)
                for side, one in contestants:
                    if one == candidate:
                        recorder.test_outcome(side, outcome)
                return ()

        self._view.stage = "decision"
        cells = [Cell(c, row) for row in self._plan.test for c in prompts.values()]
        stopped = await self._drive(Final(cells), keep=0)
        self._cells.stop(stopped.limit, decision=True)
        return outcomes

    def _decide(self, best: Candidate, outcomes: dict[str, list[Outcome]], reason: str) -> Decided:
        seed = self._plan.space.seed
        comparison = self._compare(outcomes, seed, best)
        if comparison is None:
            raise BudgetTooSmall(
                "no row of the test split was answered by both prompts",
                f"the search ended by {reason}: allow more of it"
                if reason.startswith("budget")
                else "see why the calls failed",
            )
        champion = self._recorder.known_champion
        return Decided(
            comparison,
            self._compare(outcomes, champion, best) if champion else None,
            _tokens(outcomes[best.id]) < _tokens(outcomes[seed.id]),
            check(self._job.objective.limits.all, outcomes[seed.id], outcomes[best.id]),
        )

    def _compare(
        self, outcomes: dict[str, list[Outcome]], baseline: Candidate, best: Candidate
    ) -> Comparison | None:
        found = compare(
            outcomes[baseline.id],
            outcomes[best.id],
            rows=len(self._plan.test),
        )
        if found and baseline == best:  # the same prompt: no gain, and no doubt about it
            return replace(found, gain=0.0, low=0.0, high=0.0)
        return found

    def _result(self, reason: str, best: Standing, decided: Decided) -> Result:
        comparison = decided.comparison
        notes = [*self._plan.notes, *self._course_notes(reason)]
        notes += [note for checked in decided.limits if (note := checked.note)]
        effects = effects_of(self._space, self._told, self._earlier)
        lineage, operators = self._made(best.candidate, effects)
        notes += self._workshop.notes if self._workshop else ()
        if self._failed:
            notes.append(f"{self._failed} calls failed and were left unscored")
        return Result(
            run_id=None,
            run=self._run,
            verdict=comparison.verdict,
            finish_reason=reason,
            seed=Side.of(self._plan.space.seed, self._policy.seed),
            best=Side.of(best.candidate, best),
            recommended="best" if decided.for_best else "seed",
            test=Test.of(comparison),
            champion=Test.of(decided.champion) if decided.champion else None,
            promoted=None,
            notes=tuple(notes),
            standings=tuple(self._policy.standings),
            spent=self._meter.spent,
            seconds=self._meter.seconds,
            limits=decided.limits,
            found_effects=effects,
            lineage=lineage,
            operators=operators,
        )

    @property
    def _space(self) -> BoundSpace:
        """With all levels that were made."""
        return self._workshop.space if self._workshop else self._plan.space

    def _made(
        self, best: Candidate, effects: Sequence[Effect]
    ) -> tuple[tuple[Descent, ...], tuple[OperatorReport, ...]]:
        """The lineage of the levels that were made, and what each operator did."""
        if self._workshop is None:
            return (), ()
        lineage = lineage_of(self._workshop.births, effects, best)
        return lineage, tuple(self._workshop.reports(lineage))

    def _course_notes(self, reason: str) -> list[str]:
        """Where the search started from, and what it left of the budget."""
        notes: list[str] = []
        if self._earlier:
            notes.append(f"the search started from {len(self._earlier):,} earlier outcomes")
        if reason.startswith("budget"):
            return notes
        limit, used = self._job.budget.calls, self._meter.spent.used_calls
        if limit is not None:
            notes.append(f"{limit - used:,} of {limit:,} calls of the budget were not needed")
        elif self._view.fraction is not None:
            notes.append(f"{1 - self._view.fraction:.0%} of the budget was not needed")
        return notes


def _search_calls(plan: Plan) -> int | None:
    """What the search may spend, if that is known."""
    return plan.calls and max(1, plan.calls - SIDES * len(plan.test))


def _search_limits(plan: Plan, budget: Budget) -> dict[str, float]:
    """Of calls, tokens and USD what the search may spend, those that are limited."""
    calls = _search_calls(plan) if budget.calls else None
    limits = {"calls": calls, "tokens": budget.tokens, "usd": budget.usd}
    return {name: float(limit) for name, limit in limits.items() if limit}


def _course(ledger: Ledger, run: str) -> Course:
    course = ledger.course(run)
    if not course.stages:
        raise InputError(
            f"the run {run!r} was interrupted before its search ended",
            "--replay",
            "replay a run that has a result",
        )
    return course


def _tokens(outcomes: Sequence[Outcome]) -> float:
    """Mean tokens per call, of the answers that tell."""
    known = [outcome.tokens for outcome in outcomes if outcome.tokens is not None]
    return sum(known) / len(known) if known else 0.0

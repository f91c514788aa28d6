"""The stages of a run: search, then the decision, then the result and its record."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from promptlathe import clock
from promptlathe.data.splits import SPLITS
from promptlathe.job.answer_states import AnswerStates
from promptlathe.job.calibrated import judge_reports
from promptlathe.job.checks import portfolio
from promptlathe.job.decision import Decided, Decision
from promptlathe.job.facts import facts
from promptlathe.job.flat_scores import flat_notes
from promptlathe.job.guides import make_guide
from promptlathe.job.job import Job
from promptlathe.job.lanes import fixed_models, lanes_of
from promptlathe.job.limits import best_within
from promptlathe.job.loop import Proposer, Stopped, Units, drive
from promptlathe.job.plan import Plan
from promptlathe.job.progress import Progress, View
from promptlathe.job.recording import Recorder
from promptlathe.job.reports import FILE as REPORT
from promptlathe.job.reports import make_report
from promptlathe.job.reserve import SIDES, Reserve, search_cells, search_limits
from promptlathe.job.resume import Course
from promptlathe.job.step_counts import StepCounts
from promptlathe.job.stores import asking_file
from promptlathe.job.warm import comparable
from promptlathe.ledger import Asking, Ledger
from promptlathe.records import Budget, Candidate, Event, FinalistName, Outcome, Standing, Unit
from promptlathe.results import Finalist, Result, Test
from promptlathe.results.judges import notes_of
from promptlathe.results.kept import keep
from promptlathe.results.rows import decided_rows
from promptlathe.runtime.account import Account
from promptlathe.runtime.caller import Caller
from promptlathe.runtime.engine import Engine
from promptlathe.runtime.evaluator import Evaluator
from promptlathe.runtime.forecast import Forecast
from promptlathe.runtime.health import Health
from promptlathe.runtime.replay import ReplayedEvaluator
from promptlathe.runtime.writer import Writer
from promptlathe.search import Policy, make_policy
from promptlathe.search.lathe.contrasts import contrasts_of
from promptlathe.search.lathe.effects import Effect, effects_of
from promptlathe.search.lathe.readout import Readout
from promptlathe.search.operators import LevelLineage, OperatorReport, lineage_of
from promptlathe.search.operators.contexts import answers_of
from promptlathe.search.operators.guards import Leaks
from promptlathe.search.operators.rewriting_policy import RewritingPolicy, RewritingTerms
from promptlathe.space import BoundSpace
from promptlathe.track.gallery import gallery
from promptlathe.whole_files import write_whole

if TYPE_CHECKING:  # numpy and scipy load when they are needed
    from promptlathe.search.lathe import Earlier

TICK = 1.0
"""Seconds between two looks at the clock."""
HEAD_START = 0.05
"""Seconds from the first answer until MLflow is started: that takes a core for seconds, and the
first calls go first. A model that never answers leaves no run."""


class Running:
    """One run of a job; its methods are the stages."""

    def __init__(
        self,
        job: Job,
        plan: Plan,
        ledger: Ledger,
        engine: Engine,
        recorder: Recorder,
        progress: Progress | None,
        tell: Callable[[Result], object],
        course: Course,
    ) -> None:
        self._job, self._plan, self._course, self._ledger = job, plan, course, ledger
        self._engine = engine
        self._recorder, self._progress, self._tell = recorder, progress, tell
        # What the budget allowed stands in the record that is replayed.
        budget = Budget() if course.replay else job.budget
        self._account = Account(Budget() if course.replay else plan.budget, job.paid)
        forecast = Forecast(plan.first_guess)
        slots = job.parallel.concurrency
        self._reserve = Reserve(budget, len(plan.test), slots, self._account, forecast)
        self._asking = Asking(asking_file(job))
        run = None if course.replay else course.run
        writer = Writer(ledger, run, kept=self._asking.leave)
        health = Health(fixed_models(job))
        lanes = lanes_of(job)
        caller = Caller(engine, ledger, self._account, lanes, health, writer, asking=self._asking)
        self._evaluator = Evaluator(caller, writer, job.target, job.objective, forecast)
        self._units: Units = self._evaluator
        if course.recorded:
            self._units = ReplayedEvaluator(self._evaluator, course.recorded)
        self._earlier = self._known(course.replay or course.run)
        self._policy = self._make_policy()
        self._rewriting = self._make_rewriting() if job.operators else None
        self._states = AnswerStates(job)
        self._view = View(
            self._policy,
            self._account,
            job.budget,
            job.model.name,
            caller.gates,
            engine,
            self._states,
        )
        self._steps = StepCounts(job)
        self._told: list[Outcome] = []
        """The search's outcomes, in the order in which the policy saw them."""
        self._met: dict[FinalistName, list[Outcome]] = {}
        """What the finalists made of the held-out rows."""
        self._seen: Callable[[Outcome], object] = lambda outcome: None
        self._answered = False
        self._began = clock.now()
        self._sides = SIDES
        self._keep()

    async def searched(self, seen: Callable[[Outcome], object]) -> Candidate:
        """Search, and no more. The best; `seen` is told of each outcome, of `train` too."""
        self._seen = seen
        await self._search()
        return self._best().candidate

    async def to_the_end(self) -> Result:
        """Search, decide, record."""
        ticking = asyncio.create_task(self._tick())
        try:
            reason = await self._search()
            result = await self._decide(reason)
            self._keep_result(result)
            ticking.cancel()
            self._tell(result)
            settled = await self._recorder.settle(result)
            self._keep_result(settled)
            return settled
        finally:
            ticking.cancel()

    def _keep_result(self, result: Result) -> None:
        """In the ledger; a replay is no new run."""
        if not self._course.replay:
            keep(self._ledger, result)
            self._ledger.end(self._course.run)

    async def _tick(self) -> None:
        """While nothing comes, the progress says why."""
        while self._progress:
            await asyncio.sleep(TICK)
            self._progress.update(self._view)

    async def _decide(self, reason: str) -> Result:
        best = self._best()
        champion = self._known_then(await self._recorder.champion())
        self._view.stage = "decision"
        self._reserve.release()
        decision = Decision(
            self._job,
            self._plan,
            self._ledger,
            None if self._course.replay else self._course.run,
            self._plan.space.seed,
            best.candidate,
            champion,
        )
        decided = await decision.meet(
            partial(self._drive, decision=True),
            self._reserve.affordable,
            self._meet,
        )
        await self.close()  # requests that nobody waited for count as sent
        self._recorder.progress(self._view, self._states, last=True)
        result = self._recorder.known(self._result(reason, best, decided))
        page, note = await make_report(self._job, result)
        guide, other = await make_guide(self._job, result)
        notes = (one for one in (note, other) if one)
        result = replace(result, notes=(*result.notes, *notes))
        files = {**({REPORT: page} if page else {}), **guide}
        self._recorder.conclude(result, best.candidate, decided, self._ledger, files)
        return result

    def _meet(self, side: FinalistName, outcome: Outcome) -> None:
        self._met.setdefault(side, []).append(outcome)
        self._recorder.test_outcome(side, outcome)

    def _pictures(self) -> list[str]:
        """Keeps the page of what the finalists drew; a note that says where."""
        page = gallery(self._met)
        if page is None:
            return []
        path = self._job.state / "pictures" / f"{self._course.replay or self._course.run}.html"
        path.parent.mkdir(exist_ok=True)
        write_whole(path, page)
        return [f"the pictures of the held-out rows, side by side: {path}"]

    def _best(self) -> Standing:
        """Of the search, as far as its limits allow."""
        limits, policy = self._job.objective.limits.all, self._policy
        return best_within(limits, policy.best, policy.seed, policy.standings, self._told)

    def _known_then(self, champion: Candidate | None) -> Candidate | None:
        """None for one that did not take part in the decision that is replayed."""
        recorded = self._course.recorded
        if not (self._course.replay and recorded and champion):
            return champion
        met = {key[0] for part in recorded.decision for key, _ in part.events}
        seed, best = self._plan.space.seed.id, self._policy.best.candidate.id
        return champion if champion.id in met - {seed, best} else None

    async def close(self) -> None:
        """Nothing goes on after this."""
        await self._evaluator.close()
        self._asking.close()

    # What the search starts with

    def _known(self, run: str) -> "Sequence[Earlier]":
        """What the run knew when it began; only `lathe` learns from it."""
        if self._job.search.policy != "lathe":
            return ()
        examples = {example.id for example in self._plan.select}
        return comparable(self._plan.space, self._ledger.earlier(run, examples))

    def _make_policy(self) -> Policy:
        search, plan, name = self._job.search, self._plan, f"{self._job.name}-{self._course.run}"
        limits = self._job.budget.limits
        path = self._job.state / "optuna" / f"{name}.journal"
        # Of a run that was interrupted: it is told all again. Optuna waits 30 s for a lock whose
        # holder was killed.
        for left in (path, path.with_name(f"{path.name}.lock")):
            left.unlink(missing_ok=True)
        return make_policy(
            search.policy,
            plan.space,
            plan.select,
            seed=search.seed,
            calls=search_cells(plan, plan.calls),
            earlier=self._earlier,
            limits=self._job.objective.limits.all,
            per_token="calls" not in limits and not limits.keys().isdisjoint({"tokens", "usd"}),
            study=name,
            path=path,
        )

    def _make_rewriting(self) -> RewritingPolicy:
        """Around the policy: makes new levels while it searches."""
        job, plan = self._job, self._plan
        objective = job.objective
        about = RewritingTerms(
            limits=search_limits(plan, job.budget),
            share=job.search.rewrite_share,
            seed=job.search.seed,
            target=objective.target,
            contract=objective.contract,
            bounds=objective.bounds,
            step_targets=None
            if job.function
            else {one.step: one.target_field for one in objective.scorers if one.step},
        )
        rows = [example for split in SPLITS for example in objective.examples(split)]
        leaks = Leaks(rows, answers_of(plan.space.train, objective.target))
        return RewritingPolicy(self._policy, plan.space, portfolio(job), about, leaks)

    # The search

    async def _search(self) -> str:
        """Keeps the calls of the decision back: also for a champion, until there is none."""
        policy = self._rewriting or self._policy
        stopped = await self._drive(policy)
        if stopped.limit and await self._has_calls_left():
            self._sides = SIDES - 1
            self._keep()
            stopped = await self._drive(policy, first=stopped.refused)
        self._policy.close()
        return stopped.reason

    async def _has_calls_left(self) -> bool:
        """Those that were kept back for a champion that is not there."""
        recorded = self._course.recorded
        if recorded and (self._course.replay or recorded.decision or len(recorded.stages) > 1):
            return len(recorded.stages) > 1
        return await self._recorder.champion() is None

    def _keep(self) -> None:
        """What must remain for the decision: of the seed, the best, and a champion like it."""
        seed, best = self._plan.space.seed, self._policy.best.candidate
        self._reserve.keep([seed, *[best] * (self._sides - 1)])

    async def _drive(
        self, policy: Proposer, *, first: Sequence[Unit] = (), decision: bool = False
    ) -> Stopped:
        return await drive(
            policy,
            self._units,
            concurrency=self._job.parallel.concurrency,
            watch=self._watch,
            first=first,
            decision=decision,
        )

    def _watch(self, event: Event, settled: Sequence[Standing]) -> None:
        if isinstance(event, Outcome):
            self._watch_cell(event, settled)
        if self._view.stage == "search":
            self._keep()
        if self._progress:
            self._progress.update(self._view)

    def _watch_cell(self, outcome: Outcome, settled: Sequence[Standing]) -> None:
        if not self._answered and outcome.answer is not None:
            self._answered = True
            asyncio.get_running_loop().call_later(HEAD_START, self._recorder.begin)
        self._recorder.check()
        self._states.add(outcome)
        self._seen(outcome)
        self._steps.add(outcome)
        self._reserve.take(outcome)
        if outcome.cell.example.split == "select":
            self._told.append(outcome)
        self._recorder.progress(self._view, self._states)

    # The result

    def _result(self, reason: str, best: Standing, decided: Decided) -> Result:
        notes = [*self._plan.notes, *self._course_notes(reason), *decided.notes]
        readout = Readout(self._space, self._told, self._earlier)
        effects = effects_of(readout)
        lineage, operators = self._made(best.candidate, readout, effects)
        notes += self._rewriting.notes if self._rewriting else ()
        notes += self._states.notes
        met = [one for told in self._met.values() for one in told]
        notes += flat_notes(self._job, [*self._told, *met])
        notes += self._steps.notes
        notes += self._engine.notes
        notes += self._pictures()
        if failed := self._reserve.failures:
            reasons = ", ".join(f"{reason} {n}" for reason, n in failed.most_common())
            notes.append(f"{failed.total()} calls failed and were left unscored ({reasons})")
        judges = judge_reports(self._job)
        shown = decided.best_champion or decided.best_seed
        notes += notes_of(judges, shown.gain)
        spent, used = self._account.spent, self._account.used
        return Result(
            run_id=None,
            run=self._course.run,
            verdict=decided.recommendation.verdict,
            compared_with=decided.recommendation.compared_with,
            finish_reason=reason,
            seed=self._finalist(self._plan.space.seed, self._policy.seed),
            best=self._finalist(best.candidate, best),
            champion=self._finalist(decided.champion) if decided.champion else None,
            recommended=decided.recommendation.use,
            reason=decided.recommendation.reason,
            test=Test.of(decided.best_seed),
            test_champion=Test.of(decided.best_champion) if decided.best_champion else None,
            opened=decided.opened,
            unopened=self._plan.unopened,
            promoted=None,
            notes=tuple(notes),
            answers=self._states.of(),
            samples={str(one): said for one, said in self._states.samples.items()},
            standings=tuple(self._policy.standings),
            by_candidate=tuple(self._states.of(s.candidate.id) for s in self._policy.standings),
            spent=spent,
            usd_at_most=None if spent.usd is None else max(spent.usd, used.usd),
            seconds=self._account.seconds,
            limits=decided.limits,
            judges=judges,
            found_in_best=contrasts_of(readout, dict(best.candidate.levels)),
            found_effects=effects,
            lineage=lineage,
            operators=operators,
            steps=self._steps.reports(decided.seed_outcomes, decided.best_outcomes),
            curve=self._recorder.curve,
            rows=decided_rows(self._met, self._job.objective.target),
            facts=facts(self._job, self._plan, self._began),
        )

    def _finalist(self, candidate: Candidate, standing: Standing | None = None) -> Finalist:
        return Finalist.of(candidate, self._states.of(candidate.id), standing)

    @property
    def _space(self) -> BoundSpace:
        """With all levels that were made."""
        return self._rewriting.space if self._rewriting else self._plan.space

    def _made(
        self, best: Candidate, readout: Readout, effects: Sequence[Effect]
    ) -> tuple[tuple[LevelLineage, ...], tuple[OperatorReport, ...]]:
        """The lineage of the levels that were made, and what each operator did."""
        if self._rewriting is None:
            return (), ()
        lineage = lineage_of(self._rewriting.origins, readout, effects, best)
        return lineage, tuple(self._rewriting.reports(lineage))

    def _course_notes(self, reason: str) -> list[str]:
        """Where the search started from, and what it left of the budget."""
        notes: list[str] = []
        if self._course.told:
            notes.append(f"went on with an interrupted run after {self._course.told:,} outcomes")
        known = sum(one.known for one in self._earlier)
        if known:
            notes.append(f"the search started from {known:,} earlier outcomes")
        if heard := len(self._earlier) - known:
            notes.append(f"it heard {heard:,} of other prompts or models about the rows")
        if reason.startswith("budget"):
            return notes
        limit, used = self._job.budget.calls, self._account.spent.used_calls
        if limit is not None:
            notes.append(f"{limit - used:,} of {limit:,} calls of the budget were not needed")
        elif self._view.fraction is not None:
            notes.append(f"{1 - self._view.fraction:.0%} of the budget was not needed")
        return notes

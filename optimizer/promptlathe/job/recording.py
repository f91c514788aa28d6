"""A job's record in MLflow: what is handed to the tracker, and what the job asks it."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Literal

from promptlathe.errors import InputError
from promptlathe.job.answer_states import AnswerStates
from promptlathe.job.candidacies import candidacies, candidates_tables
from promptlathe.job.curve import Curves, drawn
from promptlathe.job.decision import Decided
from promptlathe.job.described import about, metrics, tables, tags
from promptlathe.job.description import description
from promptlathe.job.job import Job
from promptlathe.job.plan import Plan
from promptlathe.job.progress import View
from promptlathe.job.stores import tracking_uri
from promptlathe.job.taking_turns import registers
from promptlathe.ledger import Ledger
from promptlathe.records import Candidate, FinalistName, Outcome
from promptlathe.results import CurvePoint, Result
from promptlathe.space import fields_of, with_sources
from promptlathe.track.records import Champion, Conclusion
from promptlathe.track.tracker import NoTracker, Tracker


class Recorder:
    """One run's record, from its first call to its end."""

    def __init__(self, job: Job, plan: Plan, run: str, *, replay: bool) -> None:
        self._job, self._plan, self._run = job, plan, run
        self._began = time.time_ns() // 1_000_000
        self._registers = registers(job) and not replay
        self._champion = Champion()
        self._notes: tuple[str, ...] = ()
        self._view: View | None = None
        self._over = self._checked = False
        self._curves = Curves()

    @cached_property
    def _tracker(self) -> Tracker:
        tracker = _tracker(self._job, self._run)
        if self._job.track:
            tracker.start(about(self._job, self._plan, self._run, self._began))
        return tracker

    @property
    def _begun(self) -> bool:
        return "_tracker" in self.__dict__

    def begin(self) -> None:
        """Begin the run in MLflow, in the background; whatever is recorded first does it too."""
        if not self._over:
            _ = self._tracker

    def check(self) -> None:
        """Raises InputError as soon as it is known that the store cannot be used, or that its
        champion belongs to another task."""
        if self._checked or not (self._begun and self._tracker.started.done()):
            return
        self._checked = True
        if started := self._tracker.started.result():
            check_fits(started.champion, self._job, self._plan)

    async def champion(self) -> Candidate | None:
        """The registered champion of this moment, if there is one.

        A store that does not say it within seconds counts as one without. Raises InputError when
        it cannot be used, or when the champion does not fit the data.
        """
        found = await self._tracker.champion()
        note = found.complaint if found else _unasked(self._tracker.away)
        self._notes = (note,) if note else ()
        self._champion = found or Champion()
        check_fits(self._champion, self._job, self._plan)
        try:
            self._champion = with_champions_sources(self._champion, self._plan)
        except InputError as error:
            self._notes += (f"no champion is compared with: {error.what}",)
            self._champion = Champion(aliased=self._champion.aliased)
        prompts = {name: one.prompt for name, one in self._champion.prompts.items()}
        return Candidate((), prompts) if prompts else None

    def progress(self, view: View, states: AnswerStates, *, last: bool = False) -> None:
        """How the run stands: call it at each outcome, and at the end; most is thinned out."""
        self._view = view
        if last or self._curves.due(view.account.spent.used_calls):
            self._curves.add(drawn(view, states.of()))
        if self._begun:
            self._draw()

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """What was kept of it."""
        return self._curves.points

    def _draw(self, *, at_once: bool = False) -> None:
        if points := self._curves.take(at_once=at_once):
            self._tracker.progress([(one.point.calls, one.metrics) for one in points])

    def test_outcome(self, side: FinalistName, outcome: Outcome) -> None:
        """One row of the final comparison."""
        self._tracker.test_outcome(side, outcome)

    def known(self, result: Result) -> Result:
        """The result, with what is known of its record by now."""
        if not self._job.track:
            return result
        known = self._tracker.started
        started = known.result() if known.done() and not known.exception() else None
        notes = (*result.notes, *self._notes)
        return replace(result, run_id=started and started.run_id, notes=notes)

    def conclude(
        self,
        result: Result,
        best: Candidate,
        decided: Decided,
        ledger: Ledger,
        files: Mapping[str, str],
    ) -> None:
        """Write down how the run ended. files: more artifacts by name."""
        if not self._job.track:
            return
        order = (
            json.dumps(dict(zip(("candidate", "example", "repeat"), cell, strict=True)))
            for cell in ledger.order(self._run)
        )
        self._draw(at_once=True)
        every = self._job.track.candidates == "all"
        for one in candidacies(result, every=every):
            self._tracker.candidate(one)
        self._tracker.conclude(
            Conclusion(
                verdict=result.verdict,
                finish_reason=result.finish_reason,
                seed=self._plan.space.seed.prompts,
                best=best.prompts,
                comparison=decided.best_seed,
                champion=decided.best_champion,
                compared_with=result.compared_with,
                aliased=self._champion.aliased,
                recommended=result.recommended,
                opening=result.opened,
                notes=result.notes,
                promote=self._registers and decided.promotes,
                alias="challenger" if self._job.track.promote == "propose" else "champion",
                registers=self._registers,
                description=description(result),
                metrics=metrics(result),
                result=json.dumps(result.to_dict(), ensure_ascii=False, indent=2),
                order="".join(f"{line}\n" for line in order),
                tables=tables(result),
                files=files,
                tags=tags(result),
            )
        )

    async def settle(self, result: Result) -> Result:
        """The result, completed by what MLflow has taken; waits for seconds at most."""
        if not self._job.track:
            return result
        concluded = await self._tracker.settle()
        self._tracker.close()
        versions = {one.name: one.version for one in concluded.registered.values()}
        proposed = concluded.alias == "challenger"
        return replace(
            result,
            run_id=concluded.run_id,
            promoted=None if proposed else next(iter(versions.values()), None),
            registered={} if proposed else versions,
            proposed=versions if proposed else {},
            notes=tuple(dict.fromkeys([*result.notes, *concluded.problems])),
        )

    async def abort(
        self, status: Literal["FAILED", "KILLED"], reason: str, *, hurry: bool = False
    ) -> tuple[str, ...]:
        """End the run without a result; one that was not begun leaves nothing. What to know.

        hurry: somebody waits for the end.
        """
        self._over = True
        if not self._begun:
            return ()
        try:
            self._draw(at_once=True)
            known = candidates_tables(self._view.policy.standings if self._view else ())
            return (await self._tracker.abort(status, reason, known, hurry=hurry)).problems
        finally:
            self._tracker.close()


def _tracker(job: Job, run: str) -> Tracker:
    if not job.track:
        return NoTracker()
    from promptlathe.track.mlflow_tracker import MlflowTracker
    from promptlathe.track.store import default_artifacts

    return MlflowTracker(job.state, run, tracking_uri(job), default_artifacts(job.state))


def with_champions_sources(champion: Champion, plan: Plan) -> Champion:
    """With what its rules take from. Raises InputError for rows or a corpus that have changed."""
    rows = [example.row for example in plan.space.train]
    corpora = plan.space.corpora.values()
    prompts = {
        name: replace(one, prompt=with_sources(one.prompt, rows, corpora))
        for name, one in champion.prompts.items()
    }
    return replace(champion, prompts=prompts)


def _unasked(why: str) -> str:
    return (
        f"MLflow did not say whether there is a champion ({why}): the best prompt was compared "
        "with the seed, and is promoted only if there is none"
    )


def check_fits(champion: Champion, job: Job, plan: Plan) -> None:
    """Raises InputError for one with placeholders that nothing can fill."""
    known = set(job.objective.fields)
    for name, one in champion.prompts.items() if job.function is None else ():
        if missing := sorted(fields_of(one.prompt) - known):
            raise InputError(
                f"the champion {one.uri} needs fields that the data lacks: {missing}",
                job.place("run", ("track", "prompt")),
                "name another prompt with track.prompt: this one belongs to another task",
            )
        known |= {name} if len(plan.space.seed.prompts) > 1 else set()

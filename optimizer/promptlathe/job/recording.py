"""A job's record in MLflow: what is handed to the tracker, in its words."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from html import escape
from typing import Any, Literal

from promptlathe.errors import InputError
from promptlathe.job.decision import Decided
from promptlathe.job.job import Job
from promptlathe.job.plan import Plan
from promptlathe.job.progress import View
from promptlathe.job.resolved import resolved
from promptlathe.job.result import Result, Test
from promptlathe.job.stores import tracking_uri
from promptlathe.ledger import Ledger
from promptlathe.records import Candidate, Example, FinalistName, Outcome, Split, Standing
from promptlathe.search.operators import ancestry
from promptlathe.space import placeholders
from promptlathe.track.records import About, Conclusion, Dataset, RegisteredPrompt, Started
from promptlathe.track.tracker import NoTracker, Tracker

PASS_FAIL = ("exact_match", "contains", "regex", "numeric")
"""Scorers that give 0 or 1 only."""


class Recorder:
    """One run's record, from its first call to its end."""

    def __init__(self, job: Job, plan: Plan, run: str, *, replay: bool) -> None:
        self._job, self._plan, self._run, self._replay = job, plan, run, replay
        self._notes: list[str] = []
        self._registered: Mapping[str, RegisteredPrompt] = {}
        self._over = False

    @cached_property
    def _tracker(self) -> Tracker:
        tracker = _tracker(self._job)
        tracker.start(about(self._job, self._plan, self._run))
        return tracker

    @property
    def _begun(self) -> bool:
        return "_tracker" in self.__dict__

    def begin(self) -> None:
        """Begin the run in MLflow, in the background; whatever is recorded first does it too."""
        if not self._over:
            _ = self._tracker

    def check(self) -> None:
        """Raises InputError as soon as it is known that the store cannot be used."""
        if self._begun and self._tracker.ready.done():
            self._tracker.ready.result()

    async def champion(self) -> Candidate | None:
        """The registered champion, if there is one that fits the data; waits for MLflow.

        Raises InputError when the store cannot be used.
        """
        started = await asyncio.wrap_future(self._tracker.ready)
        self._registered = _fitting(started, self._job, self._plan)
        prompts = {name: one.prompt for name, one in self._registered.items()}
        return Candidate((), prompts) if prompts else None

    def candidate(self, standing: Standing) -> None:
        """A candidate's cells are done: its nested run."""
        self._tracker.candidate(standing)

    def progress(self, view: View) -> None:
        """The stepped metrics of the parent run."""
        best, seed = view.policy.best.estimate, view.policy.seed.estimate
        self._tracker.progress(
            view.account.spent.used_calls, best and best.mean, seed and seed.mean
        )

    def test_outcome(self, side: FinalistName, outcome: Outcome) -> None:
        """One row of the final comparison."""
        self._tracker.test_outcome(side, outcome)

    def conclude(self, result: Result, best: Candidate, decided: Decided, ledger: Ledger) -> Result:
        """End the run; the result, completed by what MLflow now holds."""
        track = self._job.track
        if not track:
            return result
        started = self._tracker.ready.result()
        result = replace(result, run_id=started.run_id if started else None)
        promote = track.promote == "if_better" and decided.promotes and not self._replay
        order = (
            json.dumps(dict(zip(("candidate", "example", "repeat"), cell, strict=True)))
            for cell in ledger.order(self._run)
        )
        concluded = self._tracker.conclude(
            Conclusion(
                verdict=result.verdict,
                finish_reason=result.finish_reason,
                seed=self._plan.space.seed.prompts,
                best=best.prompts,
                comparison=decided.best_seed,
                champion=decided.best_champion,
                compared_with=result.compared_with,
                recommended=result.recommended,
                opening=result.opened,
                notes=result.notes,
                promote=promote,
                description=_description(result),
                metrics=_metrics(result),
                result=json.dumps(result.to_dict(), ensure_ascii=False, indent=2),
                order="".join(f"{line}\n" for line in order),
                tables=_tables(result),
                tags=_tags(result),
            )
        )
        self._tracker.close()
        versions = {one.name: one.version for one in concluded.registered.values()}
        return replace(
            result,
            promoted=next(iter(versions.values()), None),
            registered=versions,
            notes=(*result.notes, *(started.problems if started else ()), *concluded.problems),
        )

    def abort(self, status: Literal["FAILED", "KILLED"], reason: str) -> None:
        """End the run without a result; one that was not begun leaves nothing."""
        self._over = True
        if not self._begun:
            return
        self._tracker.abort(status, reason)
        self._tracker.close()


def about(job: Job, plan: Plan, run: str) -> About:
    """What MLflow is told of the run before its first call."""
    objective, track = job.objective, job.track
    examples: dict[Split, Sequence[Example]] = {
        "train": plan.space.train,
        "select": plan.select,
        "test": plan.test,
    }
    source = objective.dataset if isinstance(objective.dataset, str) else objective.name
    return About(
        experiment=(track and track.experiment) or job.name,
        prompt=job.prompt_name,
        run_name=f"{job.name} · {job.search.policy} · seed {job.search.seed}",
        run_file=resolved(job),
        model=job.model.name,
        target=objective.target,
        prompts=tuple(plan.space.seed.prompts),
        pass_fail=frozenset(s.name for s in objective.scorers if s.keyword in PASS_FAIL),
        parameters=job.model.parameters,
        params=_params(job, plan),
        tags={"promptlathe.run": run},
        datasets=tuple(
            Dataset.of(objective.name, split, source, rows) for split, rows in examples.items()
        ),
    )


def _tracker(job: Job) -> Tracker:
    if not job.track:
        return NoTracker()
    from promptlathe.track.mlflow_tracker import MlflowTracker
    from promptlathe.track.store import default_artifacts

    log = job.state / "mlflow.log"
    return MlflowTracker(tracking_uri(job), artifacts=default_artifacts(job.state), log=log)


def _fitting(started: Started | None, job: Job, plan: Plan) -> Mapping[str, RegisteredPrompt]:
    """The champion by prompt, unless it has placeholders that nothing can fill."""
    registered = started.champion if started else {}
    known = set(job.objective.fields)
    for name, one in registered.items() if job.function is None else ():
        names = {n for m in one.prompt.messages for n in placeholders(m.text)}
        if missing := sorted(names - known):
            raise InputError(
                f"the champion {one.uri} needs fields that the data lacks: {missing}",
                job.place("run", ("track", "prompt")),
                "name another prompt with track.prompt: this one belongs to another task",
            )
        known |= {name} if len(plan.space.seed.prompts) > 1 else set()
    return registered


def _params(job: Job, plan: Plan) -> Mapping[str, object]:
    limits = {f"budget.{name}": limit for name, limit in job.budget.limits.items()}
    return {
        "model": job.model.name,
        "search.policy": job.search.policy,
        "search.seed": job.search.seed,
        "parallel.engine": job.parallel.engine,
        "parallel.concurrency": job.parallel.concurrency,
        "space.size": str(job.space.size),
        "objective": job.objective.name,
        "rows.train": len(plan.space.train),
        "rows.select": len(plan.select),
        "rows.test": len(plan.test),
        **limits,
        **{f"limits.{limit.metric}": limit.most for limit in job.objective.limits.all},
    }


def _tables(result: Result) -> dict[str, str]:
    """In MLflow's form, by file name; only those that have a line."""
    tables = {
        "effects.json": [asdict(effect) for effect in result.found_effects],
        "lineage.json": [_flat(one.to_dict()) for one in result.lineage],
        "operators.json": [_flat(asdict(one)) for one in result.operators],
        "answers.json": [
            {"candidate": standing.number, "levels": json.dumps(dict(standing.candidate.levels))}
            | _flat(counts.to_dict())
            for standing, counts in zip(result.standings, result.by_candidate, strict=True)
            if counts.total
        ],
    }
    return {
        name: json.dumps(
            {"columns": list(lines[0]), "data": [list(line.values()) for line in lines]},
            ensure_ascii=False,
        )
        for name, lines in tables.items()
        if lines
    }


def _flat(line: Mapping[str, Any]) -> dict[str, Any]:
    """Lists and mappings as text, for a table's cells."""
    return {
        name: value
        if isinstance(value, str | int | float | None)
        else json.dumps(value, ensure_ascii=False)
        for name, value in line.items()
    }


def _tags(result: Result) -> dict[str, str]:
    """Which operators worked, and how the levels of the best prompt came about."""
    if not result.operators:
        return {}
    worked = [f"{o.operator}: {o.levels}" for o in result.operators if o.levels]
    kept = [one for one in result.lineage if one.kept]
    made = [f"{one.origin.component}: {ancestry(one, result.lineage)}" for one in kept]
    return {
        "promptlathe.operators": ", ".join(worked) or "no level was made",
        "promptlathe.lineage": "; ".join(made) or "the best prompt has no level that was made",
    }


def _metrics(result: Result) -> dict[str, float]:
    spent = result.spent
    found: dict[str, float | None] = {
        "calls": spent.calls,
        "tokens": spent.tokens,
        "cached_calls": spent.cached_calls,
        "candidates": len(result.standings),
        "seconds": result.seconds,
        "cost_usd": spent.usd,
        "test_opened": result.opened,
    }
    found |= {f"answers_{one.replace(' ', '_')}": n for one, n in result.answers.by_state.items()}
    found["answers_failed"] = sum(result.answers.failed.values())
    for role in ("rewrite", "judge"):
        used = spent.of(role)
        found |= {f"{role}_calls": used.calls, f"{role}_tokens": used.tokens}
        found[f"{role}_cost_usd"] = used.usd
    return {name: float(value) for name, value in found.items() if value is not None}


def _description(result: Result) -> str:
    """Markdown, in which nothing that others wrote is HTML."""
    lines = [
        f"**{result.verdict}** than the {result.compared_with}"
        if result.verdict != "no significant gain"
        else f"**{result.verdict}** over the {result.compared_with}",
        f"On {result.test.examples} held-out rows, against the seed: {_gain(result.test)}",
        f"Recommended: the **{result.recommended}** prompt: {escape(result.reason)}. "
        f"Finished: {escape(result.finish_reason)}.",
    ]
    if result.test_champion:
        lines.append(f"Against the champion: {_gain(result.test_champion)}")
    lines += [f"Note: {escape(note, quote=False)}" for note in result.notes]
    return "\n\n".join(lines)


def _gain(test: Test) -> str:
    low, high = test.interval
    return (
        f"{test.seed:.3f} → {test.best:.3f}, gain {test.gain:+.3f} "
        f"(95 % interval {low:+.3f} to {high:+.3f})"
    )

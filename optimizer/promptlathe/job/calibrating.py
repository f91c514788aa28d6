"""A judge beside labels of people: it judges each answer, within a budget, and is measured."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptlathe import documents
from promptlathe.documents import Document
from promptlathe.errors import BudgetTooSmall, InputError, Interrupted
from promptlathe.job.calibrated import keep, key_of
from promptlathe.job.checks import check_judge_model
from promptlathe.job.interrupts import interruptible
from promptlathe.job.job import Job
from promptlathe.job.lanes import engine_of, fixed_models, lanes_of
from promptlathe.job.loop import Fixed, drive
from promptlathe.job.stores import asking_file, ledger_url, make_state, storage, writable
from promptlathe.ledger import Asking as Waiting
from promptlathe.ledger import Ledger, check_ledger
from promptlathe.models.settings import POCKET, ModelSettings
from promptlathe.records import (
    PROMPT,
    Budget,
    Candidate,
    Cell,
    Event,
    Example,
    Json,
    Message,
    Outcome,
    Prompt,
    Standing,
)
from promptlathe.runtime.account import Account, Spent
from promptlathe.runtime.amounts import Amounts
from promptlathe.runtime.caller import Caller
from promptlathe.runtime.evaluator import Evaluator
from promptlathe.runtime.forecast import Forecast
from promptlathe.runtime.health import Health, check_reachable
from promptlathe.runtime.seam import Context
from promptlathe.runtime.writer import Writer
from promptlathe.scoring import Objective
from promptlathe.scoring.calibration import Calibration, Labelled, Labels, read_labels
from promptlathe.scoring.calibration.labels import FEWEST, OUTPUT
from promptlathe.scoring.judging import Judge
from promptlathe.space import SearchSpace

Settings = tuple[tuple[str, str], ...]
Told = Callable[[int, int], object]
"""Told how many answers of how many are judged."""


@dataclass(frozen=True)
class Calibrated:
    """What `promptlathe judge` ends with."""

    calibration: Calibration
    path: Path
    spent: Spent
    seconds: float
    failures: Mapping[str, str]
    """Why answers have no verdict, by answer."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        spent = self.spent
        return {
            **self.calibration.to_dict(),
            "calls": spent.calls,
            "cached_calls": spent.cached_calls,
            "tokens": spent.tokens,
            "cost_usd": spent.usd,
            "seconds": round(self.seconds, 3),
        }


def load(
    path: Path,
    *,
    settings: Settings = (),
    workspace: Path | None = None,
    allow_outside: bool = True,
    announce: Callable[[Sequence[str]], None] = lambda code: None,
) -> Job:
    """Of a run file; or of an objective, whose judge is named with `--set judge.name=…`.

    Raises InputError.
    """
    data = documents.load(path).data
    if not isinstance(data, dict) or "scorers" not in data:
        return Job.load(
            path,
            settings=settings,
            workspace=workspace,
            allow_outside=allow_outside,
            announce=announce,
        )
    objective = Objective.load(path)
    given = Document({}, path)
    for key, value in settings:
        given = documents.set_value(given, key, value)
    if "judge" not in given.data:
        raise InputError(
            "an objective names no model that judges",
            str(path),
            "name a run file, or add  --set judge.name=MODEL  (and --set judge.base_url=URL)",
        )
    return Job(
        space=SearchSpace(messages="-"),
        objective=objective,
        model=ModelSettings(name=POCKET),  # nothing is asked of it
        judge=documents.parse(ModelSettings, given.at("judge")),
        workspace=workspace or path.resolve().parent,
    )


def calibrate(
    job: Job,
    path: Path,
    *,
    judge: str | None = None,
    calls: int | None = None,
    tell: Told = lambda done, total: None,
) -> Calibrated:
    """Judge the answers in the file of labels, and keep what comes of it.

    judge: the scorer's name, where there are several. calls: in place of the job's budget.
    Raises InputError, BudgetTooSmall, ModelUnavailable, StorageFailed or Interrupted.
    """
    job = replace(job, budget=Budget(calls=calls)) if calls else job
    scorer = _chosen(job, judge)
    check_judge_model(job)
    name = job.scorer.name
    if job.budget.usd is not None and name not in job.prices.root:
        raise InputError(
            f"budget.usd needs a price, and {name!r} has none",
            job.place("run", ("budget", "usd")),
            f"add  prices: {{{name}: {{input: …, output: …}}}}, or limit calls: --budget CALLS",
        )
    labels = _read(job, scorer, path)
    writable(job.state)
    check_ledger(ledger_url(job))
    with storage(job.state):
        make_state(job.state)
        return interruptible(lambda: _Calibrating(job, scorer, labels, tell).to_the_end())


def _chosen(job: Job, name: str | None) -> Judge:
    judges = [one for one in job.objective.scorers if isinstance(one, Judge)]
    listed = ", ".join(one.name for one in judges)
    if not judges:
        raise InputError("the objective has no judge", "scorers", "add  - judge: {rubric: …}")
    if name is None and len(judges) > 1:
        raise InputError(
            f"there are several judges: {listed}", "--judge", "name one with --judge NAME"
        )
    for one in judges:
        if name in (None, one.name):
            return one
    near = documents.nearest(str(name), [one.name for one in judges])
    raise InputError(
        f"there is no judge {name!r}",
        "--judge",
        f"did you mean {near!r}?" if near else f"there are: {listed}",
    )


def _read(job: Job, scorer: Judge, path: Path) -> Labels:
    around, columns = job.objective.surroundings, job.objective.columns
    together = around.api == "decisions"
    asked = [one for one in around.judges if isinstance(one, Judge)] if together else [scorer]
    seen = {name for one in asked for name in one.sees(columns, around.answers)} - {OUTPUT}
    scales = [form.scale for form in scorer.forms(around).values()]
    return read_labels(path, scales, columns, [name for name in columns if name in seen])


class _Given:
    """A target whose output is known: the text of its prompt."""

    async def run(
        self, prompts: Mapping[str, Prompt], row: Mapping[str, Json], ctx: Context
    ) -> Json:
        return prompts[PROMPT].messages[0].text


class _Calibrating:
    """One calibration, with one account."""

    def __init__(self, job: Job, judge: Judge, labels: Labels, tell: Told) -> None:
        self._job, self._judge, self._labels, self._tell = job, judge, labels, tell
        self._account = Account(job.budget, job.prices)
        self._outcomes: dict[str, Outcome] = {}

    async def to_the_end(self) -> Calibrated:
        job, lanes = self._job, lanes_of(self._job)
        waiting = Waiting(asking_file(job))
        ledger = Ledger(ledger_url(job))
        try:
            await check_reachable(lanes.by_name["judge"].settings)
            async with engine_of(job) as engine:
                writer = Writer(ledger, None, kept=waiting.leave)
                health = Health(fixed_models(job))
                caller = Caller(
                    engine, ledger, self._account, lanes, health, writer, asking=waiting
                )
                alone = self._judge.model_copy(update={"step": None})  # no chain was run
                scoring = job.objective.only(alone)
                first = Forecast(Amounts(self._judge.samples, 0, 0.0))
                evaluator = Evaluator(caller, writer, _Given(), scoring, first)
                try:
                    await self._judge_all(evaluator)
                finally:
                    await evaluator.close()
        except asyncio.CancelledError:
            raise Interrupted(len(self._outcomes)) from None
        finally:
            waiting.close()
            ledger.close()
        return self._measured()

    async def _judge_all(self, evaluator: Evaluator) -> None:
        answers = sorted(self._labels.answers, key=lambda one: one.value is None)
        total = len(answers)

        def watch(event: Event, settled: Sequence[Standing]) -> None:
            if isinstance(event, Outcome):
                self._outcomes[event.cell.example.id] = event
                self._tell(len(self._outcomes), total)

        cells = Fixed([_cell(one) for one in answers])
        slots = self._job.parallel.concurrency
        stopped = await drive(cells, evaluator, concurrency=slots, watch=watch)
        if stopped.limit:
            calls = total * self._judge.samples
            raise BudgetTooSmall(
                f"the budget of {stopped.limit} ended after {len(self._outcomes)} of {total} "
                "answers",
                f"allow about {calls:,} calls (--budget {calls}); what was judged is not paid "
                "for again",
            )

    def _measured(self) -> Calibrated:
        from promptlathe.scoring.calibration.measured import measure

        job, judge, known = self._job, self._judge, self._outcomes
        scores = {id: one.value for id, one in known.items() if one.value is not None}
        if sum(one.id in scores for one in self._labels.answers if one.value is not None) < FEWEST:
            why = next((o.failure.detail for o in known.values() if o.failure), "")
            raise InputError(
                f"the judge gave no verdict on most answers: {why}", judge.name, "check `judge`"
            )
        calibration = measure(
            self._labels,
            scores,
            {one.id: one.language or judge.language_of(one.row) for one in self._labels.answers},
            judge.scale_of(job.objective.surroundings),
            judge=judge.name,
            model=job.scorer.name,
            key=key_of(job, judge),
        )
        failures = {id: one.failure.detail for id, one in known.items() if one.failure}
        spent, seconds = self._account.spent, self._account.seconds
        return Calibrated(calibration, keep(job, calibration), spent, seconds, failures)


def _example(one: Labelled) -> Example:
    return Example(one.id, one.row, "select")


def _cell(one: Labelled) -> Cell:
    prompt = Prompt((Message("assistant", one.output),))
    return Cell(Candidate.single((), prompt), _example(one))

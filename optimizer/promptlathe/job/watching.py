"""A look at whether the champion still does what it did: the same rows, asked anew, day after day.

    champion   of the registry, now
    canaries   rows of `test`, the same ones at each look
    stream     looks that belong together: of one version, its rows, its model, its scoring
    a look     each canary's score; kept in the ledger (looks)
    drift      what all looks of the stream say (decide/drift.py)

Answers that are known do not count: a look has a ledger of its own, which is thrown away. A look
decides on no prompt, so that it does not spend what `test` has left to decide with.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from promptlathe import clock
from promptlathe.decide.drift import Drift, drift_of
from promptlathe.errors import InputError, Interrupted
from promptlathe.job.asking import Told, ask
from promptlathe.job.checks import shutdown_notes
from promptlathe.job.described import experiment_of
from promptlathe.job.interrupts import interruptible
from promptlathe.job.job import Job
from promptlathe.job.plan import Plan
from promptlathe.job.recording import check_fits, with_champions_sources
from promptlathe.job.rivals import opened, with_rivals
from promptlathe.job.stores import ledger_url, make_state, point_to_ledger, storage, tracking_uri
from promptlathe.ledger import Asking, Ledger, sqlite_url
from promptlathe.records import (
    Budget,
    Candidate,
    Cell,
    Example,
    Outcome,
    content_hash,
)
from promptlathe.runtime.account import Account, Spent
from promptlathe.track.aliases import Drifted, note_drift
from promptlathe.track.backend import Away, Backend, away, said
from promptlathe.track.records import registered_names
from promptlathe.track.registry import champion as champion_of
from promptlathe.track.watch_runs import log_look

LOST = 0.1
"""Of the rows without an answer at most; a look with more does not count."""


@dataclass(frozen=True)
class Look:
    """What was seen at a moment."""

    at: datetime
    scores: Mapping[str, float | None]
    """By example id; None where the service gave no answer."""
    seconds: float | None
    """Mean of a call."""
    usd: float | None
    """Of the look."""
    calls: int

    @property
    def lost(self) -> int:
        """Rows without an answer."""
        return sum(1 for score in self.scores.values() if score is None)

    @property
    def counts(self) -> bool:
        """It has enough answers."""
        return self.lost <= LOST * len(self.scores)


@dataclass(frozen=True)
class Watched:
    """What `promptlathe watch` ends with."""

    versions: Mapping[str, int]
    """The champion's, by registry name."""
    look: Look
    looks: tuple[Look, ...]
    """All that count, the first one first; this one among them if it does."""
    drift: Drift
    notes: tuple[str, ...]
    mlflow_run: str | None
    """Where MLflow shows the looks over time."""

    @property
    def began(self) -> datetime | None:
        """When the drift most probably began."""
        return None if self.drift.since is None else self.looks[self.drift.since].at

    @property
    def new(self) -> bool:
        """The alarm is this look's."""
        return self.look.counts and self.drift.first == len(self.looks) - 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        scores = [score for score in self.look.scores.values() if score is not None]
        found = asdict(self.drift)
        return {
            **found,
            "began": self.began and self.began.isoformat(),
            "new": self.new,
            "champion": dict(self.versions),
            "score": fmean(scores) if scores else None,
            "rows": len(self.look.scores),
            "lost": self.look.lost,
            "calls": self.look.calls,
            "seconds_per_call": self.look.seconds,
            "cost_usd": self.look.usd,
            "notes": list(self.notes),
            "mlflow_run": self.mlflow_run,
        }


def watch(job: Job, plan: Plan, tell: Told = lambda done, total: None) -> Watched:
    """Look, and say what all looks say; plan: as `check` gives it.

    Raises InputError, also when there is no champion, ModelUnavailable, StorageFailed, ClusterLost
    or Interrupted.
    """
    with storage(job.state):
        make_state(job.state)
        point_to_ledger(job)
        backend, candidate, versions = registered_now(job, plan)
        job = with_rivals(job, plan)
        rows = canaries(plan.test, job.watch.rows)
        try:
            looking = _Looking(job, plan, candidate, rows, tell)
            look = interruptible(looking.to_the_end)
        finally:
            job.objective.close()
        stream = content_hash(
            [dict(versions), sorted(row.id for row in rows), job.objective.scoring, *_asked(job)]
        )
        with closing(Ledger(ledger_url(job))) as ledger:
            if look.counts:
                ledger.keep_look(stream, look.at, _written(look))
            looks = tuple(_read(at, content) for at, content in ledger.looks(stream))
    drift = drift_of(_matrix(looks), alpha=job.watch.alpha, seed=int(stream, 16) % 2**32)
    watched = Watched(versions, look, looks, drift, (), None)
    notes = [*shutdown_notes(job, clock.now().date())]
    if watched.new and watched.began is not None:
        notes += _set_aside(job, watched.began)
    if not look.counts:
        notes.append(
            f"{look.lost} of {len(rows)} rows have no answer: this look does not count, and says "
            "nothing about the prompt"
        )
    return _recorded(job, backend, replace(watched, notes=tuple(notes)))


def canaries(test: Sequence[Example], count: int) -> list[Example]:
    """The same rows of `test` each time, whatever their order."""
    return sorted(test, key=lambda row: content_hash(["canary", row.id]))[:count]


def registered_now(job: Job, plan: Plan) -> tuple[Backend, Candidate, Mapping[str, int]]:
    """The store, the champion there, and its versions by registry name; asking takes seconds.

    Raises InputError when there is none, when the store does not say it, and when the data has
    changed below it.
    """
    if not job.track:
        raise InputError(
            "there is no champion: track is false",
            job.place("run", ("track",)),
            "track the job: it promotes its best prompt when that is better",
        )
    names = registered_names(job.prompt_name, plan.space.seed.prompts)
    try:
        backend = opened(job)
        found = champion_of(backend, names) if backend else None
    except Away as error:
        raise InputError(
            f"MLflow does not say who the champion is: {error.said}",
            tracking_uri(job),
            "see that the store can be reached",
        ) from None
    if backend is None or found is None or not found.prompts:
        why = found.complaint if found and found.complaint else "no version has the alias champion"
        raise InputError(
            f"there is no champion of {', '.join(names.values())}: {why}",
            job.place("run", ("track", "prompt")) or job.place("run", ()),
            "run the job first: it promotes its best prompt when that is better",
        )
    check_fits(found, job, plan)
    found = with_champions_sources(found, plan)
    prompts = {name: one.prompt for name, one in found.prompts.items()}
    versions = {one.name: one.version for one in found.prompts.values()}
    return backend, Candidate((), prompts), versions


def _asked(job: Job) -> list[Any]:
    """The models whose answers a look shows."""
    models = [job.model, *(one for _, one in sorted(job.step_models.items()))]
    models += [job.scorer] if job.objective.judges else []
    return [one.model_dump(mode="json", exclude_none=True) for one in models]


def _set_aside(job: Job, since: datetime) -> list[str]:
    """The models gave other answers then: a search asks them anew."""
    with closing(Ledger(ledger_url(job))) as ledger:
        models = (job.model, *job.step_models.values())
        count = sum(ledger.set_aside(one.name, one.endpoint, since) for one in models)
    return [f"{count:,} answers from before the drift are not used any more"] if count else []


class _Looking:
    """One look, with an account and a ledger of its own."""

    def __init__(
        self, job: Job, plan: Plan, champion: Candidate, rows: Sequence[Example], tell: Told
    ) -> None:
        self._job, self._plan, self._champion, self._rows = job, plan, champion, rows
        self._tell = tell
        self._account = Account(Budget(), job.paid)
        self._outcomes: dict[str, Outcome] = {}

    async def to_the_end(self) -> Look:
        try:
            with TemporaryDirectory(prefix="promptlathe-look-") as folder:
                await self._ask(Path(folder))
        except asyncio.CancelledError:
            raise Interrupted(len(self._outcomes)) from None
        return self._seen(self._account.spent)

    async def _ask(self, folder: Path) -> None:
        ledger, asking = Ledger(sqlite_url(folder / "ledger.db")), Asking()

        def seen(outcome: Outcome) -> None:
            self._outcomes[outcome.cell.example.id] = outcome
            self._tell(len(self._outcomes), len(self._rows))

        try:
            await ask(
                self._job,
                [Cell(self._champion, row) for row in self._rows],
                self._account,
                ledger,
                run="look",
                first_guess=self._plan.first_guess,
                asking=asking,
                seen=seen,
            )
        finally:
            asking.close()
            ledger.close()

    def _seen(self, spent: Spent) -> Look:
        outcomes = (self._outcomes.get(row.id) for row in self._rows)
        values = {row.id: one and one.value for row, one in zip(self._rows, outcomes, strict=True)}
        answers = [a for one in self._outcomes.values() for a in one.trace.answers()]
        seconds = fmean(one.latency for one in answers) if answers else None
        return Look(clock.now(), values, seconds, spent.usd, spent.calls)


def _matrix(looks: Sequence[Look]) -> list[list[float]]:
    """Scores, shape (looks, rows). A row without an answer has its mean over the other looks, or
    that of the look: there are few (LOST)."""
    if not looks:
        return []
    ids = sorted(looks[0].scores)
    known = {
        row: [score for look in looks if (score := look.scores[row]) is not None] for row in ids
    }
    means = {row: fmean(scores) for row, scores in known.items() if scores}
    overall = fmean(means.values())
    return [
        [means.get(row, overall) if (score := look.scores[row]) is None else score for row in ids]
        for look in looks
    ]


def _written(look: Look) -> str:
    content = {key: value for key, value in asdict(look).items() if key != "at"}
    return json.dumps(content, ensure_ascii=False)


def _read(at: datetime, content: str) -> Look:
    return Look(at=at, **json.loads(content))


def _recorded(job: Job, backend: Backend, watched: Watched) -> Watched:
    """With the run that shows the looks over time; MLflow's failure is a note."""
    scores = [score for score in watched.look.scores.values() if score is not None]
    drift = watched.drift
    metrics = {
        "score": fmean(scores) if scores and watched.look.counts else None,
        "evidence": drift.evidence,
        "evidence_for_alarm": 1 / drift.alpha,
        "seconds_per_call": watched.look.seconds,
        "cost_usd": watched.look.usd,
        "rows_lost": float(watched.look.lost),
    }
    try:
        run = log_look(
            backend,
            f"{experiment_of(job)}-watch",
            watched.versions,
            watched.look.at,
            step=len(watched.looks),
            metrics=metrics,
            verdict=drift.verdict,
        )
        if watched.new and watched.began is not None and drift.drop is not None:
            at, since = watched.look.at.isoformat(), watched.began.isoformat()
            note_drift(backend, watched.versions, Drifted(at, since, drift.drop))
    except Exception as error:
        if not away(error):
            raise
        note = f"MLflow has not taken the look: {said(backend.uri, error)}"
        return replace(watched, notes=(*watched.notes, note))
    return replace(watched, mlflow_run=run)

"""A look at whether the champion still does what it did: the same rows, asked anew, day after day.

    champion   of the registry, now
    canaries   rows of `test`, the same ones at each look
    stream     looks that belong together: of one version, its model, its scoring
    a look     each canary's score (looking.py); kept in the ledger (looks)
    drift      what all looks of the stream say (decide/drift.py)
    beside     the same of the seed's score, of a call's time and of a row's cost: told, no alarm

A look decides on no prompt, so that it does not spend what `test` has left to decide with.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from statistics import fmean
from typing import Any

from promptlathe.data.splits import SPLITS
from promptlathe.decide.drift import Drift, drift_of
from promptlathe.errors import InputError
from promptlathe.job.asking import Told
from promptlathe.job.checks import retiring, shutdown_notes, shutdowns
from promptlathe.job.described import experiment_of
from promptlathe.job.interrupts import interruptible
from promptlathe.job.job import Job
from promptlathe.job.looking import Look, Looking, canaries, matrix
from promptlathe.job.plan import Plan
from promptlathe.job.recording import check_fits, with_champions_sources
from promptlathe.job.rivals import opened, with_rivals
from promptlathe.job.stores import ledger_url, make_state, point_to_ledger, storage, tracking_uri
from promptlathe.job.warm import terms
from promptlathe.ledger import Ledger
from promptlathe.records import Candidate, content_hash
from promptlathe.track.aliases import Drifted, note_drift
from promptlathe.track.backend import Away, Backend, away, said
from promptlathe.track.records import registered_names
from promptlathe.track.registry import champion as champion_of
from promptlathe.track.watch_runs import log_look


@dataclass(frozen=True)
class Beside:
    """What became of something else that a look sees."""

    drift: Drift
    began: datetime | None
    """When it most probably began to be worse."""
    before: float | None
    """Mean of the looks before that."""
    since: float | None
    """Mean of the looks since."""

    def words(self, name: str) -> str:
        """What has become worse."""
        what = {
            "seed": "the seed drifts: score",
            "seconds_per_call": "a call takes longer: seconds",
            "cost_per_row": "a row costs more: USD",
        }[name]
        was = "" if self.before is None else f", {self.before:.3g} before"
        return f"{what} {self.since:.3g} since {self.began:%-d %B %Y}{was}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        return {
            "verdict": self.drift.verdict,
            "evidence": self.drift.evidence,
            "began": self.began and self.began.isoformat(),
            "before": self.before,
            "since": self.since,
        }


@dataclass(frozen=True)
class Watched:
    """What `promptlathe watch` ends with."""

    versions: Mapping[str, int]
    """The champion's, by registry name."""
    look: Look
    looks: tuple[Look, ...]
    """All that count, the first one first; this one among them if it does."""
    drift: Drift
    beside: Mapping[str, Beside]
    """By `seed`, `seconds_per_call` and `cost_per_row`, of what all looks have seen."""
    notes: tuple[str, ...] = ()
    retiring: tuple[str, ...] = ()
    """Models that are within `retire.warn_days` of their end since this look."""
    mlflow_run: str | None = None
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
        found = asdict(self.drift)
        return {
            **found,
            "began": self.began and self.began.isoformat(),
            "new": self.new,
            "champion": dict(self.versions),
            "score": _mean(self.look.scores),
            "seed_score": _mean(self.look.seed),
            "rows": len(self.look.scores),
            "lost": self.look.lost,
            "calls": self.look.calls,
            "seconds_per_call": self.look.seconds,
            "cost_usd": self.look.usd,
            "cost_per_row": self.look.cost,
            "served": list(self.look.served),
            "beside": {name: one.to_dict() for name, one in self.beside.items()},
            "retiring": list(self.retiring),
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
        stream = content_hash([dict(versions), job.objective.scoring, *_asked(job)])
        with closing(Ledger(ledger_url(job))) as ledger:
            earlier = [Look.read(at, content) for at, content in ledger.looks(stream)]
        known = [example for split in SPLITS for example in job.objective.examples(split)]
        last = earlier[-1] if earlier else None
        rows = canaries(plan.test, job.watch.rows, known, last)
        looking = Looking(job, plan, candidate, rows, tell)
        try:
            look = interruptible(looking.to_the_end)
        finally:
            job.objective.close()
        if look.counts:
            with closing(Ledger(ledger_url(job))) as ledger:
                ledger.keep_look(stream, look.at, look.written())
                ledger.keep_told(stream, terms(job), list(looking.outcomes.values()))
    ids = sorted(row.id for row in rows)
    all_looks = [*earlier, look] if look.counts else earlier
    looks = tuple(one for one in all_looks if one.scores.keys() >= set(ids))
    alpha, seed = job.watch.alpha, int(stream, 16) % 2**32
    drift = drift_of(matrix([one.scores for one in looks], ids), alpha=alpha, seed=seed)
    others = beside(looks, ids, alpha, seed)
    today, ends = look.at.date(), shutdowns(job)
    soon = retiring(ends, today, job.retire.warn_days)
    if last is not None:
        told = retiring(ends, last.at.date(), job.retire.warn_days)
        soon = {name: day for name, day in soon.items() if name not in told}
    watched = Watched(versions, look, looks, drift, others, retiring=tuple(soon))
    notes = [*shutdown_notes(ends, today, job.retire.warn_days)]
    notes += [one.words(name) for name, one in others.items() if one.began is not None]
    notes += _served_anew(look, earlier)
    notes += [job.objective.shift] if job.objective.shift else []
    if watched.new and watched.began is not None:
        notes += _set_aside(job, watched.began)
    if not look.counts:
        notes.append(
            f"{look.lost} of {len(rows)} rows have no answer: this look does not count, and says "
            "nothing about the prompt"
        )
    return _recorded(job, backend, replace(watched, notes=tuple(notes)))


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


def beside(
    looks: Sequence[Look], rows: Sequence[str], alpha: float, seed: int
) -> dict[str, Beside]:
    """Of what each look has seen; of seconds and USD, more is worse."""
    found: dict[str, Beside] = {}
    seeds = [(one, one.seed) for one in looks if one.seed is not None]
    if seeds:
        found["seed"] = _became(
            [one.at for one, _ in seeds], matrix([s for _, s in seeds], rows), alpha, seed
        )
    for name, of in (
        ("seconds_per_call", [(one.at, one.seconds) for one in looks]),
        ("cost_per_row", [(one.at, one.cost) for one in looks]),
    ):
        seen = [(at, -value) for at, value in of if value is not None]
        if any(value for _, value in seen):
            found[name] = _became([at for at, _ in seen], [[v] for _, v in seen], alpha, seed)
    return found


def _became(
    moments: Sequence[datetime], looks: Sequence[Sequence[float]], alpha: float, seed: int
) -> Beside:
    drift = drift_of(looks, alpha=alpha, seed=seed)
    if drift.since is None:
        return Beside(drift, None, None, None)
    means = [abs(fmean(one)) for one in looks]
    before, since = means[: drift.since], means[drift.since :]
    return Beside(drift, moments[drift.since], fmean(before) if before else None, fmean(since))


def _served_anew(look: Look, earlier: Sequence[Look]) -> list[str]:
    """Where the service names its model otherwise than at the look before."""
    before = next((one for one in reversed(earlier) if one.served), None)
    if not look.served or before is None or set(look.served) <= set(before.served):
        return []
    return [
        f"the service calls what answers {', '.join(look.served)}; on {before.at:%-d %B %Y} it was "
        f"{', '.join(before.served)}"
    ]


def _mean(scores: Mapping[str, float | None] | None) -> float | None:
    known = [score for score in (scores or {}).values() if score is not None]
    return fmean(known) if known else None


def _recorded(job: Job, backend: Backend, watched: Watched) -> Watched:
    """With the run that shows the looks over time; MLflow's failure is a note."""
    drift, counts = watched.drift, watched.look.counts
    metrics = {
        "score": _mean(watched.look.scores) if counts else None,
        "score_seed": _mean(watched.look.seed) if counts else None,
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

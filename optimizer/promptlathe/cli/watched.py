"""What `watch` prints."""

from statistics import fmean

from promptlathe.cli.terminal import folded, say
from promptlathe.decide.drift import FEWEST
from promptlathe.job.job import Job
from promptlathe.job.looking import Look
from promptlathe.job.watching import Watched
from promptlathe.track.registry import versions_listed

NAME = 12
"""Columns of the names."""


def show_watched(watched: Watched, job: Job, *, quiet: bool) -> None:
    """The verdict; the scores, the evidence and the cost, unless it shall be quiet."""
    rows = [("verdict", verdict(watched))]
    if not quiet:
        rows += list(_details(watched, job))
    rows += [("note", note) for note in watched.notes]
    for name, text in rows:
        say(folded(f"{name:{NAME}}", text))


def verdict(watched: Watched) -> str:
    """In a line."""
    drift = watched.drift
    listed = versions_listed(watched.versions)
    match drift.verdict:
        case "holds":
            return f"{listed} holds: {drift.looks} looks since {watched.looks[0].at:%-d %B %Y}"
        case "not enough looks yet":
            return f"{listed}: not enough looks yet, {drift.looks} of {FEWEST}"
        case "drift":
            assert drift.drop is not None
            assert watched.began is not None
            low, high = drift.interval or (drift.drop, drift.drop)
            return (
                f"{listed} drifts: {100 * drift.drop:.0f} points lower "
                f"[{100 * low:.0f}, {100 * high:.0f}] since {watched.began:%-d %B %Y}"
            )


def _seed(look: Look) -> list[tuple[str, str]]:
    scores = [score for score in (look.seed or {}).values() if score is not None]
    return [("seed", f"{fmean(scores):.3f} on the same rows")] if scores else []


def _details(watched: Watched, job: Job) -> list[tuple[str, str]]:
    look, drift = watched.look, watched.drift
    scores = [score for score in look.scores.values() if score is not None]
    earlier = [
        score
        for one in watched.looks
        if one.at != look.at
        for score in one.scores.values()
        if score is not None
    ]
    before = f", {fmean(earlier):.3f} in the looks before" if earlier else ""
    cost = "cost unknown" if look.usd is None else f"${look.usd:.4f}"
    each = "" if look.seconds is None else f", {look.seconds:.2f} s a call"
    found = [
        (
            "score",
            f"{fmean(scores):.3f} on {len(scores)} rows{before}" if scores else "no row answered",
        ),
        *_seed(look),
        (
            "evidence",
            f"{drift.evidence:.3g} for a drift; {1 / drift.alpha:.3g} is an alarm, which comes "
            f"to at most {drift.alpha:.0%} of the champions that hold",
        ),
        ("spent", f"{look.calls:,} calls, {cost}{each}"),
    ]
    if watched.mlflow_run:
        found.append(("MLflow", f"run {watched.mlflow_run}: score and evidence over the looks"))
    return found

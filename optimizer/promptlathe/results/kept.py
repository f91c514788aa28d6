"""Results in the ledger: each run's, by the run's name, by MLflow's id, or the latest."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from promptlathe.command_line import command
from promptlathe.errors import InputError
from promptlathe.json_form import dump, load
from promptlathe.ledger import KeptResult, Ledger
from promptlathe.results.result import Result

LATEST = "latest"
FEWEST = 4
"""Characters by which a run may be named, where no other run begins so."""


@dataclass(frozen=True)
class Summary:
    """A finished run in a line."""

    run: str
    mlflow: str | None
    """MLflow's id of the run."""
    at: datetime
    """When it ended."""
    name: str
    experiment: str
    prompt: str
    objective: str
    model: str
    policy: str
    seed: int
    verdict: str
    compared_with: str
    recommended: str
    test: Mapping[str, Any]
    """The best against the seed, as in the JSON result."""
    promoted: Mapping[str, int]
    """Versions by name in the prompt registry."""
    calls: int
    usd: float | None
    seconds: float
    proposed: Mapping[str, int] = field(default_factory=dict[str, int])
    """The same of challengers."""
    store: str = ""
    """MLflow's; empty for the workspace's own."""


def keep(ledger: Ledger, result: Result) -> None:
    """Write down how a run ended; what was kept of it before is replaced."""
    content = zlib.compress(dump(result).encode("ascii"))
    row = KeptResult(
        run=result.run,
        mlflow=result.run_id,
        experiment=result.facts.experiment,
        at=result.facts.ended,
        summary=dump(_summary(result)),
        content=content,
    )
    ledger.keep_result(row)


def summaries(ledger: Ledger, experiment: str | None = None) -> list[Summary]:
    """The finished runs, of one experiment or of all, the latest first."""
    return [
        load(Summary, {**json.loads(text), "run": run})
        for run, text in ledger.summaries(experiment)
    ]


def result_of(ledger: Ledger, named: str, where: str = "RUN") -> Result:
    """The result of a run.

    named: the run as the ledger or MLflow names it, or how its name begins; `latest`.
    Raises InputError for a run that is not there, that has no result, or that several may be.
    """
    found = ledger.result(None if named == LATEST else named, FEWEST)
    if len(found) > 1:
        raise InputError(
            f"several runs begin with {named!r}: {', '.join(one.run for one in found[:5])}",
            where,
            "write more of the name",
        )
    if not found:
        known = [one.run for one in summaries(ledger)[:3]]
        raise InputError(
            "no run of this workspace has a result yet"
            if named == LATEST or not known
            else f"no run {named!r} with a result is in the ledger",
            where,
            f"name one of: {', '.join(known)}, … ({command('runs')} lists them)"
            if known
            else f"run a job first: {command('run', 'FILE')}",
        )
    return _read(found[0], where)


def results_of(ledger: Ledger, experiment: str) -> tuple[list[Result], int]:
    """All results of an experiment, the latest first, and how many cannot be read."""
    found: list[Result] = []
    unread = 0
    for run, _ in ledger.summaries(experiment):
        for kept in ledger.result(run):
            try:
                found.append(_read(kept, run))
            except InputError:
                unread += 1
    return found, unread


def _read(kept: KeptResult, where: str) -> Result:
    try:
        return load(Result, json.loads(zlib.decompress(kept.content)))
    except (ValueError, zlib.error):
        raise InputError(
            f"the result of the run {kept.run} was written by another version of promptlathe",
            where,
            "read it with the version that made it, or run its job again: known answers cost "
            "nothing",
        ) from None


def _summary(result: Result) -> Mapping[str, Any]:
    facts = result.facts
    one = Summary(
        run=result.run,
        mlflow=result.run_id,
        at=facts.ended,
        name=facts.name,
        experiment=facts.experiment,
        prompt=facts.prompt,
        objective=facts.objective,
        model=facts.model,
        policy=facts.policy,
        seed=facts.seed,
        verdict=result.verdict,
        compared_with=result.compared_with,
        recommended=result.recommended,
        test=result.test.to_dict(),
        promoted=result.registered,
        proposed=result.proposed,
        calls=result.spent.used_calls,
        usd=result.spent.usd,
        seconds=result.seconds,
        store=facts.store,
    )
    return asdict(one)

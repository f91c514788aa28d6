"""Forgetting old runs, and never what a champion rests on.

kept      the latest `keep` finished runs of each prompt; every run that promoted or proposed;
          whatever is under way or was interrupted; answers, looks, and openings of test rows
dropped   of the other finished runs: what they were told, their candidates and results, studies,
          reports and pictures; in MLflow what is below their line (track/pruning.py)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from promptlathe.ledger import Ledger
from promptlathe.results.kept import Summary, summaries


@dataclass(frozen=True)
class Pruned:
    """What is dropped, or would be."""

    runs: tuple[str, ...]
    """The latest first."""
    recorded: tuple[str, ...]
    """MLflow's ids of those that it has."""
    kept: int
    """Finished runs that stay."""
    files: tuple[Path, ...]
    freed: int
    """Bytes, of the files."""


def prunable(ledger: Ledger, state: Path, keep: int) -> Pruned:
    """What may go, when the latest `keep` runs of each prompt shall stay."""
    known = {one.run: one for one in summaries(ledger)}
    finished = ledger.finished()
    met: dict[str, int] = {}
    dropped: list[str] = []
    for run in finished:
        prompt = known[run].prompt if run in known else ""
        met[prompt] = met.get(prompt, 0) + 1
        if met[prompt] > keep and not _rests(known.get(run)):
            dropped.append(run)
    files = tuple(file for run in dropped for file in _files(state, run))
    freed = sum(file.stat().st_size for file in files)
    recorded = tuple(id_ for run in dropped if run in known and (id_ := known[run].mlflow))
    return Pruned(tuple(dropped), recorded, len(finished) - len(dropped), files, freed)


def prune(ledger: Ledger, pruned: Pruned) -> None:
    """Drop it, the files last: what is cut off is dropped by the next one."""
    ledger.drop_runs(pruned.runs)
    ledger.compact()
    for file in pruned.files:
        file.unlink(missing_ok=True)


def _rests(summary: Summary | None) -> bool:
    """A version in the registry was made by the run."""
    return summary is not None and bool(summary.promoted or summary.proposed)


def _files(state: Path, run: str) -> Iterator[Path]:
    for pattern in (f"optuna/*-{run}.journal", f"reports/{run}.html", f"pictures/{run}.html"):
        yield from state.glob(pattern)

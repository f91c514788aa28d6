"""The runs of a workspace, a line each."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from promptlathe.cli.tables import Column, table
from promptlathe.cli.terminal import short, visible, width
from promptlathe.documents.reading import read_yaml
from promptlathe.errors import InputError
from promptlathe.job.job import STATE
from promptlathe.ledger import BegunRun, Ledger
from promptlathe.results.kept import Summary, summaries
from promptlathe.track.running import carried_out

NAME = 24
"""Characters of a job's and of a model's name."""
VERDICTS = {"no significant gain": "no gain"}
State = Literal["finished", "running", "no result"]


@dataclass(frozen=True)
class Listed:
    """A run in a line."""

    run: str
    state: State
    """`no result`: it failed or was interrupted, and the same command goes on; or it is of a
    version that kept none."""
    at: datetime
    """When it was begun; of a run with a result, when it ended."""
    experiment: str
    model: str
    result: Summary | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-like."""
        result = self.result and {**asdict(self.result), "at": self.result.at.isoformat()}
        return {**asdict(self), "at": _aware(self.at).isoformat(), "result": result}


def listed(ledger: Ledger, workspace: Path, experiment: str | None) -> list[Listed]:
    """The latest first; those of an experiment, or all."""
    results = {one.run: one for one in summaries(ledger)}
    begun = {one.run: one for one in ledger.begun()}
    found = [_finished(one) for one in results.values()]
    found += [_begun(one, workspace) for run, one in begun.items() if run not in results]
    wanted = [one for one in found if experiment in (None, one.experiment)]
    return sorted(wanted, key=lambda one: _aware(one.at), reverse=True)


def run_lines(runs: Sequence[Listed]) -> list[str]:
    """A table as wide as the terminal allows."""
    results = [one.result for one in runs]
    shown = (
        Column("when", [_when(one.at) for one in runs]),
        Column("run", [one.run for one in runs]),
        Column("job", [_name(one.result.name if one.result else one.experiment) for one in runs],
               needed=5),
        Column("model", [_name(one.model) for one in runs], needed=3),
        Column("seed → best", [_scores(one) for one in results], needed=4),
        Column("gain", [_gain(one) for one in results]),
        Column("95 % interval", [_interval(one) for one in results], needed=6),
        Column("verdict", [_verdict(one) for one in runs]),
        Column("calls", [f"{one.calls:,}" if one else "" for one in results], right=True, needed=2),
        Column("cost", [_cost(one) for one in results], right=True, needed=1),
    )  # fmt: skip
    return table(shown, width())


def _finished(one: Summary) -> Listed:
    return Listed(one.run, "finished", one.at, one.experiment, one.model, one)


def _begun(one: BegunRun, workspace: Path) -> Listed:
    state = "running" if carried_out(workspace / STATE, one.run) else "no result"
    return Listed(one.run, state, one.at, _experiment(one.file), one.model, None)


def _experiment(file: str | None) -> str:
    """What a resolved run file says."""
    if not file:
        return ""
    try:
        data, _ = read_yaml(file, "the run file")
    except InputError:
        return ""
    track = data.get("track") if isinstance(data, dict) else None
    return str(track.get("experiment") or "") if isinstance(track, dict) else ""


def _aware(at: datetime) -> datetime:
    """SQLite keeps no time zone: what it has is UTC."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _when(at: datetime) -> str:
    return _aware(at).astimezone().strftime("%Y-%m-%d %H:%M")


def _name(text: str) -> str:
    return short(visible(text), NAME)


def _scores(one: Summary | None) -> str:
    return f"{one.test['seed']:.3f} → {one.test['best']:.3f}" if one else ""


def _gain(one: Summary | None) -> str:
    return f"{one.test['gain']:+.3f}" if one else ""


def _interval(one: Summary | None) -> str:
    return "{:+.3f} to {:+.3f}".format(*one.test["interval"]) if one else ""


def _verdict(one: Listed) -> str:
    if one.result is None:
        return one.state
    said = VERDICTS.get(one.result.verdict, one.result.verdict)
    return said if one.result.compared_with == "seed" else f"{said} than the champion"


def _cost(one: Summary | None) -> str:
    if one is None:
        return ""
    return "unknown" if one.usd is None else f"${one.usd:.2f}"

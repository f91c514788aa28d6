"""`prune`: old runs are forgotten."""

from collections.abc import Sequence
from pathlib import Path

import click

from promptlathe.cli.options import Workspace, example, reported
from promptlathe.cli.terminal import say


@click.command(
    epilog=example("promptlathe prune --keep 20 --dry-run", "promptlathe prune --keep 20")
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    required=True,
    metavar="N",
    help="Finished runs of each prompt that stay, the latest ones.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go; nothing does.")
@click.option("--mlflow/--no-mlflow", default=True, help="Whether MLflow forgets, too.")
@Workspace
@reported
def prune(keep: int, dry_run: bool, mlflow: bool, workspace: Path | None) -> None:
    """Forget old runs of the workspace, and never what a champion rests on.

    Runs that promoted or proposed a prompt stay, and so do answers that were paid for, looks of a
    watch, and openings of test rows. A run that is gone can neither be shown nor replayed, and
    later searches learn nothing from it. In MLflow its line stays with its metrics and artifacts;
    its candidates' runs and the traces of its rows go.
    """
    from promptlathe.cli.recorded import recorded
    from promptlathe.job.job import STATE
    from promptlathe.job.pruning import prunable
    from promptlathe.job.pruning import prune as drop

    with recorded(workspace) as (ledger, home):
        found = prunable(ledger, home / STATE, keep)
        below = ""
        if found.recorded and mlflow:
            count = len(found.recorded)
            would = f"; what is below {count:,} of MLflow's lines would go"
            below = would if dry_run else _forgotten(workspace, found.recorded)
        if not dry_run:  # last, since what goes here is not known any more
            drop(ledger, found)
    verb = "would go" if dry_run else "gone"
    say(
        f"{len(found.runs):,} runs {verb}, {found.kept:,} stay; {len(found.files):,} files of "
        f"{found.freed / 1e6:.1f} MB {verb}{below}"
    )


def _forgotten(workspace: Path | None, runs: Sequence[str]) -> str:
    """What went in MLflow, in words. Raises InputError for a store that is away."""
    from promptlathe.cli.registry import store
    from promptlathe.track.pruning import compact, forget_below

    with store(workspace) as backend:
        children, traces = forget_below(backend, runs)
        if traces:
            compact(backend.uri)
    return f"; {children:,} runs and {traces:,} traces in MLflow gone"

"""`prune`: old runs are forgotten."""

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
@Workspace
@reported
def prune(keep: int, dry_run: bool, workspace: Path | None) -> None:
    """Forget old runs of the workspace, and never what a champion rests on.

    Runs that promoted or proposed a prompt stay, and so do answers that were paid for, looks of a
    watch, and openings of test rows. A run that is gone can neither be shown nor replayed, and
    later searches learn nothing from it. MLflow's records stay.
    """
    from promptlathe.cli.recorded import recorded
    from promptlathe.job.job import STATE
    from promptlathe.job.pruning import prunable
    from promptlathe.job.pruning import prune as drop

    with recorded(workspace) as (ledger, home):
        found = prunable(ledger, home / STATE, keep)
        if not dry_run:
            drop(ledger, found)
    verb = "would go" if dry_run else "gone"
    say(
        f"{len(found.runs):,} runs {verb}, {found.kept:,} stay; {len(found.files):,} files of "
        f"{found.freed / 1e6:.1f} MB {verb}"
    )

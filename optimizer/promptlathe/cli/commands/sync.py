"""`sync`: what waits for MLflow."""

from pathlib import Path

import click

from promptlathe.cli.options import Workspace, example, reported
from promptlathe.cli.terminal import say


@click.command(epilog=example("promptlathe sync", "promptlathe sync --workspace my-prompts"))
@Workspace
@reported
def sync(workspace: Path | None) -> None:
    """Send to MLflow what it did not take while the runs went on."""
    from promptlathe.job.stores import existing_state
    from promptlathe.track.sync import sync as send

    state = existing_state(workspace, "spool", "mlflow.db")
    if not send(state, say):
        say("nothing waits for MLflow")

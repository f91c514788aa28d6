"""`ui`: MLflow's pages on the workspace's store."""

from pathlib import Path

import click

from promptlathe.cli.options import Workspace, example, reported
from promptlathe.cli.terminal import say


@click.command(
    epilog=example("promptlathe ui", "promptlathe ui --port 5001 --workspace my-prompts")
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@Workspace
@reported
def ui(host: str, port: int, workspace: Path | None) -> None:
    """Open the MLflow UI on the workspace's store."""
    from promptlathe.job.stores import existing_state
    from promptlathe.track.store import default_artifacts, default_uri
    from promptlathe.track.ui import serve_ui

    state = existing_state(workspace, "mlflow.db")
    serve_ui(
        default_uri(state),
        default_artifacts(state),
        host=host,
        port=port,
        announce=lambda url: say(f"MLflow's UI: {url}  (Ctrl-C stops it)"),
    )

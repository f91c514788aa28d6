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
    """Open the MLflow UI on the store of MLFLOW_TRACKING_URI, else on the workspace's."""
    from promptlathe.job.stores import recorded_in
    from promptlathe.track.ui import is_server, serve_ui

    uri, artifacts = recorded_in(workspace)
    stop = "" if is_server(uri) else "  (Ctrl-C stops it)"
    serve_ui(
        uri,
        artifacts,
        host=host,
        port=port,
        announce=lambda url: say(f"MLflow's UI: {url}{stop}"),
    )

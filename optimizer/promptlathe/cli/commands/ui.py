"""`ui`: MLflow's pages on the store of the latest run."""

import webbrowser
from pathlib import Path

import click

from promptlathe.cli.options import Workspace, example, reported
from promptlathe.cli.terminal import say


@click.command(
    epilog=example("promptlathe ui", "promptlathe ui --port 5001 --workspace my-prompts --open")
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser, too.")
@Workspace
@reported
def ui(host: str, port: int, opens: bool, workspace: Path | None) -> None:
    """Serve MLflow's UI on MLFLOW_TRACKING_URI's store, else where the latest run was recorded."""
    from promptlathe.job.latest import latest_recorded
    from promptlathe.job.stores import recorded_in
    from promptlathe.track.ui import run_page, serve_ui, serves_already

    last = latest_recorded(workspace)
    uri, artifacts = recorded_in(workspace, last.store if last else "")
    there = serves_already(uri, host, port)

    def announce(url: str) -> None:
        page = run_page(url, last.mlflow if last else None)
        say(f"MLflow's UI: {page}" + ("  (it runs already)" if there else "  (Ctrl-C stops it)"))
        if opens and not webbrowser.open(page):
            say("note: no browser was found", err=True)

    def starting() -> None:
        say(f"starting MLflow's UI on port {port}: this takes 5 to 10 seconds", err=True)

    serve_ui(uri, artifacts, host=host, port=port, announce=announce, starting=starting)

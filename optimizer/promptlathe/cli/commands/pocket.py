"""`pocket`: the embedded model over HTTP."""

import click

from promptlathe.cli.options import example, reported
from promptlathe.cli.terminal import say


@click.command(epilog=example("promptlathe pocket --port 8000", "promptlathe pocket --latency 0.1"))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free"
)
@click.option(
    "--latency",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="Seconds added to each answer.",
)
@reported
def pocket(host: str, port: int, latency: float) -> None:
    """Serve the embedded pocket model over HTTP, as an OpenAI-compatible endpoint."""
    from promptlathe.models.pocket.server import Faults, PocketServer, run_server

    def ready(server: PocketServer) -> None:
        say(f"The pocket model answers at {server.base_url}  (Ctrl-C ends it)")
        say(f"In a run file:  model: {{name: pocket, base_url: {server.base_url}}}")

    run_server(host, port, Faults(latency=latency), ready=ready)

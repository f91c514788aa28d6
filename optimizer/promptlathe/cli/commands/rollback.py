"""`rollback`: an earlier version is the champion again."""

from pathlib import Path

import click

from promptlathe.cli.options import Workspace, example, reported
from promptlathe.cli.terminal import say


@click.command(
    epilog=example(
        "promptlathe rollback support-triage --reason 'too terse for customers'",
        "promptlathe rollback support-triage --to 2",
    )
)
@click.argument("name")
@click.option(
    "--to",
    metavar="VERSION",
    type=click.IntRange(min=1),
    help="Which version; by default the one with the alias `previous`.",
)
@click.option("--reason", metavar="TEXT", default="", help="Why: kept with the version that goes.")
@Workspace
@reported
def rollback(name: str, to: int | None, reason: str, workspace: Path | None) -> None:
    """Give the alias `champion` of the registered prompt NAME back to an earlier version.

    Prompts that were promoted together move together. The version that had it is `previous` then:
    without --to, a second rollback undoes the first.
    """
    from promptlathe.cli.registry import registry
    from promptlathe.track.aliases import roll_back

    with registry(workspace, name) as backend:
        moved = roll_back(backend, name, to, reason)
    for one, (old, new) in moved.items():
        say(f"champion  {one}/{new} (was {one}/{old})")

"""`promote`: the challenger becomes the champion."""

from pathlib import Path

import click

from promptlathe.cli.options import Workspace, example, reported
from promptlathe.cli.terminal import say


@click.command(epilog=example("promptlathe promote support-triage"))
@click.argument("name")
@click.option(
    "--anyway",
    is_flag=True,
    help="Also when it was compared with another champion than there is now.",
)
@Workspace
@reported
def promote(name: str, anyway: bool, workspace: Path | None) -> None:
    """Give the alias `champion` of the registered prompt NAME to the version `challenger`.

    Runs with `track: {promote: propose}` make challengers. Prompts that were registered together
    move together; the version that was the champion is `previous` then.
    """
    from promptlathe.cli.registry import registry
    from promptlathe.track.aliases import promote as promote_challenger

    with registry(workspace, name) as backend:
        moved = promote_challenger(backend, name, anyway=anyway)
    for one, (old, new) in moved.items():
        say(f"champion  {one}/{new}" + (f" (was {one}/{old})" if old else ""))

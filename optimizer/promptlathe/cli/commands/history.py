"""`history`: the versions of a registered prompt."""

from pathlib import Path

import click

from promptlathe.cli.options import Json, Reported, Workspace, example, reported
from promptlathe.cli.outcome import JsonFile
from promptlathe.cli.terminal import say


@click.command(
    cls=Reported,
    epilog=example(
        "promptlathe history support-triage", "promptlathe history support-triage --json -"
    ),
)
@click.argument("name")
@Json
@Workspace
@reported
def history(name: str, json_file: JsonFile | None, workspace: Path | None) -> None:
    """List the versions of the registered prompt NAME: when, gain, run, aliases, rollbacks."""
    from promptlathe.cli.registry import registry, version_lines
    from promptlathe.track.aliases import history as versions_of

    with registry(workspace, name) as backend:
        versions = versions_of(backend, name)
    if json_file:
        json_file.tell({"prompt": name, "versions": [one.to_dict() for one in versions]})
        if json_file.alone:
            return
    say("\n".join(version_lines(versions)))

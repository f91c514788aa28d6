"""`runs`: what was run in a workspace."""

from pathlib import Path

import click

from promptlathe.cli.options import Json, Reported, Workspace, example, reported
from promptlathe.cli.outcome import JsonFile
from promptlathe.cli.terminal import say


@click.command(
    cls=Reported,
    epilog=example("promptlathe runs", "promptlathe runs --experiment support-triage --limit 5"),
)
@click.option("--experiment", metavar="NAME", help="Only those of this experiment.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="The latest so many."
)
@Json
@Workspace
@reported
def runs(
    experiment: str | None, limit: int, json_file: JsonFile | None, workspace: Path | None
) -> None:
    """List the runs of the workspace, the latest first; also those without a result."""
    from promptlathe.cli.hints import command
    from promptlathe.cli.listing import listed, run_lines
    from promptlathe.cli.recorded import recorded

    with recorded(workspace) as (ledger, place):
        found = listed(ledger, place, experiment)
    if json_file:
        json_file.tell({"runs": [one.to_dict() for one in found[:limit]]})
        if json_file.alone:
            return
    if not found:
        say(f"no run of the experiment {experiment!r}" if experiment else "no run yet")
        return
    say("\n".join(run_lines(found[:limit])))
    if len(found) > limit:
        say(f"… and {len(found) - limit} earlier ones (--limit)")
    if named := next((one.run for one in found if one.state == "finished"), None):
        say(f"\nNext:  {command('show', named, workspace=place)}")

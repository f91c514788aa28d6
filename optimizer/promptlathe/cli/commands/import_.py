"""`import`: a prompt, and tests, of another tool as files of a workspace."""

from pathlib import Path
from typing import Any

import click

from promptlathe.cli.options import APath, Outside, example, reported
from promptlathe.cli.terminal import say

KINDS = ("promptfoo", "prompty", "langfuse", "langsmith")
"""Those of `exchange.imports`, which would take a while to import for `--help`."""


@click.command(
    "import",
    epilog=example(
        "promptlathe import promptfooconfig.yaml my-prompts",
        "promptlathe import basic.prompty my-prompts",
        "promptlathe import langfuse:support-triage@production my-prompts",
    ),
)
@click.argument("source", metavar="SOURCE")
@click.argument("directory", type=APath(file_okay=False))
@click.option(
    "--from", "kind", type=click.Choice(KINDS), help="Where the name of SOURCE does not tell."
)
@Outside
@reported
def import_(source: str, directory: Path, kind: Any, allow_outside: bool) -> None:
    """Make space, objective and run file in DIRECTORY of a prompt of another tool.

    SOURCE is a configuration of promptfoo (.yaml, .json), a .prompty file,
    langfuse:NAME[@LABEL or /VERSION], or langsmith:OWNER/NAME[:COMMIT]. What cannot be carried over
    is listed, with its line. Nothing of SOURCE is executed; nothing is overwritten.
    """
    from promptlathe.cli.hints import command
    from promptlathe.cli.printing import show_plan
    from promptlathe.errors import InputError
    from promptlathe.exchange.imports import read, write
    from promptlathe.job import Job
    from promptlathe.job import check as check_job

    made = write(read(source, kind, allow_outside=allow_outside), directory)
    for path in made.files:
        say(f"  made  {path}")
    say()
    for line in made.said:
        say(f"kept  {line}")
    for lost in made.lost:
        say(f"LOST  {lost}")
    if not made.lost:
        say("nothing was lost")
    say()
    try:
        job = Job.load(made.run, workspace=directory, allow_outside=False)
        plan = check_job(job)
    except InputError as error:
        say(f"check: not ready yet: {error}")
        say(f"\nNext:  {command('check', made.run)}")
        return
    show_plan(job, plan, plan.notes)
    say(f"\nNext:  {command('run', made.run)}")

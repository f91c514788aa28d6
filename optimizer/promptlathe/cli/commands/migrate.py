"""`migrate`: another model for a prompt that works."""

from pathlib import Path

import click

from promptlathe.cli.commands.run import RunOptions, carry_out
from promptlathe.cli.log import Log
from promptlathe.cli.options import (
    APath,
    Json,
    LogFile,
    Outside,
    Quiet,
    Reported,
    Settings,
    Workspace,
    example,
    pairs,
    reported,
)
from promptlathe.cli.outcome import JsonFile


@click.command(
    cls=Reported,
    epilog=example(
        "promptlathe migrate runs/support_triage.yaml --to gpt-6-sol",
        "promptlathe migrate runs/support_triage.yaml --to '{name: m, base_url: http://…/v1}'",
        "promptlathe migrate runs/support_triage.yaml --to gpt-6-sol --optimize",
    ),
)
@click.argument("file", type=APath())
@click.option(
    "--to",
    metavar="MODEL",
    required=True,
    help="The new model: its name, or settings in braces in place of the run file's `model`.",
)
@click.option("--optimize", is_flag=True, help="Run the job with the new model, too.")
@Settings
@Json
@LogFile
@Quiet
@Workspace
@Outside
@reported
def migrate(
    file: Path,
    to: str,
    optimize: bool,
    settings: tuple[str, ...],
    json_file: JsonFile | None,
    log: Log | None,
    quiet: bool,
    workspace: Path | None,
    allow_outside: bool,
) -> None:
    """Say what the champion of FILE does with another model, paired with what it did.

    Both are asked the held-out rows; what is known costs nothing. Neither file nor registry is
    changed, unless with --optimize: then the job is run with the new model, and promotes.
    """
    from promptlathe.cli.display import Counting
    from promptlathe.cli.migrated import show_migrated
    from promptlathe.cli.printing import show_code
    from promptlathe.job import Job
    from promptlathe.job import check as check_job
    from promptlathe.job.migrating import migrate as ask_both
    from promptlathe.job.migrating import with_search
    from promptlathe.results import Result

    def load(more: tuple[str, ...]) -> Job:
        return Job.load(
            file,
            settings=pairs((*settings, *more)),
            workspace=workspace,
            allow_outside=allow_outside,
            announce=show_code,
        )

    old = load(())
    key = "model" if to.lstrip().startswith("{") or old.model.embedded else "model.name"
    there = (f"{key}={to}",)
    new = load(there)
    counting = Counting("answered")
    migrated = ask_both(
        (old, check_job(old)),
        (new, check_job(new)),
        counting.tell if not quiet else lambda done, total: None,
    )
    if optimize:
        found: list[Result] = []
        job = RunOptions(
            file=file,
            settings=(*settings, *there),
            json_file=json_file if json_file and json_file.alone else None,
            log=log,
            quiet=True,
            workspace=workspace,
            allow_outside=allow_outside,
        )
        carry_out(job, found.append)
        migrated = with_search(migrated, found[-1])
    if json_file:
        json_file.tell(migrated.to_dict())
        if json_file.alone:
            return
    show_migrated(migrated, file, there[0])

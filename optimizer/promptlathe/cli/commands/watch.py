"""`watch`: whether the champion still does what it did."""

import sys
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
from promptlathe.cli.outcome import DRIFT, JsonFile
from promptlathe.cli.terminal import say


@click.command(
    cls=Reported,
    epilog=example(
        "promptlathe watch runs/support_triage.yaml",
        "promptlathe watch runs/support_triage.yaml --set watch.rows=100 --json look.json",
    ),
)
@click.argument("file", type=APath())
@Settings
@Json
@LogFile
@Quiet
@Workspace
@Outside
@reported
def watch(
    file: Path,
    settings: tuple[str, ...],
    json_file: JsonFile | None,
    log: Log | None,
    quiet: bool,
    workspace: Path | None,
    allow_outside: bool,
) -> None:
    """Look whether the champion of FILE still does what it did: ask the same rows anew.

    Each look is kept; all of them together say "holds" or "drift", with a false alarm in at most
    `watch.alpha` of champions however often one looks. Exit code 7: drift. With `on_drift:
    optimize` the job is run when the alarm comes.
    """
    from promptlathe.cli.display import Counting
    from promptlathe.cli.notifying import failures_told, notify
    from promptlathe.cli.printing import show_code
    from promptlathe.cli.watched import show_watched, verdict
    from promptlathe.job import Job
    from promptlathe.job import check as check_job
    from promptlathe.job.watching import watch as look

    job = Job.load(
        file,
        settings=pairs(settings),
        workspace=workspace,
        allow_outside=allow_outside,
        announce=show_code,
    )
    counting = Counting("answered")
    with failures_told(job):
        plan = check_job(job)
        watched = look(job, plan, counting.tell if not quiet else lambda done, total: None)
    drift = watched.drift.verdict == "drift"
    alone = json_file if json_file and json_file.alone else None
    if not alone:
        show_watched(watched, job, quiet=quiet)
    if watched.new:
        notify(job, "drift", verdict(watched), watched.to_dict())
    if watched.retiring:
        ending = f"the service shuts {', '.join(watched.retiring)} down soon"
        notify(job, "retiring", ending, watched.to_dict())
    if watched.new and job.watch.on_drift == "optimize":
        say("the alarm is new: the job is run", err=True)
        carry_out(
            RunOptions(
                file=file,
                settings=settings,
                json_file=alone,
                log=log,
                quiet=quiet,
                workspace=workspace,
                allow_outside=allow_outside,
            )
        )
    if json_file:
        json_file.tell(watched.to_dict(), DRIFT if drift else 0)
    if drift:
        sys.exit(DRIFT)

"""`check`: what a run would do, without a call."""

from datetime import date
from pathlib import Path

import click

from promptlathe.cli.hints import again, command
from promptlathe.cli.options import APath, Outside, Settings, Workspace, example, pairs, reported
from promptlathe.cli.terminal import say


@click.command(epilog=example("promptlathe check runs/support_triage.yaml"))
@click.argument("file", type=APath())
@Settings
@Workspace
@Outside
@reported
def check(
    file: Path, settings: tuple[str, ...], workspace: Path | None, allow_outside: bool
) -> None:
    """Validate everything that FILE names, and say what a run would cost. Sends no call."""
    from promptlathe.cli.printing import show_code, show_plan
    from promptlathe.job import Job
    from promptlathe.job import check as check_job
    from promptlathe.job.calibrated import judge_reports
    from promptlathe.job.checks import shutdown_notes
    from promptlathe.results.judges import notes_of

    job = Job.load(
        file,
        settings=pairs(settings),
        workspace=workspace,
        allow_outside=allow_outside,
        announce=show_code,
    )
    plan = check_job(job)
    judges = notes_of(judge_reports(job))
    show_plan(job, plan, [*judges, *shutdown_notes(job, date.today())])
    say(f"\nNext:  {command('run', file, *again(settings, workspace, allow_outside))}")

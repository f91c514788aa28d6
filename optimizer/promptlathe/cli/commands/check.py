"""`check`: what a run would do, without a call; or with a few, whether it can find anything."""

from datetime import date
from pathlib import Path

import click

from promptlathe.cli.hints import again, command
from promptlathe.cli.options import (
    APath,
    Json,
    Outside,
    Reported,
    Settings,
    Workspace,
    example,
    pairs,
    reported,
)
from promptlathe.cli.outcome import JsonFile
from promptlathe.cli.terminal import say


@click.command(
    cls=Reported,
    epilog=example(
        "promptlathe check runs/support_triage.yaml",
        "promptlathe check runs/support_triage.yaml --headroom",
    ),
)
@click.argument("file", type=APath())
@click.option(
    "--headroom",
    is_flag=True,
    help="Spend at most a tenth of the budget to see whether a search can find anything.",
)
@Settings
@Json
@Workspace
@Outside
@reported
def check(
    file: Path,
    headroom: bool,
    settings: tuple[str, ...],
    json_file: JsonFile | None,
    workspace: Path | None,
    allow_outside: bool,
) -> None:
    """Validate everything that FILE names, and say what a run would cost. Sends no call.

    With --headroom it does: a few prompts of the space meet the same rows, so that it shows whether
    anything in the space can matter. The answers are kept: a run does not pay for them again.
    """
    from promptlathe.cli.display import Counting
    from promptlathe.cli.headroom import show_headroom
    from promptlathe.cli.printing import plan_form, show_code, show_plan
    from promptlathe.job import Job
    from promptlathe.job import check as check_job
    from promptlathe.job.calibrated import judge_reports
    from promptlathe.job.checks import shutdown_notes, shutdowns
    from promptlathe.job.headroom import look
    from promptlathe.job.scouting import scout_notes
    from promptlathe.results.judges import notes_of

    job = Job.load(
        file,
        settings=pairs(settings),
        workspace=workspace,
        allow_outside=allow_outside,
        announce=show_code,
    )
    plan = check_job(job)
    ending = shutdown_notes(shutdowns(job), date.today(), job.retire.warn_days)
    notes = [*plan.notes, *scout_notes(job, plan), *notes_of(judge_reports(job)), *ending]
    seen = look(job, plan, Counting("answered").tell) if headroom else None
    if json_file:
        json_file.tell(seen.to_dict() if seen else plan_form(job, plan, notes))
        if json_file.alone:
            return
    if seen:
        show_headroom(seen)
    else:
        show_plan(job, plan, notes)
    say(f"\nNext:  {command('run', file, *again(settings, workspace, allow_outside))}")

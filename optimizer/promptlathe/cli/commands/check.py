"""`check`: what a run would do, without a call; or with a few, whether it can find anything."""

from datetime import date
from pathlib import Path

import click

from promptlathe.cli.hints import again, command
from promptlathe.cli.options import (
    APath,
    Json,
    Outside,
    Settings,
    Workspace,
    example,
    pairs,
    reported,
)
from promptlathe.cli.terminal import say
from promptlathe.errors import InputError


@click.command(
    epilog=example(
        "promptlathe check runs/support_triage.yaml",
        "promptlathe check runs/support_triage.yaml --headroom",
    )
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
    json_path: Path | None,
    workspace: Path | None,
    allow_outside: bool,
) -> None:
    """Validate everything that FILE names, and say what a run would cost. Sends no call.

    With --headroom it does: a few prompts of the space meet the same rows, so that it shows whether
    anything in the space can matter. The answers are kept: a run does not pay for them again.
    """
    from promptlathe.cli.display import Counting
    from promptlathe.cli.headroom import show_headroom
    from promptlathe.cli.printing import show_code, show_plan
    from promptlathe.cli.telling import check_writable, write_json
    from promptlathe.job import Job
    from promptlathe.job import check as check_job
    from promptlathe.job.calibrated import judge_reports
    from promptlathe.job.checks import shutdown_notes
    from promptlathe.job.headroom import look
    from promptlathe.results.judges import notes_of

    if json_path and not headroom:
        raise InputError("there is nothing to write", "--json", "add --headroom, or leave it out")
    job = Job.load(
        file,
        settings=pairs(settings),
        workspace=workspace,
        allow_outside=allow_outside,
        announce=show_code,
    )
    if json_path:
        check_writable(json_path)
    plan = check_job(job)
    if headroom:
        seen = look(job, plan, Counting("answered").tell)
        if str(json_path) != "-":
            show_headroom(seen)
        if json_path:
            write_json(seen, json_path)
            return
        say(f"\nNext:  {command('run', file, *again(settings, workspace, allow_outside))}")
        return
    judges = notes_of(judge_reports(job))
    show_plan(job, plan, [*judges, *shutdown_notes(job, date.today())])
    say(f"\nNext:  {command('run', file, *again(settings, workspace, allow_outside))}")

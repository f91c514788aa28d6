"""`run`: a job from the first call to the record."""

import gc
from pathlib import Path

import click

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

EXITS = """\b
Exit codes: 0 finished (with or without an improvement), 2 bad input,
4 budget too small to compare anything, 5 model unavailable, 130 interrupted."""


@click.command(
    epilog=example(
        "promptlathe run runs/support_triage.yaml",
        "promptlathe run runs/support_triage.yaml --set budget.calls=500 --set search.seed=3",
        "promptlathe run runs/support_triage.yaml --json result.json",
    ),
    help=f"Run the job in FILE: search, decide on held-out rows, record in MLflow.\n\n{EXITS}",
)
@click.argument("file", type=APath())
@Settings
@Json
@click.option(
    "--replay", metavar="RUN", help="Tell outcomes in the order recorded for an earlier run."
)
@Workspace
@Outside
@reported
def run(
    file: Path,
    settings: tuple[str, ...],
    json_path: Path | None,
    replay: str | None,
    workspace: Path | None,
    allow_outside: bool,
) -> None:
    # The libraries below make 300,000 objects that stay: looking through them again and again
    # takes a tenth of the time to the first call.
    gc.set_threshold(20_000, 20, 20)
    from promptlathe.cli.display import display
    from promptlathe.cli.printing import show_code
    from promptlathe.cli.telling import Telling, check_writable
    from promptlathe.job import Job, Result
    from promptlathe.job import check as check_job
    from promptlathe.job import run as run_job

    job = Job.load(
        file,
        settings=pairs(settings),
        workspace=workspace,
        allow_outside=allow_outside,
        announce=show_code,
    )
    if json_path:
        check_writable(json_path)
    check_job(job)  # what is wrong is said before the first line of progress
    telling = Telling(job, json_path)
    with display(job) as progress:

        def tell(decided: Result) -> None:
            progress.end()
            telling.decided(decided)

        result = run_job(job, progress=progress, replay=replay, tell=tell)
    telling.recorded(result)

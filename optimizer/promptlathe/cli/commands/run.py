"""`run`: a job from the first call to the record."""

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from promptlathe.cli.log import Log
from promptlathe.cli.metrics import Metrics
from promptlathe.cli.options import (
    APath,
    Json,
    LogFile,
    MetricsFile,
    Outside,
    Quiet,
    Reported,
    Settings,
    Workspace,
    example,
    pairs,
    reported,
)
from promptlathe.cli.outcome import VERDICT, JsonFile
from promptlathe.cli.terminal import say

if TYPE_CHECKING:
    from promptlathe.job import Result

EXITS = """\b
Exit codes: 0 finished (with or without an improvement), 1 something else
went wrong, 2 bad input, 3 the verdict is one that --fail-on names,
4 budget too small to compare anything, 5 model unavailable, 6 another job
works on the prompt, 130 interrupted."""
FAILING = {"no-gain": ("no significant gain", "worse"), "worse": ("worse",)}
"""Verdicts by the word of `--fail-on`."""


@click.command(
    cls=Reported,
    epilog=example(
        "promptlathe run runs/support_triage.yaml",
        "promptlathe run runs/support_triage.yaml --set budget.calls=500 --set search.seed=3",
        "promptlathe run runs/support_triage.yaml --json result.json --log run.log",
        "promptlathe run runs/support_triage.yaml --quiet --fail-on no-gain",
        "promptlathe run runs/support_triage.yaml --log jobs.jsonl --metrics triage.prom",
    ),
    help=f"Run the job in FILE: search, decide on held-out rows, record in MLflow.\n\n{EXITS}",
)
@click.argument("file", type=APath())
@Settings
@Json
@LogFile
@MetricsFile
@Quiet
@click.option(
    "--fail-on",
    type=click.Choice(list(FAILING)),
    help=f"End with exit code {VERDICT} when the best prompt is worse, or no better either.",
)
@click.option(
    "--replay", metavar="RUN", help="Tell outcomes in the order recorded for an earlier run."
)
@click.option(
    "--if-busy",
    type=click.Choice(["wait", "leave"]),
    default="wait",
    help="When another job works on the same prompt: wait for its end, or leave (exit code 6).",
)
@Workspace
@Outside
@reported
def run(**options: Any) -> None:
    carry_out(RunOptions(**options))


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command is told; other commands that run a job tell a part of it."""

    file: Path
    settings: tuple[str, ...] = ()
    json_file: JsonFile | None = None
    log: Log | None = None
    metrics: Metrics | None = None
    quiet: bool = False
    fail_on: str | None = None
    replay: str | None = None
    if_busy: Literal["wait", "leave"] = "wait"
    workspace: Path | None = None
    allow_outside: bool = False


def carry_out(
    given: RunOptions, recorded: Callable[["Result"], object] = lambda result: None
) -> None:
    """What the command does; errors are raised. recorded: told of the result at the end."""
    quiet, log, metrics = given.quiet, given.log, given.metrics
    # In a terminal nothing is silent for seconds; elsewhere the first line is the job's.
    said = partial(say, err=True)
    logged = log.line if log else _nothing
    announce = said if sys.stderr.isatty() and not quiet else logged
    announce(f"reading {given.file}")
    # The libraries below make 300,000 objects that stay: looking through them again and again
    # takes a tenth of the time to the first call.
    gc.set_threshold(20_000, 20, 20)
    from promptlathe.cli.display import display
    from promptlathe.cli.notifying import failures_told, result_told
    from promptlathe.cli.printing import code_line
    from promptlathe.cli.telling import Telling
    from promptlathe.job import Job, Result
    from promptlathe.job import check as check_job
    from promptlathe.job import run as run_job
    from promptlathe.job.job import job_name

    if metrics:
        metrics.run_file = job_name(given.file)
    job = Job.load(
        given.file,
        settings=pairs(given.settings),
        workspace=given.workspace,
        allow_outside=given.allow_outside,
        announce=lambda code: (logged if quiet else said)(code_line(code)),
    )
    announce("checking the space, the data and where results are kept")
    with failures_told(job):
        check_job(job)  # what is wrong is said before the first line of progress
    failing = FAILING[given.fail_on] if given.fail_on else ()
    telling = Telling(job, given.json_file, failing, log=log, metrics=metrics, quiet=quiet)
    with failures_told(job):
        with display(job, log, quiet=quiet) as progress:

            def tell(decided: Result) -> None:
                progress.end()
                telling.decided(decided)

            result = run_job(
                job,
                progress=progress,
                replay=given.replay,
                tell=tell,
                announce=announce,
                if_busy=given.if_busy,
                waiting=logged if quiet else said,
            )
        telling.recorded(result)
    if not given.replay:
        result_told(job, result)
    recorded(result)
    if result.verdict in failing:
        sys.exit(VERDICT)


def _nothing(_: str) -> None:
    pass

"""`judge`: a judge beside people."""

from pathlib import Path

import click

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


@click.command(
    cls=Reported,
    epilog=example(
        "promptlathe judge runs/polite_replies.yaml labels.csv",
        "promptlathe judge runs/polite_replies.yaml labels.jsonl --judge tone --budget 200",
    ),
)
@click.argument("file", type=APath())
@click.argument("labels", type=APath())
@click.option("--judge", "name", metavar="NAME", help="Which judge, where there are several.")
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="CALLS",
    help="Calls at most, in place of the run file's budget.",
)
@Settings
@Json
@Workspace
@Outside
@reported
def judge(
    file: Path,
    labels: Path,
    name: str | None,
    budget: int | None,
    settings: tuple[str, ...],
    json_file: JsonFile | None,
    workspace: Path | None,
    allow_outside: bool,
) -> None:
    """Compare a judge of FILE with the labels of people in LABELS.

    FILE is a run file, or an objective (then name the model with --set judge.name=MODEL). LABELS
    (.csv, .jsonl) has the rows' fields, `output`, and `label` where there is one.
    """
    from promptlathe.cli.calibration import show_calibration
    from promptlathe.cli.display import Counting
    from promptlathe.cli.printing import show_code
    from promptlathe.job.calibrating import calibrate, load

    job = load(
        file,
        settings=pairs(settings),
        workspace=workspace,
        allow_outside=allow_outside,
        announce=show_code,
    )
    found = calibrate(job, labels, judge=name, calls=budget, tell=Counting("judged").tell)
    if not (json_file and json_file.alone):
        show_calibration(found)
    if json_file:
        json_file.tell(found.to_dict())

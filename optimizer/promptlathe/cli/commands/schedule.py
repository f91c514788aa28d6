"""`schedule`: jobs at their times."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlathe.cli.log import Log
from promptlathe.cli.options import APath, LogFile, Workspace, example, reported
from promptlathe.cli.terminal import say

if TYPE_CHECKING:
    from promptlathe.schedule.formats import Format

FORMATS = ("cron", "systemd", "kubernetes", "github", "airflow", "prefect", "ray")


@click.group(
    epilog=example(
        "promptlathe schedule next runs/support_triage.yaml",
        "promptlathe schedule run runs",
        "promptlathe schedule show runs/support_triage.yaml --as systemd",
    )
)
def schedule() -> None:
    """Run jobs at the times that their run files name (`schedule: "0 3 * * 1"`)."""


@schedule.command("next", epilog=example("promptlathe schedule next runs/support_triage.yaml"))
@click.argument("file", type=APath())
@click.option(
    "--count", type=click.IntRange(min=1, max=1000), default=5, help="How many times; 5 by default."
)
@reported
def show_next(file: Path, count: int) -> None:
    """Print the next times of the job in FILE."""
    from promptlathe import clock
    from promptlathe.schedule.entries import entries_of
    from promptlathe.schedule.wording import shown

    for entry in entries_of(file):
        say(f"{entry.name}: {entry.cron.words}, {entry.cron.zone or entry.cron.tz}")
        for moment in islice(entry.cron.after(clock.now()), count):
            say(shown(moment))


@schedule.command(
    "run",
    epilog=example(
        "promptlathe schedule run runs", "promptlathe schedule run a.yaml b.yaml --log jobs.jsonl"
    ),
)
@click.argument("paths", metavar="DIR|FILE...", type=APath(), nargs=-1, required=True)
@click.option(
    "--at-once",
    type=click.IntRange(min=1, max=100),
    default=1,
    help="Jobs side by side at most; 1 by default. Jobs on one prompt take turns in any case.",
)
@LogFile
@Workspace
@reported
def run_scheduler(
    paths: tuple[Path, ...], at_once: int, log: Log | None, workspace: Path | None
) -> None:
    """Start jobs at their times, in the foreground, until Ctrl-C or SIGTERM.

    Of folders, all run files that have a schedule; files may be changed meanwhile. A time that
    passed while no scheduler ran is made up once. A job that is under way at the end is interrupted
    and gone on with by the next scheduler.
    """
    from promptlathe import clock
    from promptlathe.job.interrupts import interruptible
    from promptlathe.schedule.loop import Scheduler

    def told(line: str) -> None:
        """With the time, which the lines of a log have anyway."""
        say(line if log else f"{clock.now().astimezone():%Y-%m-%d %H:%M:%S} {line}", err=True)

    async def serve() -> None:
        home = workspace and workspace.resolve()
        await Scheduler(paths, workspace=home, at_once=at_once, say=told).serve()

    try:
        interruptible(serve)
    except KeyboardInterrupt:
        told("ended; what was under way is gone on with by the next scheduler")


@schedule.command(
    "show",
    epilog=example(
        "promptlathe schedule show runs/support_triage.yaml --as cron",
        "promptlathe schedule show runs/support_triage.yaml --as systemd --out units",
    ),
)
@click.argument("file", type=APath())
@click.option("--as", "form", type=click.Choice(FORMATS), required=True, help="For which one.")
@click.option(
    "--out",
    type=APath(file_okay=False),
    metavar="DIR",
    help="Write the files there, in place of showing them.",
)
@Workspace
@reported
def show_as(file: Path, form: "Format", out: Path | None, workspace: Path | None) -> None:
    """Write the job's schedule for a scheduler that you have."""
    from promptlathe.command_line import shown_path
    from promptlathe.new_files import write_files
    from promptlathe.schedule.entries import entries_of
    from promptlathe.schedule.formats import written

    entries = entries_of(file, workspace and workspace.resolve())
    entries = entries[:1] if form == "ray" else entries  # its program serves all of a file
    files = {name: text for one in entries for name, text in written(one, form).items()}
    if out is None:
        begins = "---\n" if form == "kubernetes" else ""  # kubectl reads all of a pipe
        for name, text in files.items():
            say((f"{begins}# {name}\n" if len(files) > 1 else "") + text)
        return
    write_files(
        out,
        {Path(name): text for name, text in files.items()},
        fix="move it away, or name another folder with --out DIR",
    )
    for name in files:
        say(f"wrote {shown_path(out / name)}")

"""`init`: ready-made tasks, copied."""

from pathlib import Path

import click

from promptlathe.cli.hints import command
from promptlathe.cli.options import APath, example, reported
from promptlathe.cli.terminal import say


@click.command(
    epilog=example(
        "promptlathe init my-prompts",
        "promptlathe init my-prompts --task extraction",
        "promptlathe init --list",
    )
)
@click.argument("directory", type=APath(file_okay=False), default=".")
@click.option("--task", help="Copy the files of one task only, by its name or its family.")
@click.option("--list", "listing", is_flag=True, help="Show the tasks that ship, and copy nothing.")
@reported
def init(directory: Path, task: str | None, listing: bool) -> None:
    """Copy ready-made search spaces, objectives and run files into DIRECTORY (default: here)."""
    from promptlathe.cli.gallery import find_task, tasks
    from promptlathe.starter import copy_starter

    if listing:
        known = tasks()
        wide = 2 + max(len(name) for one in known for name in (one.family, one.name))
        for one in known:
            say(f"{one.family:<{wide}}{one.name:<{wide}}{one.about}")
        return
    chosen = find_task(task) if task is not None else None
    made, kept = copy_starter(directory, chosen.files if chosen else None)
    for path in made:
        say(f"  made  {path}")
    for path in kept:
        say(f"  kept  {path} (it was there already)")
    run = chosen.runs[0] if chosen else Path("runs", "support_triage.yaml")
    file = directory / run
    say(f"\nNext:  {command('check', file)}\n       {command('run', file)}")

"""`init`: ready-made tasks, copied; or a task of your own, made from a prompt and rows."""

from pathlib import Path
from typing import Any

import click

from promptlathe.cli.drafting import draft_options, drafted, given_together
from promptlathe.cli.hints import command
from promptlathe.cli.options import APath, example, reported
from promptlathe.cli.terminal import say


@click.command(
    epilog=example(
        "promptlathe init my-prompts --prompt prompt.txt --data tickets.csv --target label "
        "--model gpt-6-luna",
        "promptlathe init my-prompts --task extraction",
        "promptlathe init --list",
    )
)
@click.argument("directory", type=APath(file_okay=False), default=".")
@click.option("--task", help="Copy the files of one task only, by its name or its family.")
@click.option("--list", "listing", is_flag=True, help="Show the tasks that ship, and copy nothing.")
@click.option("--prompt", help="Your prompt: a file, - for stdin, or prompts:/NAME@ALIAS.")
@click.option("--data", help="Your rows: CSV, Excel, JSONL, JSON or Parquet.")
@draft_options
@reported
def init(
    directory: Path,
    task: str | None,
    listing: bool,
    prompt: str | None,
    data: str | None,
    **options: Any,
) -> None:
    """Make a task in DIRECTORY (default: here) from your prompt and your rows, or copy ready-made
    ones.

    With --prompt and --data: writes a search space with your prompt as the seed, an objective and a
    run file, and checks them. Without: copies search spaces, objectives and run files that ship.
    """
    given_together(prompt, data, options, other="--task" if task else "--list" if listing else None)
    if prompt is not None and data is not None:
        from promptlathe.cli.printing import show_plan
        from promptlathe.drafting.task import checked

        file = drafted(prompt, data, directory, **options)
        job, plan = checked(file)
        show_plan(job, plan, plan.notes)
        say(f"\nNext:  {command('run', file)}")
        return
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

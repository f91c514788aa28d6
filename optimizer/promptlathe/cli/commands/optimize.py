"""`optimize`: from a prompt and rows to a verdict, without a file to write."""

from pathlib import Path
from typing import Any

import click

from promptlathe.cli.commands.run import EXITS, RunOptions, carry_out, run
from promptlathe.cli.drafting import draft_options, drafted
from promptlathe.cli.options import APath, example, reported
from promptlathe.cli.terminal import say

OWN = ("target", "sheet", "model", "base_url", "budget", "name", "force")


@click.command(
    cls=type(run),
    epilog=example(
        "promptlathe optimize prompt.txt tickets.csv --target label --model gpt-6-luna",
        "promptlathe optimize prompt.txt book.xlsx#Sheet2 --model pocket --budget calls=400",
    ),
    help="Optimize the prompt in PROMPT on the rows in DATA: what `init` and `run` do, in one.\n\n"
    "PROMPT is a file, - for stdin, or prompts:/NAME@ALIAS; DATA is CSV, Excel, JSONL, JSON or "
    f"Parquet. The files that are made are kept, to be changed and run again.\n\n{EXITS}",
)
@click.argument("prompt")
@click.argument("data")
@draft_options
@click.option(
    "--dir",
    "directory",
    type=APath(file_okay=False),
    help="Where the files are kept; by default a folder with the task's name.",
)
@reported
def optimize(prompt: str, data: str, directory: Path | None, **options: Any) -> None:
    def tell(line: str) -> None:
        if not options["quiet"]:
            say(line, err=True)

    own = {name: options.pop(name) for name in OWN}
    file = drafted(prompt, data, directory, workspace=options["workspace"], tell=tell, **own)
    carry_out(RunOptions(file=file, **options))


optimize.params += [one for one in run.params if one.name != "file"]

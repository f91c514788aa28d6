"""`show`: how a run ended, from the ledger."""

from pathlib import Path

import click

from promptlathe.cli.options import Json, Reported, Workspace, example, reported
from promptlathe.cli.outcome import JsonFile
from promptlathe.cli.terminal import say


@click.command(
    cls=Reported,
    epilog=example(
        "promptlathe show latest",
        "promptlathe show 08aef7bdd990 --prompt",
        "promptlathe show 08ae --json -",
    ),
)
@click.argument("named", metavar="RUN")
@click.option("--prompt", is_flag=True, help="The recommended prompt alone, whole.")
@click.option("--diff", is_flag=True, help="What changed from the seed prompt to the best.")
@click.option("--rows", is_flag=True, help="All held-out rows, with what was said.")
@Json
@Workspace
@reported
def show(
    named: str,
    prompt: bool,
    diff: bool,
    rows: bool,
    json_file: JsonFile | None,
    workspace: Path | None,
) -> None:
    """Show how RUN ended: verdict, prompt, mistakes, what works, cost.

    RUN is a run's name, how it begins, MLflow's id of it, or `latest`.
    """
    from promptlathe.cli.ending import prompt_lines, show_change, show_record, show_result
    from promptlathe.cli.recorded import recorded
    from promptlathe.cli.rows import row_lines
    from promptlathe.results.kept import result_of

    with recorded(workspace) as (ledger, place):
        result = result_of(ledger, named)
    if json_file:
        json_file.tell(result.to_dict())
        if json_file.alone:
            return
    if prompt:
        say("\n".join(prompt_lines(result.chosen)).strip("\n"))
    if diff:
        show_change(result)
    if rows:
        say("\n".join(row_lines(result)))
    if not (prompt or diff or rows):
        show_result(result, place)
        show_record(None, result, place)

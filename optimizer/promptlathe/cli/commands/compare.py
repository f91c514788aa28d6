"""`compare`: runs beside each other."""

from pathlib import Path

import click

from promptlathe.cli.options import Json, Reported, Workspace, example, reported
from promptlathe.cli.outcome import JsonFile


@click.command(
    cls=Reported,
    epilog=example(
        "promptlathe compare 08aef7bdd990 1c22d90be411", "promptlathe compare 08ae 1c22 latest"
    ),
)
@click.argument("named", metavar="RUN RUN…", nargs=-1, required=True)
@Json
@Workspace
@reported
def compare(named: tuple[str, ...], json_file: JsonFile | None, workspace: Path | None) -> None:
    """Compare the best prompts of runs with that of the first, on rows that both were decided on.

    RUN is a run's name, how it begins, MLflow's id of it, or `latest`.
    """
    from promptlathe.cli.comparing import check_distinct, show_compared
    from promptlathe.cli.recorded import recorded
    from promptlathe.results.compared import compare_runs
    from promptlathe.results.kept import result_of

    with recorded(workspace) as (ledger, _):
        results = [result_of(ledger, one) for one in named]
    check_distinct(results, named)
    compared = [compare_runs(results[0], other) for other in results[1:]]
    if json_file:
        json_file.tell({"comparisons": [one.to_dict() for one in compared]})
        if json_file.alone:
            return
    show_compared(results, compared)

"""`report`: the page that explains a finished run."""

import sys
from pathlib import Path

import click

from promptlathe.cli.options import APath, Workspace, example, reported
from promptlathe.cli.terminal import say
from promptlathe.command_line import shown_path
from promptlathe.report.languages import LANGUAGES, LanguageCode


@click.command(
    epilog=example(
        "promptlathe report latest",
        "promptlathe report 08aef7bdd990 --out report.html --language fr",
    )
)
@click.argument("run", default="latest")
@click.option(
    "--out",
    type=APath(dir_okay=False, allow_dash=True),
    help="The HTML file to write (- for stdout); by default .promptlathe/reports/RUN.html.",
)
@click.option(
    "--language", type=click.Choice(LANGUAGES), default="en", show_default=True, help="Of the page."
)
@Workspace
@reported
def report(run: str, out: Path | None, language: LanguageCode, workspace: Path | None) -> None:
    """Write the report of RUN as one HTML page, from the ledger. Sends no call.

    RUN is a run of the workspace: its name or how it begins, MLflow's id, or `latest`.
    """
    from promptlathe.cli.outcome import check_writable, unwritable
    from promptlathe.cli.recorded import recorded
    from promptlathe.job.job import STATE
    from promptlathe.job.reports import drawn, keep_report, report_path
    from promptlathe.report.page import report_page
    from promptlathe.results.kept import result_of

    if out:
        check_writable(out, "--out")
    with recorded(workspace) as (ledger, home):
        result, state = result_of(ledger, run), home / STATE
    page = report_page(result, language, pictures=drawn(state, result.run))
    path = out or report_path(state, result.run)
    if str(path) == "-":
        sys.stdout.buffer.write(page.encode())
        sys.stdout.flush()
        return
    try:
        keep_report(path, page)
    except OSError as error:
        raise unwritable(path, error, "--out") from None
    say(f"wrote   {shown_path(path)}")

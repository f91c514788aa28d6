"""`guide`: what the runs of an experiment say together."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from promptlathe.cli.options import APath, Workspace, example, reported
from promptlathe.cli.terminal import say
from promptlathe.command_line import shown_path
from promptlathe.errors import InputError
from promptlathe.report.languages import LANGUAGES, LanguageCode

if TYPE_CHECKING:
    from promptlathe.ledger import Ledger


@click.command(
    epilog=example(
        "promptlathe guide",
        "promptlathe guide support-triage --language fr",
        "promptlathe guide support-triage --out guide.html",
    )
)
@click.argument("experiment", required=False)
@click.option(
    "--out",
    type=APath(dir_okay=False, allow_dash=True),
    help="The file to write, .md or .html (- for Markdown on stdout); by default both, in "
    ".promptlathe/guides/.",
)
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default="en",
    show_default=True,
    help="Of the guide.",
)
@Workspace
@reported
def guide(
    experiment: str | None, out: Path | None, language: LanguageCode, workspace: Path | None
) -> None:
    """Gather all runs of EXPERIMENT into a guide: what works, what does not, which prompts to begin
    with, which rows no prompt gets right. Sends no call.

    Without EXPERIMENT, the only one of the workspace.
    """
    from promptlathe.cli.outcome import check_writable, unwritable
    from promptlathe.cli.recorded import recorded
    from promptlathe.job.guides import HTML, MARKDOWN, guide_of, keep_guide, written
    from promptlathe.job.job import STATE
    from promptlathe.job.stores import write_whole

    form = _form(out)
    if out:
        check_writable(out, "--out")
    with recorded(workspace) as (ledger, home):
        found = guide_of(ledger, _chosen(ledger, experiment))
    if out is None:
        path = keep_guide(home / STATE, found, language)
        say(f"wrote   {shown_path(path)}")
        say(f"wrote   {shown_path(path.with_suffix('.html'))}")
        return
    text = written(found, language)[HTML if form == ".html" else MARKDOWN]
    if str(out) == "-":
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
        return
    try:
        write_whole(out, text)
    except OSError as error:
        raise unwritable(out, error, "--out") from None
    say(f"wrote   {shown_path(out)}")


def _form(out: Path | None) -> str:
    """By the end of the file's name. Raises InputError for another one."""
    form = ".md" if out is None or str(out) == "-" else out.suffix.lower()
    if form not in (".md", ".html"):
        raise InputError(
            f"{out} is neither Markdown nor HTML", "--out", "name a file that ends in .md or .html"
        )
    return form


def _chosen(ledger: "Ledger", experiment: str | None) -> str:
    """The experiment that is meant. Raises InputError for one without a finished run."""
    from promptlathe.command_line import command
    from promptlathe.results.kept import summaries

    known = list(dict.fromkeys(one.experiment for one in summaries(ledger)))
    if experiment is None and len(known) == 1:
        return known[0]
    if experiment in known:
        return str(experiment)
    if not known:
        what, fix = "no run of this workspace has a result yet", command("run", "FILE")
        raise InputError(what, "EXPERIMENT", f"run a job first: {fix}")
    what = (
        "this workspace has several experiments"
        if experiment is None
        else f"no run of the experiment {experiment!r} has a result"
    )
    raise InputError(what, "EXPERIMENT", f"name one of: {', '.join(known)}")

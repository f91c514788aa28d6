"""`export`: a prompt in the form that another tool loads."""

import sys
from pathlib import Path

import click

from promptlathe.cli.options import APath, Workspace, example, reported
from promptlathe.cli.terminal import say

FORMS = (
    "text",
    "json",
    "openai",
    "promptfoo",
    "prompty",
    "langchain",
    "llamaindex",
    "dspy",
    "python",
    "curl",
)
"""Those of `exchange.exports`, which would take a while to import for `--help`."""


@click.command(
    epilog=example(
        "promptlathe export latest --to python --out prompt.py",
        "promptlathe export 08aef7bdd990 --to promptfoo --prompt seed --out promptfooconfig.yaml",
        "promptlathe export prompts:/support-triage@champion --to openai",
    )
)
@click.argument("named", metavar="RUN|PROMPT")
@click.option(
    "--to", "form", required=True, type=click.Choice(FORMS), help="Which tool will load it."
)
@click.option(
    "--prompt",
    "which",
    help="Of a run: best, seed, champion, or a candidate's id. By default the one that the run "
    "recommends.",
)
@click.option("--step", default="", help="Which step of a chain.")
@click.option(
    "--out",
    default="-",
    show_default=True,
    type=APath(dir_okay=False, allow_dash=True),
    help="The file to write (- for stdout).",
)
@Workspace
@reported
def export(
    named: str, form: str, which: str | None, step: str, out: Path, workspace: Path | None
) -> None:
    """Write a prompt in the form that another tool loads: it renders there what was scored.

    RUN is a run of the workspace (its name, MLflow's id, or `latest`), PROMPT a registered one
    (prompts:/NAME@ALIAS or prompts:/NAME/VERSION). For the answers of a run as data for
    fine-tuning: export-data.
    """
    from promptlathe.cli.outcome import check_writable, unwritable
    from promptlathe.exchange.exports import chosen
    from promptlathe.exchange.exports import export as exported
    from promptlathe.job.stores import write_whole

    check_writable(out, "--out")
    given = chosen(named, which=which, step=step, workspace=workspace)
    written = exported(given, form)
    alone = str(out) == "-"
    if alone:
        sys.stdout.buffer.write(written.text.encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
    else:
        try:
            write_whole(out, written.text)
        except OSError as error:
            raise unwritable(out, error, "--out") from None
    say(f"prompt  {given.name}: {given.about}", err=alone)
    for note in written.notes:
        say(f"note    {note}", err=alone)
    if not alone:
        say(f"wrote   {out}")

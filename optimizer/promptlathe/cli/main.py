"""The group of commands; each is a module of `cli/commands/`."""

from typing import Any

import click

from promptlathe.cli.commands.check import check
from promptlathe.cli.commands.compare import compare
from promptlathe.cli.commands.export import export
from promptlathe.cli.commands.export_data import export_data
from promptlathe.cli.commands.guide import guide
from promptlathe.cli.commands.history import history
from promptlathe.cli.commands.import_ import import_
from promptlathe.cli.commands.init import init
from promptlathe.cli.commands.judge import judge
from promptlathe.cli.commands.migrate import migrate
from promptlathe.cli.commands.optimize import optimize
from promptlathe.cli.commands.pocket import pocket
from promptlathe.cli.commands.promote import promote
from promptlathe.cli.commands.prune import prune
from promptlathe.cli.commands.report import report
from promptlathe.cli.commands.rollback import rollback
from promptlathe.cli.commands.run import run
from promptlathe.cli.commands.runs import runs
from promptlathe.cli.commands.schedule import schedule
from promptlathe.cli.commands.show import show
from promptlathe.cli.commands.sync import sync
from promptlathe.cli.commands.ui import ui
from promptlathe.cli.commands.watch import watch
from promptlathe.cli.options import example
from promptlathe.cli.terminal import say, visible


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """click's own option looks the version up for `--help` too, which takes 50 ms."""
    if wanted:
        from promptlathe.version import version

        say(f"promptlathe {version()}")
        context.exit()


def _visible(error: click.ClickException) -> click.ClickException:
    """The same error; nothing in it is obeyed by a terminal."""
    setattr(error, "message", visible(error.message))  # noqa: B010 - click declares it Final
    return error


class Commands(click.Group):
    """Says what is wrong with the command line without obeying what stands in it."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        try:
            return super().make_context(*args, **more)
        except click.ClickException as error:
            raise _visible(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            raise _visible(error) from None


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example(
        "promptlathe init my-prompts", "promptlathe run my-prompts/runs/support_triage.yaml"
    ),
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Optimize prompts: search a declared space, decide on held-out rows, record in MLflow."""


for command in (
    *(init, optimize, import_, check, run),
    *(runs, show, compare, report, guide, ui),
    *(watch, migrate, schedule, history, promote, rollback),
    *(export, export_data, judge, sync, prune, pocket),
):
    main.add_command(command)

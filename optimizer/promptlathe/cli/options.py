"""What commands share: options, and how errors are said."""

import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from promptlathe.cli.terminal import say
from promptlathe.errors import InputError, Interrupted, PromptlatheError

Command = Callable[..., None]


def example(*lines: str) -> str:
    """The examples below a command's options."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def reported(command: Command) -> Command:
    """Turn our exceptions into one message on stderr and the documented exit code."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except PromptlatheError as error:
            if isinstance(error, Interrupted):
                _ignore_interrupts()
            say(f"error: {error}", err=True)
            for note in getattr(error, "__notes__", ()):
                say(f"note: {note}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            _ignore_interrupts()
            say("error: interrupted", err=True)
            sys.exit(130)

    return run


def _ignore_interrupts() -> None:
    """From here to the end of the process: an impatient Ctrl-C would change the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class APath(click.Path):
    """A path of the command line, as a `Path`."""

    def __init__(self, **more: Any) -> None:
        super().__init__(path_type=Path, **more)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if "\0" in str(value):  # click would not survive it
            self.fail(f"{str(value)!r} cannot be a path", param, ctx)
        return super().convert(value, param, ctx)


Workspace = click.option(
    "--workspace",
    type=APath(file_okay=False),
    envvar="PROMPTLATHE_WORKSPACE",
    help="Folder whose .promptlathe/ keeps ledger, studies and MLflow's store.",
)

Settings = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Set a dotted key of the run file; may be repeated.",
)
Outside = click.option(
    "--allow-outside",
    is_flag=True,
    help="Read files that lie outside of the workspace, when FILE names them.",
)
Json = click.option(
    "--json",
    "json_path",
    type=APath(dir_okay=False, allow_dash=True),
    help="Write the machine-readable result here (- for stdout).",
)


def pairs(settings: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """What `--set` was given: dotted keys and values. Raises InputError."""
    found: list[tuple[str, str]] = []
    for one in settings:
        key, equals, value = one.partition("=")
        if not equals or not key or not value:
            from promptlathe.documents import hiding

            raise InputError(
                f"{hiding()(one)!r} has no value",
                "--set",
                "write --set dotted.key=value (null as the value leaves the key out)",
            )
        found.append((key, value))
    return tuple(found)

"""What commands share: options, and how errors are said."""

import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import wraps
from pathlib import Path
from traceback import format_exception
from typing import Any, TypeVar

import click

from promptlathe.cli.log import Log
from promptlathe.cli.metrics import Metrics
from promptlathe.cli.outcome import JsonFile
from promptlathe.cli.terminal import say
from promptlathe.errors import InputError, Interrupted, PromptlatheError
from promptlathe.interrupts import sigterm_as_interrupt

Command = Callable[..., None]
T = TypeVar("T")


def example(*lines: str) -> str:
    """The examples below a command's options."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def reported(command: Command) -> Command:
    """Turn our exceptions into one message on stderr, the documented exit code, and the file of
    `--json`; all that is said on stderr goes to the file of `--log`, too."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        with ExitStack() as stack:
            json_file = _option(options, JsonFile)
            metrics = _option(options, Metrics)
            if log := _option(options, Log):
                stack.callback(log.close)
                stack.enter_context(log.listening())
            stack.enter_context(sigterm_as_interrupt())
            code = 1
            try:
                code = _carry_out(lambda: command(*args, **options), json_file, log, metrics)
            finally:
                if metrics:
                    metrics.end(code)
            if log:
                log.line(f"ended: exit code {code}", exit_code=code)
            if code:
                sys.exit(code)

    return run


def _carry_out(
    work: Callable[[], None], json_file: JsonFile | None, log: Log | None, metrics: Metrics | None
) -> int:
    """The exit code, after everything was said."""

    def fail(error: BaseException, code: int) -> int:
        if json_file and not json_file.refused:
            json_file.fail(error, code)
        return code

    try:
        if json_file:
            json_file.begin()
        if log:
            log.open()
            log.line(f"began: {_typed()} (process {os.getpid()})", pid=os.getpid())
        if metrics:
            metrics.check()
        work()
    except PromptlatheError as error:
        if isinstance(error, Interrupted):
            _ignore_interrupts()
        say(f"error: {error}", err=True)
        for note in getattr(error, "__notes__", ()):
            say(f"note: {note}", err=True)
        return fail(error, error.exit_code)
    except KeyboardInterrupt as error:
        _ignore_interrupts()
        say("error: interrupted", err=True)
        return fail(error, 130)
    except SystemExit as ended:
        if json_file:
            json_file.end()
        return ended.code if isinstance(ended.code, int) else 1
    except Exception as error:
        code = fail(error, getattr(error, "exit_code", 1))
        if log:
            log.line(f"error: {''.join(format_exception(error))}")
            log.line(f"ended: exit code {code}", exit_code=code)
        raise
    if json_file:
        json_file.end()
    return 0


def _option(options: Mapping[str, Any], kind: type[T]) -> T | None:
    return next((one for one in options.values() if isinstance(one, kind)), None)


def _typed() -> str:
    """The command line, without passwords."""
    from promptlathe.documents import hiding

    return hiding()(shlex.join(["promptlathe", *sys.argv[1:]]))


def _ignore_interrupts() -> None:
    """From here to the end of the process: an impatient Ctrl-C would change the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Reported(click.Command):
    """A command that writes the file of its `--json` for a command line that is wrong, too."""

    def make_context(self, info_name: Any, args: list[str], *more: Any, **extra: Any) -> Any:
        given = list(args)
        try:
            return super().make_context(info_name, args, *more, **extra)
        except click.UsageError as error:
            if path := _given(given, "--json"):
                wrong = InputError(error.format_message(), None, f"see {info_name} --help")
                with suppress(InputError):
                    json_file = JsonFile(Path(path), str(info_name))
                    json_file.begin()
                    json_file.fail(wrong, wrong.exit_code)
            raise


def _given(args: Sequence[str], option: str) -> str | None:
    """The value of an option, on a command line that click does not read."""
    for place, word in enumerate(args):
        name, equals, value = word.partition("=")
        if name == option:
            return value if equals else args[place + 1] if place + 1 < len(args) else None
    return None


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


def _json_file(context: click.Context, _: click.Parameter, path: Path | None) -> JsonFile | None:
    return JsonFile(path, context.info_name or "") if path else None


def _log(_: click.Context, __: click.Parameter, path: Path | None) -> Log | None:
    return Log(path) if path else None


def _metrics(_: click.Context, __: click.Parameter, path: Path | None) -> Metrics | None:
    return Metrics(path) if path else None


Json = click.option(
    "--json",
    "json_file",
    type=APath(dir_okay=False, allow_dash=True),
    callback=_json_file,
    help="Write the result, or why there is none, as JSON here (- for stdout).",
)
LogFile = click.option(
    "--log",
    type=APath(dir_okay=False),
    callback=_log,
    metavar="FILE",
    help="Append what is said on stderr here, with the time; as JSON lines to a .jsonl file.",
)
MetricsFile = click.option(
    "--metrics",
    type=APath(dir_okay=False),
    callback=_metrics,
    metavar="FILE",
    help="Write how the run ended here, for Prometheus (node_exporter's textfile collector).",
)
Quiet = click.option("--quiet", is_flag=True, help="Print errors and the verdict only.")


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

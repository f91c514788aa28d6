"""The commands. What a command needs is imported when it runs, so that `--help` is quick."""

import gc
import signal
import sys
from collections.abc import Callable
from datetime import date
from functools import wraps
from pathlib import Path
from shlex import quote
from typing import Any

import click

from promptlathe.cli.terminal import say, visible
from promptlathe.errors import InputError, Interrupted, PromptlatheError

EXITS = """\b
Exit codes: 0 finished (with or without an improvement), 2 bad input,
4 budget too small to compare anything, 5 model unavailable, 130 interrupted."""

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


def _show_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """click's own option looks the version up for `--help` too, which takes 50 ms."""
    if wanted:
        from promptlathe.version import version

        say(f"promptlathe {version()}")
        context.exit()


def _ignore_interrupts() -> None:
    """From here to the end of the process: an impatient Ctrl-C would change the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _visible(error: click.ClickException) -> click.ClickException:
    """The same error; nothing in it is obeyed by a terminal."""
    setattr(error, "message", visible(error.message))  # noqa: B010 - click declares it Final
    return error


class APath(click.Path):
    """A path of the command line, as a `Path`."""

    def __init__(self, **more: Any) -> None:
        super().__init__(path_type=Path, **more)

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if "\0" in str(value):  # click would not survive it
            self.fail(f"{str(value)!r} cannot be a path", param, ctx)
        return super().convert(value, param, ctx)


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


@main.command(
    epilog=example(
        "promptlathe init my-prompts",
        "promptlathe init my-prompts --task extraction",
        "promptlathe init --list",
    )
)
@click.argument("directory", type=APath(file_okay=False), default=".")
@click.option("--task", help="Copy the files of one task only, by its name or its family.")
@click.option("--list", "listing", is_flag=True, help="Show the tasks that ship, and copy nothing.")
@reported
def init(directory: Path, task: str | None, listing: bool) -> None:
    """Copy ready-made search spaces, objectives and run files into DIRECTORY (default: here)."""
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
    shown = quote(str(directory / run))
    say(f"\nNext:  promptlathe check {shown}\n       promptlathe run {shown}")


@main.command(epilog=example("promptlathe check runs/support_triage.yaml"))
@click.argument("file", type=APath())
@Settings
@Workspace
@Outside
@reported
def check(
    file: Path, settings: tuple[str, ...], workspace: Path | None, allow_outside: bool
) -> None:
    """Validate everything that FILE names, and say what a run would cost. Sends no call."""
    from promptlathe.cli.report import show_code, show_plan
    from promptlathe.job import Job
    from promptlathe.job import check as check_job
    from promptlathe.job.calibrated import judge_reports, notes_of
    from promptlathe.job.checks import shutdown_notes

    job = Job.load(
        file,
        settings=_pairs(settings),
        workspace=workspace,
        allow_outside=allow_outside,
        announce=show_code,
    )
    plan = check_job(job)
    judges = notes_of(judge_reports(job))
    show_plan(job, plan, [*judges, *shutdown_notes(job, date.today())])
    say(f"\nNext:  promptlathe run {quote(str(file))}")


@main.command(
    epilog=example(
        "promptlathe run runs/support_triage.yaml",
        "promptlathe run runs/support_triage.yaml --set budget.calls=500 --set search.seed=3",
        "promptlathe run runs/support_triage.yaml --json result.json",
    ),
    help=f"Run the job in FILE: search, decide on held-out rows, record in MLflow.\n\n{EXITS}",
)
@click.argument("file", type=APath())
@Settings
@click.option(
    "--json",
    "json_path",
    type=APath(dir_okay=False, allow_dash=True),
    help="Write the machine-readable result here (- for stdout).",
)
@click.option(
    "--replay", metavar="RUN", help="Tell outcomes in the order recorded for an earlier run."
)
@Workspace
@Outside
@reported
def run(
    file: Path,
    settings: tuple[str, ...],
    json_path: Path | None,
    replay: str | None,
    workspace: Path | None,
    allow_outside: bool,
) -> None:
    # The libraries below make 300,000 objects that stay: looking through them again and again
    # takes a tenth of the time to the first call.
    gc.set_threshold(20_000, 20, 20)
    from promptlathe.cli.display import display
    from promptlathe.cli.report import show_code
    from promptlathe.cli.telling import Telling, check_writable
    from promptlathe.job import Job, Result
    from promptlathe.job import check as check_job
    from promptlathe.job import run as run_job

    job = Job.load(
        file,
        settings=_pairs(settings),
        workspace=workspace,
        allow_outside=allow_outside,
        announce=show_code,
    )
    if json_path:
        check_writable(json_path)
    check_job(job)  # what is wrong is said before the first line of progress
    telling = Telling(job, json_path)
    with display(job) as progress:

        def tell(decided: Result) -> None:
            progress.end()
            telling.decided(decided)

        result = run_job(job, progress=progress, replay=replay, tell=tell)
    telling.recorded(result)


@main.command(
    epilog=example(
        "promptlathe judge runs/polite_replies.yaml labels.csv",
        "promptlathe judge runs/polite_replies.yaml labels.jsonl --judge tone --budget 200",
    )
)
@click.argument("file", type=APath())
@click.argument("labels", type=APath())
@click.option("--judge", "name", metavar="NAME", help="Which judge, where there are several.")
@click.option(
    "--budget",
    type=click.IntRange(min=1),
    metavar="CALLS",
    help="Calls at most, in place of the run file's budget.",
)
@Settings
@click.option(
    "--json",
    "json_path",
    type=APath(dir_okay=False, allow_dash=True),
    help="Write the machine-readable result here (- for stdout).",
)
@Workspace
@Outside
@reported
def judge(
    file: Path,
    labels: Path,
    name: str | None,
    budget: int | None,
    settings: tuple[str, ...],
    json_path: Path | None,
    workspace: Path | None,
    allow_outside: bool,
) -> None:
    """Compare a judge of FILE with the labels of people in LABELS.

    FILE is a run file, or an objective (then name the model with --set judge.name=MODEL). LABELS
    (.csv, .jsonl) has the rows' fields, `output`, and `label` where there is one.
    """
    from promptlathe.cli.calibration import show_calibration
    from promptlathe.cli.display import Counting
    from promptlathe.cli.report import show_code
    from promptlathe.cli.telling import check_writable, write_json
    from promptlathe.job.calibrating import calibrate, load

    job = load(
        file,
        settings=_pairs(settings),
        workspace=workspace,
        allow_outside=allow_outside,
        announce=show_code,
    )
    if json_path:
        check_writable(json_path)
    found = calibrate(job, labels, judge=name, calls=budget, tell=Counting("judged").tell)
    if str(json_path) != "-":
        show_calibration(found)
    if json_path:
        write_json(found, json_path)


@main.command(
    "export-data",
    epilog=example(
        "promptlathe export-data 08aef7bdd990 --to trl-sft --out good.jsonl",
        "promptlathe export-data 08aef7bdd990 --to trl-dpo --prompt best --split train,select "
        "--out pairs.jsonl",
    ),
)
@click.argument("run_id", metavar="RUN")
@click.option(
    "--to",
    "form",
    required=True,
    type=click.Choice(["trl-sft", "trl-unpaired", "trl-dpo", "openai-chat"]),
    help="The trainer's form.",
)
@click.option(
    "--prompt",
    default="best",
    show_default=True,
    help="Whose answers: best, seed, champion, or a candidate's id.",
)
@click.option("--step", default="", help="Which step of a chain.")
@click.option(
    "--min-score", default=1.0, show_default=True, help="The goal's value of a good answer."
)
@click.option(
    "--split", default="train,select", show_default=True, help="Which rows; never those of test."
)
@click.option(
    "--out",
    required=True,
    type=APath(dir_okay=False, allow_dash=True),
    help="The JSONL file to write (- for stdout).",
)
@click.option(
    "--file",
    type=APath(),
    help="The run file, where the ledger keeps none: by an older version, or a very long one.",
)
@Settings
@Workspace
@reported
def export_data(
    run_id: str,
    form: Any,
    prompt: str,
    step: str,
    min_score: float,
    split: str,
    out: Path,
    file: Path | None,
    settings: tuple[str, ...],
    workspace: Path | None,
) -> None:
    """Write good answers of RUN as data for fine-tuning, from the ledger. Sends no call."""
    from promptlathe.cli.exporting import export

    splits = [one.strip() for one in split.split(",")]
    pairs = _pairs(settings)
    export(run_id, form, prompt, step, min_score, splits, out, file, pairs, workspace)


@main.command(epilog=example("promptlathe sync", "promptlathe sync --workspace my-prompts"))
@Workspace
@reported
def sync(workspace: Path | None) -> None:
    """Send to MLflow what it did not take while the runs went on."""
    from promptlathe.job.stores import existing_state
    from promptlathe.track.sync import sync as send

    state = existing_state(workspace, "spool", "mlflow.db")
    if not send(state, say):
        say("nothing waits for MLflow")


@main.command(epilog=example("promptlathe ui", "promptlathe ui --port 5001 --workspace my-prompts"))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=5000, show_default=True, type=click.IntRange(1, 65535))
@Workspace
@reported
def ui(host: str, port: int, workspace: Path | None) -> None:
    """Open the MLflow UI on the workspace's store."""
    from promptlathe.job.stores import existing_state
    from promptlathe.track.store import default_artifacts, default_uri
    from promptlathe.track.ui import serve_ui

    state = existing_state(workspace, "mlflow.db")
    serve_ui(
        default_uri(state),
        default_artifacts(state),
        host=host,
        port=port,
        announce=lambda url: say(f"MLflow's UI: {url}  (Ctrl-C stops it)"),
    )


@main.command(epilog=example("promptlathe pocket --port 8000", "promptlathe pocket --latency 0.1"))
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="0: any free"
)
@click.option(
    "--latency",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 3600),
    help="Seconds added to each answer.",
)
@reported
def pocket(host: str, port: int, latency: float) -> None:
    """Serve the embedded pocket model over HTTP, as an OpenAI-compatible endpoint."""
    from promptlathe.models.pocket.server import Faults, PocketServer, run_server

    def ready(server: PocketServer) -> None:
        say(f"The pocket model answers at {server.base_url}  (Ctrl-C ends it)")
        say(f"In a run file:  model: {{name: pocket, base_url: {server.base_url}}}")

    run_server(host, port, Faults(latency=latency), ready=ready)


def _pairs(settings: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for one in settings:
        key, equals, value = one.partition("=")
        if not equals or not key or not value:
            from promptlathe.documents import hiding

            raise InputError(
                f"{hiding()(one)!r} has no value",
                "--set",
                "write --set dotted.key=value (null as the value leaves the key out)",
            )
        pairs.append((key, value))
    return tuple(pairs)

"""What `init` and `optimize` share: the options of a task of one's own, and what is said of it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from promptlathe.cli.terminal import say
from promptlathe.errors import InputError

LIMITS = ("calls", "tokens", "usd", "minutes")

_OPTIONS = (
    click.option("--target", help="The column with the right answers, where it is not plain."),
    click.option("--sheet", help="Which sheet of a spreadsheet; also as file.xlsx#SHEET."),
    click.option("--model", help="Such as gpt-6-luna, ollama/llama3.2, model.gguf, pocket."),
    click.option("--base-url", help="The address of an OpenAI-compatible service."),
    click.option("--budget", metavar="KEY=VALUE,…", help="Such as calls=800 or calls=800,usd=2."),
    click.option("--name", help="Of the task; by default the prompt file's."),
    click.option("--force", is_flag=True, help="Write over files of the task that are there."),
)


def draft_options(f: Callable[..., None]) -> Callable[..., None]:
    """The options of a task that is made from a prompt and rows."""
    for option in reversed(_OPTIONS):
        f = option(f)
    return f


def given_together(
    prompt: str | None, data: str | None, options: Mapping[str, Any], *, other: str | None
) -> None:
    """Raises InputError unless `--prompt` and `--data` are both given, or neither nor what belongs
    to them."""
    said = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    both = (("--prompt", prompt), ("--data", data))
    mine = [name for name, value in both if value is not None]
    if mine and other:
        raise InputError(f"{mine[0]} and {other} exclude each other", other, "leave one out")
    if (prompt is None) != (data is None) or (said and not mine):
        raise InputError(
            "a task of your own needs a prompt and rows",
            (mine or said)[0],
            "write --prompt prompt.txt --data rows.csv",
        )


def drafted(
    prompt: str,
    data: str,
    directory: Path | None,
    *,
    workspace: Path | None = None,
    tell: Callable[[str], None] = say,
    **options: Any,
) -> Path:
    """Read both, write the task's files into a folder (by default one with the task's name), and
    say what was found (by `tell`); the run file."""
    from promptlathe.drafting import draft

    force = options.pop("force")
    budget = _budget(options.pop("budget"))
    task = draft(prompt, data, budget=budget, workspace=workspace, **options)
    folder = Path(task.name) if directory is None else directory
    task.write(folder, force=force)
    for name, value in task.found:
        tell(f"{name:12} {value}")
    for note in task.notes:
        tell(f"note         {note}")
    for path in task.files:
        if path.suffix != ".json":
            tell(f"made         {folder / path}")
    tell("")
    return folder / task.run_file


def _budget(given: str | None) -> dict[str, float] | None:
    """`calls=800,usd=2` as a mapping. Raises InputError."""
    if given is None:
        return None
    found: dict[str, float] = {}
    for one in given.split(","):
        key, _, value = one.strip().partition("=")
        try:
            number = float(value)
        except ValueError:
            number = -1
        whole = number == int(number) if abs(number) < 1e15 else False
        if key not in LIMITS or not number > 0 or (key in LIMITS[:2] and not whole):
            raise InputError(
                f"{one!r} is no limit",
                "--budget",
                f"write such as calls=800 or calls=800,usd=2; limits are {', '.join(LIMITS)}",
            )
        found[key] = int(number) if whole else number
    return found

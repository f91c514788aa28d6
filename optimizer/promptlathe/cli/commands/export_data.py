"""`export-data`: good answers for fine-tuning."""

from pathlib import Path
from typing import Any

import click

from promptlathe.cli.options import APath, Settings, Workspace, example, pairs, reported


@click.command(
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
    export(run_id, form, prompt, step, min_score, splits, out, file, pairs(settings), workspace)

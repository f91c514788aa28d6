"""What `export-data` does and says."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from promptlathe.cli.outcome import check_writable, unwritable
from promptlathe.cli.printing import show_code
from promptlathe.cli.terminal import say
from promptlathe.errors import InputError
from promptlathe.job import Job
from promptlathe.job.finetune import Exported, export_data, recorded_job
from promptlathe.job.finetune_formats import Form
from promptlathe.whole_files import write_whole


def export(
    run: str,
    form: Form,
    prompt: str,
    step: str,
    least: float,
    splits: Sequence[Any],
    out: Path,
    file: Path | None,
    settings: tuple[tuple[str, str], ...],
    workspace: Path | None,
) -> None:
    """Write the lines, and say what they are."""
    check_writable(out, "--out")
    if settings and file is None:
        raise InputError(
            "the run file that the ledger keeps has the run's own settings",
            "--set",
            "leave it out, or name a run file with --file FILE",
        )
    if file is not None:
        job = Job.load(
            file,
            settings=settings,
            workspace=workspace,
            allow_outside=False,
            announce=show_code,
        )
    else:
        job = recorded_job(run, workspace, announce=show_code)
    made = export_data(job, run, to=form, prompt=prompt, step=step, least=least, splits=splits)
    text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in made.lines)
    alone = str(out) == "-"
    if alone:
        sys.stdout.write(text)
    else:
        try:
            write_whole(out, text)
        except OSError as error:
            raise unwritable(out, error, "--out") from None
    for line in _said(made, "standard output" if alone else str(out)):
        say(line, err=alone)


def _said(made: Exported, place: str) -> list[str]:
    lines = [f"prompt    {made.prompt}"]
    for split, rows in made.rows.items():
        lines.append(f"{split:9} {made.asked[split]} of {rows} rows were asked with this prompt")
    if made.dropped:
        listed = ", ".join(f"{count} {why}" for why, count in made.dropped.items())
        lines.append(f"left out  {listed}")
    lines.append(f"wrote     {len(made.lines)} lines ({made.form}) to {place}")
    if not made.lines:
        lines.append(
            "note      no answer was good enough: lower --min-score, or export another prompt"
        )
    if made.models:
        lines.append(
            f"licence   the answers are by {', '.join(made.models)}: the terms of the model and of "
            "its provider say what they may train"
        )
    lines.append(
        f"licence   the data: {made.license}"
        if made.license
        else "licence   the data: the objective names none (key `license`)"
    )
    return lines

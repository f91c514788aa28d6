"""`draft`: what there is to know of a prompt and its rows, as the files of a task."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from promptlathe.data.values import as_text, missing, squeeze
from promptlathe.drafting.answers import Answers, find_form
from promptlathe.drafting.columns import field_names, find_target, find_text, renamed
from promptlathe.drafting.levels import LANGUAGES, language_of, levels_in
from promptlathe.drafting.models import model_of, structured
from promptlathe.drafting.prompts import Given, read_prompt, with_columns
from promptlathe.drafting.scoring import objective_parts
from promptlathe.drafting.space import SpaceDraft, draft_space
from promptlathe.drafting.tables import Table, read_table
from promptlathe.drafting.writing import commented_file, rows_file, space_file
from promptlathe.errors import InputError
from promptlathe.job import Job, check
from promptlathe.job.job import LONGEST_NAME, NOT_IN_NAMES
from promptlathe.job.plan import Plan
from promptlathe.job.schemas import schemas
from promptlathe.new_files import write_files
from promptlathe.space import fill_declared

FEWEST = 25
"""Rows, of which 10 are for the verdict."""
SAMPLE = 200
"""Rows that are looked at for the language."""
SCHEMAS = ("search_spaces/schema.json", "objectives/schema.json", "runs/schema.json")
CALLS = (300, 3_000)
"""That a first run has at least and at most."""
LABEL_TOKENS = 64
"""Of an answer that is a label, by a model on this machine, which else writes on for a minute. (A
service's model may think in tokens that count, too.)"""
EXAMPLE = 20
"""Characters from which on a text that stands in the prompt word for word is an example there."""
DIFFER = 0.3
"""Share of the rows that two prompts are taken to answer differently, one right, one wrong."""
POWER = 1.96 + 0.84
"""Standard errors of a gain that a 95 % interval shows four times in five."""


@dataclass(frozen=True)
class Task:
    """Files of a task by their path in a workspace, and what was found."""

    name: str
    files: Mapping[Path, str]
    found: tuple[tuple[str, str], ...]
    """(what, in words)."""
    notes: tuple[str, ...]

    @property
    def run_file(self) -> Path:
        """In the workspace."""
        return Path("runs", f"{self.name}.yaml")

    def write(self, folder: Path, *, force: bool) -> None:
        """Into a workspace. Raises InputError for a file that is there with another text, unless
        `force`."""
        fix = "choose another folder, go on with the files that are there, or write anew with "
        write_files(folder, self.files, fix=f"{fix}--force", force=force)


def draft(
    prompt: Any,
    data: Any,
    *,
    target: str | None = None,
    sheet: str | None = None,
    model: Any = None,
    base_url: str | None = None,
    budget: Mapping[str, float] | None = None,
    name: str | None = None,
    workspace: Path | None = None,
) -> Task:
    """Read a prompt and rows, and write the files of a task with the prompt as the seed.

    prompt, data: as `read_prompt` and `read_table` take them.
    model: a name, or a mapping with the keys of the run file's `model`.
    workspace: where a registered prompt is looked for.
    Raises InputError, with file and line, for what is wrong or not clear.
    """
    told = model_of(model, base_url) if model is None or isinstance(model, str) else dict(model)
    given = read_prompt(prompt, workspace)
    table = read_table(data, sheet)
    columns = field_names(table.columns)
    given = with_columns(given, columns)
    shown = [one for one in table.columns if columns[one] in given.fields]
    right = find_target(table, target, shown)
    if right in shown:
        raise InputError(
            f"the prompt shows {right!r}, which is the right answer",
            given.where,
            "take it out of the prompt, or name another column with --target",
        )
    if not shown:
        shown = [find_text(table, right, given.where)]
        given = _about(given, columns[shown[0]], shown[0])
    rows, answers, inputs, notes = _rows(table, columns, shown, right, given.text)
    spoken = language_of(_sample(rows, columns, shown))
    language = language_of(_prose(given), spoken) or spoken
    characters = sum(
        len(as_text(row[columns[one]])) for row in rows for one in (*shown, right)
    ) / len(rows)
    if "gguf" in told and answers.labelled:
        told = {**told, "max_tokens": LABEL_TOKENS}
    parts = objective_parts(answers, columns[right], inputs)
    splits = {key: value for key, value, _ in parts}["splits"]
    train, test = (int(splits[name] * inputs) for name in ("train", "test"))
    space = draft_space(
        given,
        answers,
        levels_in(language),
        target=columns[right],
        fields=list(columns.values()),
        row_characters=characters,
        most_demos=train,
        strict=structured(told),
    )
    if language and language not in LANGUAGES:
        notes.append(
            f"the prompt's language is {language!r}: levels in words are there in English and "
            "French only, so those that need none vary; add your own to the space"
        )
    called = _name(name or given.name)
    notes.append(_detectable(test))
    calls = budget or {"calls": _calls(test)}
    return Task(
        called,
        {
            **{Path(one): text for one, text in schemas().items() if one in SCHEMAS},
            **_files(called, space, parts, rows, told, calls, table, given),
        },
        (
            ("prompt", f"{given.where}: {_shape(given)}"),
            ("data", f"{table.name}: {len(rows):,} rows"),
            ("shows", ", ".join(columns[one] for one in shown)),
            ("target", f"{columns[right]}: {answers.about}"),
            (
                "language",
                f"{language or 'not known'} (prompt), rows: {_languages(rows, columns, shown)}",
            ),
        ),
        (*given.notes, *table.notes, *renamed(_used(columns, shown, right)), *notes),
    )


def init(
    directory: str | Path,
    *,
    prompt: Any,
    data: Any,
    target: str | None = None,
    sheet: str | None = None,
    model: Any = None,
    base_url: str | None = None,
    budget: Mapping[str, float] | None = None,
    name: str | None = None,
    force: bool = False,
) -> Path:
    """Write a task's files into a folder, as `promptlathe init` does; the path of its run file.

    prompt: a file's path, `prompts:/name@alias`, a text of several lines, or a list of messages.
    data: a file's path, a data frame, or a list of dicts.
    Raises InputError, and for files that are there with other content unless `force`.
    """
    task = draft(
        prompt,
        data,
        target=target,
        sheet=sheet,
        model=model,
        base_url=base_url,
        budget=budget,
        name=name,
    )
    task.write(Path(directory), force=force)
    return Path(directory) / task.run_file


def checked(file: Path) -> tuple[Job, Plan]:
    """The task's job, checked. Raises InputError."""
    job = Job.load(file, allow_outside=False)
    return job, check(job)


def _about(given: Given, field: str, column: str) -> Given:
    """The prompt with the row's text as a message of the user behind it."""
    before = given.messages
    if len(before) == 1:
        before = (("system", before[0][1]),)
    note = f"the prompt has no placeholder: {column!r} follows it as a message of the user"
    return replace(
        given,
        messages=(*before, ("user", f"{{{{ {field} }}}}")),
        notes=(*given.notes, note),
    )


def _rows(
    table: Table, columns: Mapping[str, str], shown: Sequence[str], right: str, prompt: str
) -> tuple[list[dict[str, Any]], Answers, int, list[str]]:
    """The rows that can be scored, as fields; the form of their answers; how many inputs differ;
    and what to know."""
    notes: list[str] = []
    kept = [row for row in table.rows if not missing(row.values[right])]
    if not kept:
        raise InputError(
            f"{right!r} is empty in all {len(table.rows)} rows",
            table.name,
            "fill in right answers, or name another column with --target",
        )
    if len(kept) < len(table.rows):
        notes.append(f"{len(table.rows) - len(kept)} rows have no {right!r}: they are left out")
    asked = [row for row in kept if not all(missing(row.values[one]) for one in shown)]
    if len(asked) < len(kept):
        notes.append(f"{len(kept) - len(asked)} rows are blank in {', '.join(shown)}: left out")
    unseen = [row for row in asked if not _stands_in(prompt, row.values, shown)]
    if len(unseen) < len(asked):
        notes.append(f"{len(asked) - len(unseen)} rows stand in the prompt itself: left out")
    asked = unseen
    for one in shown:
        if asked and all(_same(row.values[one], row.values[right]) for row in asked):
            raise InputError(
                f"{right!r} is the same as {one!r}, which the prompt shows, in every row",
                table.name,
                "the right answer would stand in the question: name another column with --target",
            )
    inputs = {tuple(squeeze(as_text(row.values[one])) for one in shown) for row in asked}
    if len(inputs) < FEWEST:
        raise InputError(
            f"{len(inputs)} rows with different inputs can be scored: too few to tell two prompts "
            "apart",
            table.name,
            f"give at least {FEWEST} with a right answer; 250 show a gain of 16 points",
        )
    if len(inputs) < len(asked):
        notes.append(f"{len(asked) - len(inputs)} rows repeat the input of another: counted once")
    answers = find_form([row.values[right] for row in asked], table.name)
    ids = [as_text(row.values["id"]) for row in asked] if "id" in columns else []
    left = {"id"} if len(set(ids)) < len(ids) else set[str]()  # an `id` must tell rows apart
    fields = {one: name for one, name in columns.items() if one not in left or one in shown}
    rows = [
        {name: answer if one == right else _shown(row.values[one]) for one, name in fields.items()}
        for row, answer in zip(asked, answers.values, strict=True)
    ]
    return rows, answers, len(inputs), notes


def _shown(value: Any) -> Any:
    return "" if value is None else value


def _stands_in(prompt: str, values: Mapping[str, Any], shown: Sequence[str]) -> bool:
    """An example in the prompt: a prompt is not scored on what it tells the answer to."""
    texts = [as_text(values[one]).strip() for one in shown]
    return any(len(text) >= EXAMPLE and text in prompt for text in texts)


def _same(a: Any, b: Any) -> bool:
    return squeeze(as_text(a)) == squeeze(as_text(b))


def _prose(given: Given) -> str:
    return fill_declared(given.text, dict.fromkeys(given.fields, ""))


def _sample(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], shown: Sequence[str]
) -> str:
    return "\n".join(as_text(row[columns[one]])[:500] for row in rows[:SAMPLE] for one in shown)


def _languages(
    rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], shown: Sequence[str]
) -> str:
    """Of the rows, the commonest first; those of a tenth of them or less are not named."""
    found: dict[str, int] = {}
    for row in rows[:SAMPLE]:
        one = language_of(" ".join(as_text(row[columns[name]])[:500] for name in shown))
        if one:
            found[one] = found.get(one, 0) + 1
    common = [
        one
        for one in sorted(found, key=lambda c: -found[c])
        if found[one] > len(rows[:SAMPLE]) / 10
    ]
    return ", ".join(common) or "not known"


def _used(columns: Mapping[str, str], shown: Sequence[str], right: str) -> dict[str, str]:
    return {one: columns[one] for one in (*shown, right)}


def _shape(given: Given) -> str:
    roles = ", ".join(role for role, _ in given.messages)
    words = len(given.text.split())
    return f"{words:,} words" + (f" in the messages {roles}" if len(given.messages) > 1 else "")


def _name(given: str) -> str:
    name = NOT_IN_NAMES.sub("-", given)[:LONGEST_NAME].strip("-.")
    return name or "prompt"


def _calls(test: int) -> int:
    """The verdict's calls, and a search in which a good dozen prompts meet as many rows."""
    return min(CALLS[1], max(CALLS[0], round(14 * test, -2)))


def _detectable(test: int) -> str:
    gain = POWER * math.sqrt(DIFFER / test)
    few = "few rows: " if gain > 0.2 else ""
    return (
        f"{few}with {test} test rows, a gain of about {gain * 100:.0f} points would be shown four "
        f"times in five (taken that two prompts differ on {DIFFER:.0%} of the rows)"
    )


def _files(
    name: str,
    space: SpaceDraft,
    parts: Sequence[tuple[str, Any, str]],
    rows: Sequence[Mapping[str, Any]],
    model: Any,
    budget: Mapping[str, float],
    table: Table,
    given: Given,
) -> dict[Path, str]:
    source = " ".join(f"{given.where} and {table.name}".split())
    calls = (
        ("space", f"../search_spaces/{name}.yaml", "what may vary; the seed is your prompt"),
        (
            "objective",
            f"../objectives/{name}/objective.yaml",
            "the rows, and what is right",
        ),
        (
            "model",
            model,
            "what answers; more keys: max_tokens, temperature, timeout, …",
        ),
        ("budget", dict(budget), "upper limits: calls, tokens, usd (with prices), minutes"),
        ("search", {"seed": 0}, "of everything that is random"),
        ("track", {"experiment": name, "prompt": name}, "names in MLflow"),
    )
    return {
        Path("search_spaces", f"{name}.yaml"): space_file(space, f"Made from {source}."),
        Path("objectives", name, "objective.yaml"): commented_file(
            "../schema.json", f"Made from {source}.", parts
        ),
        Path("objectives", name, "rows.jsonl"): rows_file(rows),
        Path("runs", f"{name}.yaml"): commented_file(
            "schema.json", f"promptlathe run runs/{name}.yaml", calls
        ),
    }

"""A draft as three commented files in the folders of a workspace."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlathe.documents import to_yaml
from promptlathe.exchange.imports.draft import Draft, Lost
from promptlathe.exchange.imports.sharing import Shared, listed, shared
from promptlathe.new_files import write_files
from promptlathe.records import Json
from promptlathe.space.template import placeholders
from promptlathe.starter import copy_starter

SCHEMAS = [Path(folder, "schema.json") for folder in ("search_spaces", "objectives", "runs")]
CALLS = 1000
LEAST = 10
"""Rows that `test` has to have."""
STAND_IN = {"judge": {"name": "quality", "builtin": "instruction_following"}}
"""Where no assertion could be carried over."""


@dataclass(frozen=True)
class Made:
    """What was written."""

    run: Path
    files: tuple[Path, ...]
    said: tuple[str, ...]
    """What was carried over."""
    lost: tuple[Lost, ...]


def write(draft: Draft, directory: Path) -> Made:
    """Raises InputError for a file that is there already, and a folder that cannot be written."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", draft.name).strip("_") or "imported"
    data = Path("objectives", name, "rows.jsonl")
    objective = Path("objectives", name, "objective.yaml")
    space, run = Path("search_spaces", f"{name}.yaml"), Path("runs", f"{name}.yaml")
    fields = _fields(draft)
    one = shared(draft.prompts, [*fields, *(key for row in draft.rows[:1] for key in row)])
    rows = draft.rows or (dict.fromkeys(sorted(fields), ""),)
    texts = {
        space: _space(draft, one),
        objective: _objective(draft),
        data: "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows),
        run: _run(draft, name),
    }
    write_files(directory, texts, fix="name another folder, or move the file away")
    copy_starter(directory, SCHEMAS)
    files = tuple(directory / path for path in texts)
    return Made(directory / run, files, (*one.said, *draft.kept), (*draft.lost, *one.lost))


def _fields(draft: Draft) -> set[str]:
    return {
        name
        for prompt in draft.prompts
        for message in prompt.messages
        for text in message.texts
        for name in placeholders(text)
    }


def _file(schema: str, head: str, *sections: tuple[str, Mapping[str, Json]]) -> str:
    """Sections, each below its comment."""
    lines = [f"# yaml-language-server: $schema={schema}", *_comment(head), ""]
    for comment, content in sections:
        lines += [*_comment(comment), to_yaml(content).rstrip("\n")]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    plain = "".join(one if one.isprintable() or one == "\n" else "?" for one in text)
    return [f"# {line}" for line in plain.split("\n")] if text else []


def _space(draft: Draft, one: Shared) -> str:
    roles = [role for role, _ in one.messages]
    spelled: Any = [{role: listed(content)} for role, content in one.messages]
    if len(set(roles)) == len(roles):
        spelled = {role: listed(content) for role, content in one.messages}
    components: dict[str, Json] = {}
    for name, levels in one.components.items():
        if list(levels) == [""]:
            components[name] = {"text": levels[""], "rewrite": True}
        else:
            components[name] = {"choice": dict(levels), "rewrite": True}
    sections: list[tuple[str, Mapping[str, Json]]] = [
        ("{{ name }} is a component below, or a field of the rows.", {"messages": spelled})
    ]
    if components:
        about = (
            "What varies. The first level of each is the seed prompt's; `rewrite: true` lets\n"
            "operators write more of them. More kinds (demos, order, …): docs/guide/spaces.md."
        )
        sections.append((about, {"components": components}))
    return _file("schema.json", f"The prompts of {draft.source}.", *sections)


def _objective(draft: Draft) -> str:
    splits = _splits(len(draft.rows))
    if draft.labels:
        splits["stratify"] = draft.labels
    rows = (
        "One JSON object a line, a test each."
        if draft.rows
        else "There were no tests: write your rows into this file, one JSON object a line."
    )
    scorers = list(draft.scorers) or [STAND_IN]
    about = (
        "The assertions."
        if draft.scorers
        else "No assertion was carried over: a judge stands in. Put what you want in its place."
    )
    sections: list[tuple[str, Mapping[str, Json]]] = [
        (rows, {"dataset": "rows.jsonl"}),
        ("`select` is searched on; `test` decides, once: at least 10 rows.", {"splits": splits}),
        (about, {"scorers": scorers}),
    ]
    if draft.goal:
        sections.append(("By the weights of the assertions.", {"goal": draft.goal}))
    if draft.limits:
        sections.append(("What a prompt may take.", {"limits": dict(draft.limits)}))
    return _file("../schema.json", f"The tests of {draft.source}.", *sections)


def _splits(rows: int) -> dict[str, Json]:
    """The usual shares; of few rows enough for `test`."""
    if not 2 * LEAST <= rows < 3.5 * LEAST:
        return {"train": 0.3, "select": 0.4, "test": 0.3}
    test = math.ceil(100 * (LEAST + 0.5) / rows) / 100
    train = round((1 - test) * 0.4, 2)
    return {"train": train, "select": round(1 - test - train, 2), "test": test}


def _run(draft: Draft, name: str) -> str:
    model = dict(draft.model) or {"name": "pocket"}
    about = (
        "Further keys: docs/reference/runfile.md."
        if draft.model
        else "No model was named that is known here: the embedded pocket model stands in, which\n"
        "is no LLM. Write yours, such as {name: gpt-6-luna}."
    )
    return _file(
        "schema.json",
        f"From {draft.source}.",
        (
            "",
            {
                "space": f"../search_spaces/{name}.yaml",
                "objective": f"../objectives/{name}/objective.yaml",
            },
        ),
        (about, {"model": model}),
        ("At most so many calls.", {"budget": {"calls": CALLS}}),
        *([("", dict(draft.more))] if draft.more else []),
    )

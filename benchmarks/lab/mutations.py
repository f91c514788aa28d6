"""Mutated workspaces: the shipped files and a few small ones, each with something wrong.

Everything depends on one number, so that a case can be made again: `mutated(number)`.
"""

import copy
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from lab.nasty import METRIC, OBJECTIVE, RUN, SMALL, SNIPPETS, SPACE, VALUES
from promptlathe.documents import to_yaml
from promptlathe.documents.reading import read_yaml
from promptlathe.errors import InputError

ROOT = Path(__file__).parents[2]
Files = dict[str, bytes]
"""By path, relative to the workspace."""
ROWS = 60
"""Of a shipped dataset: more would only take time."""


@dataclass(frozen=True)
class Case:
    """A workspace with its run file, and what was done to it."""

    number: int
    run: str
    files: Files
    done: tuple[str, ...]


@cache
def workspaces() -> tuple[tuple[str, Mapping[str, bytes]], ...]:
    """(run file, files): the shipped run files with shorter data, and small ones of each format."""
    shipped: Files = {}
    for folder in ("search_spaces", "objectives", "runs"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".yaml", ".md", ".jsonl", ".py") and path.name != "README.md":
                text = path.read_bytes()
                if path.suffix == ".jsonl":
                    text = b"".join(text.splitlines(keepends=True)[:ROWS])
                shipped[str(path.relative_to(ROOT))] = text
    runs = [n for n in shipped if n.startswith("runs/") and n.endswith(".yaml")]
    small = [("run.yaml", _small(name, data)) for name, data in _datasets().items()]
    return (*((run, shipped) for run in runs), *small * 3)


def _small(name: str, data: bytes) -> Files:
    return {
        "run.yaml": RUN.encode(),
        "space.yaml": SPACE.encode(),
        "objective.yaml": (OBJECTIVE % name).encode(),
        "role.md": b"You read texts with care.\n",
        "metric.py": METRIC.encode(),
        name: data,
    }


def _datasets() -> dict[str, bytes]:
    lines = [f'{r["id"]},"{r["text"]}",{r["label"]},{r["n"]}' for r in SMALL]
    found = {
        "rows.jsonl": "".join(json.dumps(row) + "\n" for row in SMALL).encode(),
        "rows.csv": "\n".join(["id,text,label,n", *lines, ""]).encode(),
    }
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        return found
    file = BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(SMALL), file)
    return {**found, "rows.parquet": file.getvalue()}


Mutation = Callable[[random.Random, Case], tuple[str, Files]]


def mutated(number: int) -> Case:
    """The case of a number: one to three things are wrong in it."""
    rng = random.Random(number)
    spaces = workspaces()
    run, files = spaces[rng.randrange(len(spaces))]
    case = Case(number, run, dict(files), ())
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        mutation = rng.choice(MUTATIONS)
        said, changed = mutation(rng, case)
        case = Case(number, run, changed, (*case.done, said))
    return case


def _file(rng: random.Random, case: Case, endings: str) -> str:
    """One of those that the run may read; the run file itself more often than others."""
    fit = [name for name in case.files if re.search(endings, name)]
    if case.run.startswith("runs/"):
        stem = Path(case.run).stem
        near = [n for n in fit if stem.split("_")[0] in n]
        fit = near or fit
    return rng.choice([*fit, *[case.run] * (1 + len(fit) // 4)])


def _bytes(rng: random.Random, case: Case) -> tuple[str, Files]:
    """Noise: bytes are changed, inserted, taken away or repeated."""
    name = _file(rng, case, "")
    data = bytearray(case.files[name])
    kind = rng.choice(("flip", "insert", "insert", "delete", "repeat", "cut", "swap"))
    a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    b = min(b, a + rng.choice((1, 3, 20, 400)))
    match kind:
        case "flip" if data:
            for _ in range(rng.choice((1, 2, 8))):
                data[rng.randrange(len(data))] = rng.randrange(256)
        case "insert":
            data[a:a] = rng.choice(SNIPPETS)
        case "delete":
            del data[a:b]
        case "repeat":
            data[a:a] = data[a:b] * rng.choice((1, 2, 50))
        case "swap":
            data[a:b] = reversed(data[a:b])
        case _:
            del data[a:]
    return f"{kind} in {name}", {**case.files, name: bytes(data)}


def _lines(rng: random.Random, case: Case) -> tuple[str, Files]:
    """A line is taken away, repeated, indented, or goes elsewhere."""
    name = _file(rng, case, r"\.(yaml|md|jsonl|csv)$")
    lines = case.files[name].splitlines(keepends=True) or [b""]
    place = rng.randrange(len(lines))
    kind = rng.choice(("drop", "repeat", "indent", "move", "snippet"))
    line = lines.pop(place)
    match kind:
        case "repeat":
            lines[place:place] = [line] * rng.choice((2, 3, 300))
        case "indent":
            lines.insert(place, b" " * rng.choice((1, 2, 4)) + line)
        case "move":
            lines.insert(rng.randrange(len(lines) + 1), line)
        case "snippet":
            lines[place:place] = [rng.choice(SNIPPETS), b"\n", line]
        case _:
            pass
    return f"{kind} a line of {name}", {**case.files, name: b"".join(lines)}


def _tree(rng: random.Random, case: Case) -> tuple[str, Files]:
    """A value, a key or an item of a YAML file is changed, and the file written again."""
    name = _file(rng, case, r"\.yaml$")
    data = _read(case.files[name])
    if not isinstance(data, dict | list):
        return _bytes(rng, case)
    data = copy.deepcopy(data)
    places = list(_places(data))
    holder, key = rng.choice(places) if places else (data, None)
    kind = rng.choice(("value", "value", "value", "drop", "rename", "add", "wrap", "copy"))
    value = rng.choice(VALUES)
    if key is None:
        return _bytes(rng, case)
    match kind:
        case "drop":
            del holder[key]
        case "rename" if isinstance(holder, dict):
            holder[
                str(rng.choice(("x", "", "{{ x }}", "a.b", "a" * 300, "\x1b[1m", key + "s")))
            ] = holder.pop(key)
        case "add" if isinstance(holder, dict):
            holder[
                rng.choice(
                    ("x", "file", "when", "rewrite", "protect", "choice", "target", "operators")
                )
            ] = value
        case "wrap":
            holder[key] = [holder[key]] if rng.random() < 0.5 else {"x": holder[key]}
        case "copy":
            other, there = rng.choice(places)
            holder[key] = copy.deepcopy(other[there])
        case _:
            holder[key] = copy.deepcopy(value)
    text = json.dumps(data) if rng.random() < 0.5 else _yaml(data)
    return f"{kind} at {key!r} of {name}", {
        **case.files,
        name: text.encode("utf-8", "surrogatepass"),
    }


def _cell(rng: random.Random, case: Case) -> tuple[str, Files]:
    """A value of a dataset is changed."""
    name = _file(rng, case, r"\.(jsonl|csv)$")
    if not name.endswith((".jsonl", ".csv")):
        return _tree(rng, case)
    lines = case.files[name].splitlines() or [b""]
    places = rng.sample(range(len(lines)), min(len(lines), rng.choice((1, 3, len(lines)))))
    value, column = rng.choice(VALUES), rng.choice(("text", "label", "id", "n", "new", ""))
    for place in places:
        try:
            row = json.loads(lines[place])
            row[column] = value
            lines[place] = json.dumps(row).encode()
        except (ValueError, TypeError, RecursionError):
            cells = lines[place].split(b",")
            cells[rng.randrange(len(cells))] = json.dumps(value).encode()
            lines[place] = b",".join(cells)
    return f"{column!r} in {len(places)} rows of {name}", {**case.files, name: b"\n".join(lines)}


MUTATIONS: tuple[Mutation, ...] = (_bytes, _bytes, _lines, _tree, _tree, _tree, _cell)


def _places(data: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    waiting = [data]
    while waiting and len(found) < 2000:
        one = waiting.pop()
        items = (
            one.items()
            if isinstance(one, dict)
            else enumerate(one)
            if isinstance(one, list)
            else ()
        )
        for key, value in items:
            found.append((one, key))
            waiting.append(value)
    return found


@cache
def _read(text: bytes) -> Any:
    try:
        return read_yaml(text.decode(), "x.yaml")[0]
    except (InputError, UnicodeDecodeError):
        return None


def _yaml(data: Any) -> str:
    try:
        return to_yaml(data) if isinstance(data, dict) else json.dumps(data)
    except Exception:  # noqa: BLE001  # what cannot be written as YAML is JSON
        return json.dumps(data)

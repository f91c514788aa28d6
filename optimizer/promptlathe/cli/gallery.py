"""The tasks that ship, each with its files. They are found in the folders: a new one needs no list.

A task is a folder of `objectives/` with an `objective.yaml`, a README and a run file. The README's
first line is what `init --list` says of it; a line `Family: extraction` gives it a second name.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from promptlathe.documents import load, nearest
from promptlathe.errors import InputError
from promptlathe.starter import starter

_FAMILY = re.compile(r"^Family: (\w+)$", re.MULTILINE)
_SCHEMA = re.compile(r"# yaml-language-server: \$schema=(\S+)")


@dataclass(frozen=True)
class Task:
    """One of them; paths are relative to the folder that ships."""

    name: str
    """Of its folder in `objectives/`."""
    family: str
    """Such as `extraction`; the name where its README tells none."""
    about: str
    """In a few words."""
    runs: tuple[Path, ...]
    """At least one; first the one whose name begins like the task's."""
    files: tuple[Path, ...]
    """All that its run files name, its whole folder, the texts of the judges that it asks by name,
    and the schemas of the YAML files."""


def tasks() -> tuple[Task, ...]:
    """All of them, by name."""
    shipped = starter().resolve()  # as the files that the YAML files name
    named = {
        run: frozenset(_named(run, shipped)) for run in sorted((shipped / "runs").glob("*.yaml"))
    }
    return tuple(
        task
        for objective in sorted(shipped.glob("objectives/*/objective.yaml"))
        if (task := _task(objective, named, shipped))
    )


def find_task(name: str) -> Task:
    """By its name or its family's. Raises InputError, which names the nearest and lists all."""
    known = tasks()
    for task in known:
        if name in (task.name, task.family):
            return task
    names = [one for task in known for one in (task.family, task.name)]
    near = nearest(name, names)
    raise InputError(
        f"there is no task {name!r}" + (f"; did you mean {near!r}?" if near else ""),
        "--task",
        "one of: " + ", ".join(dict.fromkeys(names)),
    )


def _task(objective: Path, named: dict[Path, frozenset[Path]], shipped: Path) -> Task | None:
    folder = objective.parent
    runs = sorted(
        (run for run, files in named.items() if objective in files),
        key=lambda run: (run.stem.split("_")[0] != folder.name.split("_")[0], len(run.stem), run),
    )
    readme = folder / "README.md"
    if not runs or not readme.is_file():
        return None
    text = readme.read_text("utf-8")
    family = _FAMILY.search(text)
    own = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    files = {*own, *runs}.union(*(named[run] for run in runs))
    files |= {_schema(file) for file in files if file.suffix == ".yaml"}
    return Task(
        name=folder.name,
        family=family[1] if family else folder.name,
        about=text.partition("\n")[0].lstrip("# "),
        runs=tuple(run.relative_to(shipped) for run in runs),
        files=tuple(sorted(path.relative_to(shipped) for path in files)),
    )


def _schema(file: Path) -> Path:
    """That the first line of a YAML file names."""
    found = _SCHEMA.match(file.read_text("utf-8"))
    assert found, file
    return (file.parent / found[1]).resolve()


def _named(file: Path, shipped: Path) -> Iterator[Path]:
    """The files that a YAML file names, and those that they name."""
    for text in _texts(load(file).data):
        path = _file(file.parent, text.partition(":")[0])
        if path and path.is_relative_to(shipped):
            yield path
            if path.suffix == ".yaml":
                yield from _named(path, shipped)


def _texts(data: Any) -> Iterator[str]:
    """All texts in a document; of a built-in judge, its file."""
    match data:
        case str():
            yield data
        case dict():
            for key, inner in data.items():
                yield from [f"../judges/{inner}.yaml"] if key == "builtin" else _texts(inner)
        case list():
            for inner in data:
                yield from _texts(inner)
        case _:
            pass


def _file(folder: Path, name: str) -> Path | None:
    """A file of that name, if there is one; texts that could be none are not looked for."""
    if not name or len(name) > 200 or "\n" in name or "." not in name:
        return None
    path = (folder / name).resolve()
    return path if path.is_file() else None

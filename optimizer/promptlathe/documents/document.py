"""A document: plain data, and where each part of it was written."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from promptlathe.documents.files import YAML_BYTES, Within, find, is_file
from promptlathe.documents.reading import DEEPEST, Lines, read_text, read_yaml
from promptlathe.documents.wording import describe, nearest
from promptlathe.errors import InputError

Loc = tuple[str | int, ...]
"""The way to a value: keys and list indices from the root."""


@dataclass(frozen=True)
class Document:
    """Plain data with its source; made by `load`, or from Python data alone."""

    data: Any
    path: Path | None = None
    lines: Lines | None = field(default=None, repr=False)
    root: Loc = ()
    """Where `data` stands in the file, when it is a part of one (`at`)."""
    overrides: Mapping[Loc, str] = field(default_factory=dict[Loc, str])
    """What `set_value` changed: the way from the file's root, and the option as typed."""
    within: Within = None
    """The folders that the paths in it may not lead out of."""

    @property
    def folder(self) -> Path:
        """What relative paths are relative to: the file's folder, or the working directory."""
        return self.path.parent if self.path else Path()

    def named(self, name: str, what: str, loc: Loc) -> Document:
        """The file `name`, which the value at `loc` names as its `what`.

        Raises `InputError` there when no such file may be read.
        """
        path = find(self.folder, name, self.within, self.where(loc))
        if not is_file(path):
            raise InputError(
                f"{what} names {name!r}, and there is no such file",
                self.where(loc),
                f"looked for {path}; paths are relative to this file",
            )
        return load(path, self.within)

    def at(self, *loc: str | int) -> Document:
        """The part of this document at `loc`, which must exist; its messages name this file."""
        data = self.data
        for part in loc:
            data = data[part]
        return replace(self, data=data, root=self.root + loc)

    def line_of(self, loc: Loc) -> int | None:
        """The line of the value at `loc`, or of the nearest thing around it; None without a file.

        Parts that the document does not have (a missing key, a validator's name) are passed over.
        """
        if self.lines is None:
            return None
        here = self.lines
        for part in self.root + loc:
            here = here.children.get(part, here)
        return here.line

    def where(self, loc: Loc = ()) -> str | None:
        """`file.yaml:12`, `--set key` for a value set there, or the dotted field name."""
        full = self.root + loc
        for length in range(len(full), 0, -1):
            if full[:length] in self.overrides:
                return self.overrides[full[:length]]
        if self.path is None:
            return dotted(full) or None
        line = self.line_of(loc)
        return f"{self.path}:{line}" if line else str(self.path)


def load(path: str | Path, within: Within = None) -> Document:
    """Read a YAML file; `within` goes for the paths that stand in it.

    Raises `InputError`, with file and line, for a file that is missing, not UTF-8 or not YAML,
    and for a key that stands twice.
    """
    path = Path(path)
    data, lines = read_yaml(read_text(path, YAML_BYTES), str(path))
    return Document(data, path, lines, within=within)


def set_value(document: Document, key: str, raw: str) -> Document:
    """A new document with `key` (dotted, list indices as numbers) set to the YAML value `raw`.

    Mappings on the way are made when they are missing. Later errors there name `--set key`.
    Raises `InputError` for a value that is not YAML, or a way through something else.
    """
    option = f"--set {key}"
    value = _value(raw, option)
    data = copy.deepcopy(document.data) if document.data is not None else {}
    *way, last = key.split(".")
    if len(way) >= DEEPEST:
        raise InputError(f"the key has more than {DEEPEST} parts", "--set", "write a shorter one")
    made: dict[Loc, str] = {}
    loc: Loc = ()
    here = data
    for name in way:
        part = _part(here, name, loc, option)
        if isinstance(here, dict) and here.get(part) is None:
            here[part] = {}
            made[(*document.root, *loc, part)] = option
        here, loc = here[part], (*loc, part)
    part = _part(here, last, loc, option)
    here[part] = value
    made[(*document.root, *loc, part)] = option
    return replace(document, data=data, overrides={**document.overrides, **made})


def dotted(loc: Loc) -> str:
    """`("splits", "train")` as `splits.train`."""
    return ".".join(str(part) for part in loc)


def _value(raw: str, option: str) -> Any:
    try:
        return read_yaml(raw, option)[0]
    except InputError as error:
        raise InputError(
            f"the value {raw!r} is {error.what.removeprefix('is ')}",
            option,
            error.fix or "put quotes around the text",
        ) from None


def _part(here: Any, name: str, loc: Loc, option: str) -> str | int:
    if not name:
        raise InputError("the key has an empty part", option, "write --set section.key=value")
    if isinstance(here, dict):
        return name
    if isinstance(here, list):
        if name.isdecimal() and int(name) < len(here):
            return int(name)
        near = nearest(name, [str(n) for n in range(len(here))])
        raise InputError(
            f"{dotted(loc) or 'the document'} is a list of {len(here)}: {name!r} is not in it",
            option,
            f"did you mean {near}?" if near else f"use a number from 0 to {len(here) - 1}",
        )
    raise InputError(
        f"{dotted(loc) or 'the document'} is {describe(here)}, which holds no key {name!r}",
        option,
        f"set the whole of it: --set {dotted(loc)}=…" if loc else None,
    )

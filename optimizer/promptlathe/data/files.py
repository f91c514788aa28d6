"""Rows from files: JSONL, CSV and Parquet. Every row knows its file and line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from promptlathe.documents import DATASET_BYTES, check_file, read_text
from promptlathe.errors import InputError

_FIELD_LIMIT = 2**31 - 1
"""Characters in a CSV field; Python's own limit of 131,072 is too short for documents."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record as it was read. `where` is `file:line`, or whatever finds it again."""

    values: Any
    where: str


ENDINGS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")


def read_file(path: Path, where: str | None = None) -> Iterator[Row]:
    """The rows of a file, by the ending of its name; `where` is the place that names the file.

    Raises `InputError`, with file and line, for what cannot be read.
    """
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _jsonl(path)
        case ".csv":
            return _csv(path)
        case ".tsv":
            return _csv(path, delimiter="\t")
        case ".parquet":
            return _parquet(path)
        case ending:
            raise InputError(
                f"{path}: a dataset cannot be a {ending or 'file without an ending'}",
                where or str(path),
                "use .jsonl (one JSON object a line), .csv, .tsv or .parquet; "
                "or hf:name for Hugging Face",
            )


def _jsonl(path: Path) -> Iterator[Row]:
    for number, line in enumerate(read_text(path, DATASET_BYTES).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            yield Row(_read_json(line), where)
        except (ValueError, RecursionError) as error:
            column = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
            what = getattr(error, "msg", str(error))
            raise InputError(
                f"is not JSON: {what}{column}", where, "write one JSON object a line"
            ) from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice[:100]!r} stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


_read_json = json.JSONDecoder(object_pairs_hook=_each_once, parse_constant=_no_constant).decode


def _csv(path: Path, delimiter: str | None = None) -> Iterator[Row]:
    """Values are texts. A header without a comma but with `;` is separated by `;`."""
    text = read_text(path, DATASET_BYTES)
    header, _, _ = text.partition("\n")
    if delimiter is None:
        delimiter = ";" if ";" in header and "," not in header else ","
    return csv_rows(text, path, delimiter, _header)


def csv_rows(
    text: str, path: Path, delimiter: str, header: Callable[[list[str], str], list[str]]
) -> Iterator[Row]:
    """The rows of a CSV text; header: of its first line and place the names of the columns.

    Lines without a value are left out. Raises InputError, with file and line.
    """
    csv.field_size_limit(_FIELD_LIMIT)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names: list[str] | None = None
    line = 1
    try:
        for record in reader:
            where, line = f"{path}:{line}", reader.line_num + 1
            if not any(cell.strip() for cell in record):
                continue
            if names is None:
                names = header(record, where)
            elif len(record) != len(names):
                raise InputError(
                    f"has {len(record)} values, but the header has {len(names)}",
                    where,
                    'put quotes around a value that holds the separator: "a, b"',
                )
            else:
                yield Row(dict(zip(names, record, strict=True)), where)
    except csv.Error as error:
        raise InputError(
            f"is not CSV: {error}",
            f"{path}:{line}",
            "close the quote of a value; a quote within a value is written twice",
        ) from None


def _header(record: list[str], where: str) -> list[str]:
    names = [name.strip() for name in record]
    for name in names:
        if not name or names.count(name) > 1:
            what = f"has the name {name!r} twice" if name else "has a column without a name"
            raise InputError(f"the header {what}", where, "give each column its own name")
    return names


def _parquet(path: Path) -> Iterator[Row]:
    from pyarrow import ArrowException, parquet

    check_file(path, DATASET_BYTES)
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        what = f"is not Parquet: {error}".splitlines()[0]
        raise InputError(what, str(path), "write the file again, or use .jsonl or .csv") from None
    for number, values in enumerate(table.to_pylist(), start=1):
        yield Row(values, f"{path}: row {number}")

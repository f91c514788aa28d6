"""A table of rows as people have it: CSV of any kind, Excel, JSON, Parquet, a data frame."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promptlathe.data.files import Row, csv_rows, read_file
from promptlathe.data.values import missing, plain
from promptlathe.documents import DATASET_BYTES, check_file, nearest, read_bytes
from promptlathe.errors import InputError, MissingExtra

JSON_LINES = (".jsonl", ".ndjson")
SHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
DELIMITERS = ",;\t|"
ENDINGS = (".csv", ".tsv", ".txt", *JSON_LINES, ".json", ".parquet", *SHEETS)


@dataclass(frozen=True)
class Table:
    """Rows as JSON-like data, all with the same columns, in the source's order."""

    name: str
    """For messages, and for the name of the task."""
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())
    """How it was read, where that was a choice."""

    def values(self, column: str) -> list[Any]:
        """All of a column."""
        return [row.values[column] for row in self.rows]


def read_table(source: Any, sheet: str | None = None) -> Table:
    """The table of a file's path (`book.xlsx#Sheet2` names a sheet), a data frame or a list of
    dicts. Raises InputError, with file and line, and MissingExtra."""
    if not isinstance(source, str | Path):
        return _table("the data", _given(source), ())
    path, sheet = _sheet_of(Path(source), sheet)
    ending = path.suffix.lower()
    if sheet is not None and ending not in SHEETS:
        raise InputError(f"{path} has no sheets", "--sheet", "leave it out, or name an .xlsx file")
    notes: list[str] = []
    match ending:
        case ".csv" | ".tsv" | ".txt":
            rows = _csv(path, notes)
        case ".json":
            rows = _json(path)
        case _ if ending in SHEETS:
            rows = _sheet(path, sheet, notes)
        case _ if ending in (*JSON_LINES, ".parquet"):
            rows = read_file(path)
        case _:
            check_file(path, DATASET_BYTES)
            raise InputError(
                f"data cannot be a {ending or 'file without an ending'}",
                str(path),
                f"use one of {', '.join(ENDINGS)}",
            )
    return _table(str(path), rows, notes)


def _table(name: str, read: Iterable[Row], notes: Sequence[str]) -> Table:
    rows: list[Row] = []
    columns: dict[str, None] = {}
    for row in read:
        if not isinstance(row.values, Mapping):
            raise InputError("a row must be an object", row.where, 'write {"field": "value", …}')
        try:
            values = {str(key): plain(value) for key, value in row.values.items()}
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(
                f"a value is a {error}, which is neither text nor data",
                row.where,
                "turn it into text, or leave the column out",
            ) from None
        columns |= dict.fromkeys(values)
        if not all(map(missing, values.values())):
            rows.append(Row(values, row.where))
    if not rows:
        raise InputError("holds no rows", name, "give it a header and at least a few dozen rows")
    full = tuple(Row({one: row.values.get(one) for one in columns}, row.where) for row in rows)
    return Table(name, tuple(columns), full, tuple(notes))


def _given(source: Any) -> Iterator[Row]:
    if hasattr(source, "to_dict") and hasattr(source, "columns"):  # a data frame of pandas
        source = source.to_dict("records")
    elif hasattr(source, "to_dicts"):  # of polars
        source = source.to_dicts()
    if isinstance(source, str | bytes | Mapping) or not isinstance(source, Iterable):
        raise InputError(
            f"the data is a {type(source).__name__}",
            "data",
            "give a file's path, a data frame or a list of dicts",
        )
    for number, values in enumerate(source):
        yield Row(values, f"data[{number}]")


def _csv(path: Path, notes: list[str]) -> Iterator[Row]:
    text, encoding = _decoded(path)
    if encoding != "utf-8":
        notes.append(f"{path.name} is not UTF-8: read as {encoding}")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(text)
    if delimiter != ",":
        notes.append(f"{path.name}: columns are separated by {_named(delimiter)}")
    return csv_rows(text, path, delimiter, lambda record, where: _header(record, notes))


def _decoded(path: Path) -> tuple[str, str]:
    """The text, whatever a spreadsheet saved it as, and the name of the encoding."""
    raw = read_bytes(path, DATASET_BYTES)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        tried = ("utf-16",)
    elif b"\0" in raw[:100_000]:
        raise InputError("is no text", str(path), f"use one of {', '.join(ENDINGS)}")
    else:
        tried = ("utf-8", "cp1252", "latin-1")
    for encoding in tried:
        try:
            return raw.decode("utf-8-sig" if encoding == "utf-8" else encoding), encoding
        except UnicodeDecodeError:
            continue
    raise InputError("is no text in UTF-16", str(path), "save the file as UTF-8")


def _delimiter(text: str) -> str:
    """The sign that stands most often in the header, outside of quotes."""
    header = next((line for line in text.splitlines() if line.strip()), "")
    bare = "".join(header.split('"')[::2])
    return max(DELIMITERS, key=lambda sign: (bare.count(sign), -DELIMITERS.index(sign)))


def _named(delimiter: str) -> str:
    return "tabs" if delimiter == "\t" else repr(delimiter)


def _header(record: Sequence[Any], notes: list[str]) -> list[str]:
    """Names of columns, each once: an index without a name, and a second of a name, get one."""
    names: list[str] = []
    for place, cell in enumerate(record, start=1):
        given = "" if cell is None else str(cell).strip()
        name = first = given or f"column_{place}"
        number = 1
        while name in names:
            number += 1
            name = f"{first}_{number}"
        if name != given:
            said = f"a second column {given!r}" if given else f"column {place}, without a name,"
            notes.append(f"{said} is called {name!r}")
        names.append(name)
    return names


def _json(path: Path) -> Iterator[Row]:
    text, _ = _decoded(path)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        raise InputError(
            f"is not JSON: {getattr(error, 'msg', error)}",
            f"{path}:{line}" if line else str(path),
            "write a list of objects; one object a line is .jsonl",
        ) from None
    lists = (
        [one for one in data.values() if isinstance(one, list)] if isinstance(data, dict) else []
    )
    rows = data if isinstance(data, list) else lists[0] if len(lists) == 1 else None
    if rows is None:
        raise InputError("holds no list of rows", str(path), 'write [{"field": "value"}, …]')
    for number, values in enumerate(rows, start=1):
        yield Row(values, f"{path}: row {number}")


def _sheet_of(path: Path, sheet: str | None) -> tuple[Path, str | None]:
    """`book.xlsx#Sheet2` apart, unless a file has that very name."""
    name, sign, named = path.name.rpartition("#")
    if sign and not path.exists() and Path(name).suffix.lower() in SHEETS:
        return path.with_name(name), sheet or named
    return path, sheet


def _sheet(path: Path, sheet: str | None, notes: list[str]) -> Iterator[Row]:
    check_file(path, DATASET_BYTES)
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise MissingExtra("python-calamine", "excel", f"the spreadsheet {path.name}") from None
    try:
        book = CalamineWorkbook.from_path(str(path))
        name = _chosen(book.sheet_names, sheet, path, notes)
        cells: list[list[Any]] = book.get_sheet_by_name(name).to_python()
    except (CalamineError, OSError) as error:
        what = f"is no spreadsheet that can be read: {error}".splitlines()[0]
        raise InputError(what, str(path), "save it again as .xlsx, or as .csv") from None
    names: list[str] | None = None
    for number, record in enumerate(cells, start=1):
        if all(cell is None or not str(cell).strip() for cell in record):
            continue
        if names is None:
            names = _header(record, notes)
        else:
            yield Row(dict(zip(names, map(_cell, record), strict=True)), f"{path}#{name}:{number}")


def _chosen(names: Sequence[str], sheet: str | None, path: Path, notes: list[str]) -> str:
    if sheet is None:
        if len(names) > 1:
            notes.append(f"read of {path.name}: the sheet {names[0]!r} (of {', '.join(names)})")
        return names[0]
    if sheet in names:
        return sheet
    near = nearest(sheet, names)
    raise InputError(
        f"there is no sheet {sheet!r}" + (f"; did you mean {near!r}?" if near else ""),
        str(path),
        f"sheets: {', '.join(names)}",
    )


def _cell(value: Any) -> Any:
    """Spreadsheets hold all numbers as fractions."""
    return int(value) if isinstance(value, float) and value.is_integer() else value

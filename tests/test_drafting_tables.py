"""Rows as people have them: dialects of CSV, spreadsheets, JSON, data frames."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from promptlathe.drafting.tables import read_table
from promptlathe.errors import InputError

WANTED = [{"text": "Où est-ce ?\n«là»", "label": "a"}, {"text": 'say "b"; so', "label": "b"}]
CSV = 'text,label\n"Où est-ce ?\n«là»",a\n\n"say ""b""; so",b\n'
FILES = {
    "plain.csv": CSV.encode(),
    "bom.csv": CSV.encode("utf-8-sig"),
    "windows.csv": CSV.replace("\n", "\r\n").encode("cp1252"),
    "utf16.csv": CSV.encode("utf-16"),
    "semicolon.csv": CSV.replace(",", ";").encode(),
    "tab.tsv": CSV.replace(",", "\t").encode(),
    "tab.txt": CSV.replace(",", "\t").encode(),
    "bar.csv": CSV.replace(",", "|").encode(),
    "rows.jsonl": "\n".join(json.dumps(row) for row in WANTED).encode(),
    "rows.json": json.dumps({"version": 2, "rows": WANTED}).encode(),
}


def sheet(*cells: str) -> str:
    def cell(text: str) -> str:
        return f'<c t="inlineStr"><is><t>{text}</t></is></c>'

    rows = "".join(f"<row>{''.join(map(cell, row.split('|')))}</row>" for row in cells)
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'


def book(path: Path, **sheets: str) -> Path:
    """The least that is an .xlsx."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    names = list(sheets)
    listed = "".join(
        f'<sheet name="{n}" sheetId="{i}" r:id="r{i}"/>' for i, n in enumerate(names, 1)
    )
    links = "".join(
        f'<Relationship Id="r{i}" Type="{office}/worksheet" Target="worksheets/{i}.xml"/>'
        for i, _ in enumerate(names, 1)
    )
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{package}"><Relationship Id="r1" '
            f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        file.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listed}</sheets></workbook>',
        )
        file.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<Relationships xmlns="{package}">{links}</Relationships>',
        )
        for i, name in enumerate(names, 1):
            file.writestr(f"xl/worksheets/{i}.xml", sheets[name])
    return path


@pytest.mark.parametrize("name", FILES)
def test_every_dialect_holds_the_same_rows(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    found = [row.values for row in read_table(str(tmp_path / name)).rows]
    assert [{k: v.replace("\r\n", "\n") for k, v in row.items()} for row in found] == WANTED


def test_data_frames_and_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame([*WANTED, {"text": None, "label": "c"}])
    assert [row.values for row in read_table(frame).rows] == [*WANTED, {"text": None, "label": "c"}]
    frame.to_parquet(tmp_path / "rows.parquet")
    assert len(read_table(tmp_path / "rows.parquet").rows) == 3


def test_a_sheet_of_a_spreadsheet(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    path = book(
        tmp_path / "book.xlsx", First=sheet("a|b", "1|2"), Second=sheet("text|label", "x|y", "z|w")
    )
    table = read_table(path)
    assert table.columns == ("a", "b")
    assert "'First' (of First, Second)" in table.notes[0]
    for named, other in ((f"{path}#Second", None), (str(path), "Second")):
        assert [row.values["text"] for row in read_table(named, other).rows] == ["x", "z"]
    with pytest.raises(InputError, match="did you mean 'Second'"):
        read_table(path, "Secnd")


def test_headers_are_made_usable(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",text,text,label\n0,a,b,c\n")
    table = read_table(tmp_path / "t.csv")
    assert table.columns == ("column_1", "text", "text_2", "label")
    assert len(table.notes) == 2


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("none.csv", None, "no such file"),
        ("empty.csv", b"", "holds no rows"),
        ("header.csv", b"a,b\n", "holds no rows"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3\n", r"ragged.csv:3: has 3 values"),
        ("quote.csv", b'a,b\n"1,2\n', "is not CSV"),
        ("binary.csv", b"\x00\x01\x02", "is no text"),
        ("rows.json", b'{"a": 1}', "holds no list"),
        ("rows.json", b'[{"a": 1},\n', r"rows.json:\d: is not JSON|rows.json:\d"),
        ("rows.json", b"[1, 2]", "must be an object"),
        ("rows.xlsx", b"not a zip", "no spreadsheet"),
        ("rows.docx", b"x", "cannot be a .docx"),
    ],
)
def test_what_cannot_be_read_is_said(
    name: str, content: bytes | None, match: str, tmp_path: Path
) -> None:
    if name.endswith("xlsx"):
        pytest.importorskip("python_calamine")
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=match):
        read_table(str(tmp_path / name))


def test_a_folder_and_a_sheet_of_a_csv(tmp_path: Path) -> None:
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(InputError, match="folder"):
        read_table(tmp_path / "x.csv")
    given: Any = "x.csv"
    with pytest.raises(InputError, match="has no sheets"):
        read_table(given, "Sheet1")

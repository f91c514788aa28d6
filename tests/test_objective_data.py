"""Datasets: every format, every mistake with its line, and the ids of examples."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from promptlathe.data import HuggingFace
from promptlathe.data.dataset import identify, load_rows
from promptlathe.data.files import Row
from promptlathe.documents import Document, parse
from promptlathe.errors import InputError, MissingExtra
from promptlathe.scoring import Objective, exact_match, json_match, numeric


def write(folder: Path, name: str, text: str | bytes) -> str:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def said(folder: Path, name: str, text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        load_rows(write(folder, name, text), folder)
    return str(caught.value).replace(f"{folder}/", "")


def values(folder: Path, name: str, text: str | bytes) -> list[Any]:
    return [row.values for row in load_rows(write(folder, name, text), folder)]


def objective(rows: Any, *, scorer: Any = None, **more: Any) -> Objective:
    return Objective(rows, scorer=scorer or exact_match("label"), **more)


def rows(n: int = 12) -> list[dict[str, Any]]:
    return [{"text": f"ticket {i}", "label": "ab"[i % 2]} for i in range(n)]


def test_jsonl_with_lines(tmp_path: Path):
    name = write(tmp_path, "a.jsonl", '\ufeff{"a": 1}\r\n\n{"a": "\u2028x"}\n')
    found = load_rows(name, tmp_path)
    assert [row.values for row in found] == [{"a": 1}, {"a": "\u2028x"}]
    assert [row.where for row in found] == [f"{tmp_path}/a.jsonl:1", f"{tmp_path}/a.jsonl:3"]


def test_csv_in_its_dialects(tmp_path: Path):
    expected = [{"text": "a, b\nc", "label": "x"}, {"text": "d", "label": ""}]
    assert values(tmp_path, "a.csv", 'text,label\n"a, b\nc",x\nd,\n') == expected
    assert values(tmp_path, "b.csv", 'text;label\r\n"a, b\nc";x\r\nd;\r\n') == expected
    assert values(tmp_path, "c.tsv", 'text\tlabel\n"a, b\nc"\tx\nd\t\n') == expected


def test_a_csv_record_is_named_by_its_first_line(tmp_path: Path):
    found = load_rows(write(tmp_path, "a.csv", 'text\n"a\nb\nc"\nd\n'), tmp_path)
    assert [row.where.rsplit(":")[-1] for row in found] == ["2", "5"]


def test_a_long_csv_field_is_read(tmp_path: Path):
    assert values(tmp_path, "a.csv", f"text\n{'x' * 200_000}\n") == [{"text": "x" * 200_000}]


def test_parquet(tmp_path: Path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table(
        {
            "text": ["a", "b"],
            "score": [1.5, float("nan")],
            "day": [date(2024, 1, 2), None],
            "price": [Decimal("1.5"), None],
            "tags": [["x"], []],
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    found = load_rows("a.parquet", tmp_path)
    assert found[0].values == {
        "text": "a",
        "score": 1.5,
        "day": "2024-01-02",
        "price": 1.5,
        "tags": ["x"],
    }
    assert found[1].values == {"text": "b", "score": None, "day": None, "price": None, "tags": []}
    assert found[1].where.endswith("a.parquet: row 2")
    assert "is not Parquet" in said(tmp_path, "b.parquet", "text")
    with pytest.raises(InputError, match="no such file"):
        load_rows("none.parquet", tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.jsonl", "\n", "a.jsonl: the dataset is empty"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xe9"}', "a.jsonl:2: is not UTF-8"),
        ("a.jsonl", '{"a": 1}\n{"a": 1,}', "a.jsonl:2: is not JSON"),
        ("a.jsonl", '{"a": NaN}', "a.jsonl:1: is not JSON: NaN is no JSON number"),
        ("a.jsonl", '{"a": 1}\n[1]', "a.jsonl:2: a row must be an object, not a list"),
        ("a.jsonl", '{"id": 1}\n{"a": 1}\n{"id": "1"}', "a.jsonl:3: the id '1' is also that of a"),
        ("a.csv", "text,label\na,b,c", "a.csv:2: has 3 values, but the header has 2"),
        ("a.csv", "text,text\na,b", "a.csv:1: the header has the name 'text' twice"),
        ("a.csv", 'text\n"a', "a.csv:2: is not CSV"),
        ("a.csv", "text\n", "a.csv: the dataset is empty"),
        ("a.json", "[]", "a.json: a dataset cannot be a .json"),
        ("a", "x", "a dataset cannot be a file without an ending"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, name: str, text: str | bytes, words: str):
    assert words in said(tmp_path, name, text)


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(InputError, match=r"a\.jsonl: there is no such file"):
        load_rows("a.jsonl", tmp_path)


def test_rows_from_python():
    (row,) = load_rows([{"a": ("x", 1), "when": date(2024, 1, 2)}], Path())
    assert row.values == {"a": ["x", 1], "when": "2024-01-02"}
    with pytest.raises(InputError, match=r"dataset\[0\]: the field 'a' holds a bytes"):
        load_rows([{"a": b"x"}], Path())
    with pytest.raises(InputError, match="dataset: the dataset is empty"):
        objective([]).check()


def test_ids_come_from_content_alone():
    first = identify([Row({"a": 1, "b": 2}, ""), Row({"a": 2}, ""), Row({"b": 2, "a": 1}, "")])
    assert identify([Row({"a": 2}, "elsewhere")]) == [first[1]]
    assert first[2] == f"{first[0]}-2"


def test_a_field_that_no_row_has_is_named_with_the_nearest():
    with pytest.raises(InputError) as caught:
        objective(rows(), scorer=exact_match("lable")).check()
    assert "no row has the field 'lable'; did you mean 'label'?" in str(caught.value)
    with pytest.raises(InputError, match="no row has the field 'topic'"):
        objective(rows(), splits={"stratify": "topic"}).check()


@pytest.mark.parametrize("absent", [None, "", "  ", [], float("nan")])
def test_a_row_without_its_target(absent: Any):
    data = rows()
    data[3]["label"] = absent
    with pytest.raises(InputError, match=r"dataset\[3\]: the row has no 'label'"):
        objective(data).check()
    del data[3]["label"], data[5]["label"]
    with pytest.raises(InputError, match=r"no 'label' \(2 rows lack it\)"):
        objective(data).check()


def test_targets_of_two_kinds():
    data = rows()
    data[4]["label"] = 3
    with pytest.raises(InputError) as caught:
        objective(data).check()
    assert "dataset[4]: 'label' is a number here, but a text at dataset[0]" in str(caught.value)


@pytest.mark.parametrize(
    ("scorer", "words"),
    [
        (numeric("label"), "'label' is not a number: 'a'"),
        (json_match("label"), "'label' is not a JSON object: 'a'"),
    ],
)
def test_targets_that_a_scorer_cannot_use(scorer: Any, words: str):
    with pytest.raises(InputError) as caught:
        objective(rows(), scorer=scorer).check()
    assert words in str(caught.value)


def test_hugging_face_without_the_package():
    try:
        import datasets  # noqa: F401
    except ImportError:
        with pytest.raises(MissingExtra, match=r"promptlathe\[hf\]"):
            load_rows("hf:imdb", Path())


def test_hugging_face_from_a_local_folder(tmp_path: Path):
    pytest.importorskip("datasets")
    folder = tmp_path / "tickets"
    folder.mkdir()
    lines = [json.dumps(row) for row in rows()]
    (folder / "train.jsonl").write_text("\n".join(lines))
    (folder / "test.jsonl").write_text("\n".join(lines[:2]))
    found = load_rows(HuggingFace(hf="tickets", split="test"), tmp_path)
    assert [row.values for row in found] == rows()[:2]
    assert found[1].where == "hf:tickets test: row 2"
    assert len(load_rows("hf:tickets", tmp_path)) == 12
    with pytest.raises(InputError, match="hf:tickets: does not load"):
        load_rows(HuggingFace(hf="tickets", split="none"), tmp_path)


def test_a_hub_dataset_is_closed():
    with pytest.raises(InputError, match="unknown key 'splt'; did you mean 'split'"):
        parse(HuggingFace, Document({"hf": "imdb", "splt": "test"}))

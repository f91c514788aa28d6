"""Documents: what is read, where it stands, and what a mistake in it says."""

from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, field_validator

from promptlathe.documents import (
    Document,
    Model,
    json_schema,
    load,
    nearest,
    parse,
    read_text,
    set_value,
    to_yaml,
)
from promptlathe.errors import InputError


class Paint(Model):
    color: str
    coats: int = Field(1, gt=0)


class Plan(Model):
    file: str
    scale: float = 1


class House(Model):
    paint: Paint
    plan: Plan | Paint | str | None = None
    rooms: dict[str, Paint] = Field(default_factory=dict)
    walls: tuple[Paint, ...] = ()
    style: Literal["plain", "gothic"] = "plain"
    lit: bool = False

    @field_validator("rooms")
    @classmethod
    def _few(cls, rooms: dict[str, Paint]) -> dict[str, Paint]:
        if len(rooms) > 2:
            raise ValueError("at most two rooms")
        return rooms


@pytest.fixture
def read(tmp_path: Path):
    def write_and_load(text: str | bytes) -> Document:
        path = tmp_path / "house.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load(path)

    return write_and_load


def message(document: Document, model: type[Model] = House) -> str:
    with pytest.raises(InputError) as caught:
        parse(model, document)
    return str(caught.value).replace(f"{document.path}", "house.yaml")


def syntax_error(read: Any, text: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        read(text)
    return str(caught.value)


def test_scalars_are_those_of_yaml_1_2(read: Any):
    text = "[no, on, 0o17, 0x1F, 012, 1_000, 1e3, -.inf, ~, true, 2024-01-01, 1:30, '5']"
    data = read(text).data
    assert data[:-4] == ["no", "on", 15, 31, 12, "1_000", 1000.0, float("-inf"), None]
    assert data[-4:] == [True, "2024-01-01", "1:30", "5"]


def test_keys_are_text_and_aliases_repeat(read: Any):
    document = read("a: &x {1: one, true: yes}\nb: *x\n")
    assert document.data == {"a": {"1": "one", "true": "yes"}, "b": {"1": "one", "true": "yes"}}


def test_a_byte_order_mark_is_dropped(read: Any):
    assert read(b"\xef\xbb\xbfa: 1").data == {"a": 1}


def test_lines_of_keys_items_and_what_is_missing(read: Any):
    document = read("paint:\n  color: red\nwalls:\n  - color: a\n  -\n    color: b\n")
    assert document.line_of(("paint",)) == 1
    assert document.line_of(("paint", "color")) == 2
    assert document.line_of(("walls", 0)) == 4
    assert document.line_of(("walls", 1, "color")) == 6
    assert document.line_of(("paint", "Paint", "coats")) == 1
    assert document.at("walls").line_of((1, "color")) == 6


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' stands twice (first in line 1)"),
        ("a:\n  b: c: d", 2, "a second ': ' in one line"),
        ("a: 1\n\tb: 2", 2, "a tab"),
        ("a: {{ name }}", 1, "needs quotes"),
        ("a: [1,\nb: 2", 2, "not YAML: expected"),
        ("a: @b", 1, "put quotes around the text"),
        ("a: 1\n---\nb: 2", 2, "a second document"),
        ("a: !python/name:os.system x", 1, "the tag"),
        ("a: &x [*x]", 1, "an alias stands inside what it repeats"),
        ("a: *b", 1, "undefined alias"),
        ("a: {b: 1}\nc:\n  <<: 2", 3, "merge keys"),
        (b"a: 1\nb: caf\xe9", 2, "not UTF-8: byte 0xe9"),
    ],
)
def test_what_is_not_yaml(read: Any, text: str | bytes, line: int, words: str):
    said = syntax_error(read, text)
    assert f"house.yaml:{line}: " in said
    assert words in said


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="no such file") as caught:
        load(tmp_path / "nowhere" / "x.yaml")
    assert "there is no folder" in str(caught.value)
    with pytest.raises(InputError, match="cannot be read"):
        read_text(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("paint:\n  colour: red", "house.yaml:2: unknown key 'colour' in paint; did you mean"),
        ("paint: {color: 5}", "house.yaml:1: paint.color: expected a text, found the number 5"),
        ("paint: {color: a, coats: 0}", "paint.coats: must be more than 0, found the number 0"),
        ("paint: {color: a, coats: 1.5}", "expected a whole number, found the number 1.5"),
        ("paint: {color: a}\nlit: 3", "house.yaml:2: lit: expected true or false"),
        ("paint: {color: a}\nstyle: gotic", "style: expected 'plain' or 'gothic', found the text"),
        (
            "paint: {color: a}\nwalls:\n  - color: b\n  - {}",
            "house.yaml:4: the key 'color' is miss",
        ),
        ("paint: {color: a}\nwalls: x", "walls: expected a list, found the text 'x'"),
        ("paint: {color: a}\nrooms: {a: []}", "rooms.a: expected keys with values, found an empty"),
        (
            "paint: {color: a}\nrooms: {a: {color: a}, b: {color: b}, c: {color: c}}",
            "house.yaml:2: rooms: at most two rooms",
        ),
        ("[]", "house.yaml:1: expected keys with values, found an empty list"),
        ("# nothing", "house.yaml:1: is empty\n  → write at least: paint: …"),
    ],
)
def test_mistakes_in_plain_words(read: Any, text: str, words: str):
    assert words in message(read(text))


def test_a_union_tells_of_the_shape_that_was_meant(read: Any):
    head = "paint: {color: a}\nplan: "
    assert "unknown key 'fille' in plan; did you mean 'file'?" in message(read(head + "{fille: x}"))
    said = message(read(head + "{file: x, scale: big}"))
    assert said == (
        "house.yaml:2: plan.scale: expected a number, found the text 'big'\n  → write a number"
    )
    assert "expected keys with values or a text, found the number 5" in message(read(head + "5"))


def test_several_mistakes_come_in_one_message(read: Any):
    said = message(read("paint: {color: 1}\nlit: x\nwals: []\nstyle: y\nrooms: z\n"))
    assert said.startswith("house.yaml:1: paint.color:")
    assert "\n  house.yaml:2: lit:" in said
    assert "\n  and 2 more" in said


def test_python_data_is_named_by_its_field():
    said = message(Document({"paint": {"color": "a", "coats": "many"}}))
    assert said == (
        "paint.coats: expected a whole number, found the text 'many'\n  → write a whole number"
    )


def test_models_are_frozen_and_numbers_finite():
    with pytest.raises(InputError, match="finite"):
        parse(Plan, Document({"file": "x", "scale": float("nan")}))
    with pytest.raises(ValueError, match="frozen"):
        parse(Plan, Document({"file": "x"})).file = "y"  # pyright: ignore


def test_a_set_value_replaces_adds_and_leaves_the_first_document_alone(read: Any):
    document = read("paint: {color: red}\nwalls:\n  - color: a\n")
    changed = document
    settings = ["paint.color=blue", "walls.0.coats=2", "rooms.den={color: x}", "style=gothic"]
    for setting in settings:
        changed = set_value(changed, *setting.split("=", 1))
    house = parse(House, changed)
    assert (house.paint.color, house.walls[0].coats, house.style) == ("blue", 2, "gothic")
    assert house.rooms["den"].color == "x"
    assert document.data == {"paint": {"color": "red"}, "walls": [{"color": "a"}]}


@pytest.mark.parametrize(
    ("key", "raw", "words"),
    [
        ("paint.coats", "-1", "--set paint.coats: must be more than 0"),
        ("paint.colour", "red", "--set paint.colour: unknown key 'colour' in paint; did you mean"),
        ("paint.color.deep", "1", "paint.color is the text 'red', which holds no key 'deep'"),
        ("walls.1.color", "a", "walls is a list of 1: '1' is not in it"),
        ("walls", "[{color: 3}]", "--set walls: walls.0.color: expected a text"),
        ("paint.color", "[", "--set paint.color: the value '[' is not YAML"),
        ("paint..color", "a", "the key has an empty part"),
    ],
)
def test_errors_of_a_set_value_name_the_option(read: Any, key: str, raw: str, words: str):
    document = read("paint: {color: red}\nwalls:\n  - color: a\n")
    with pytest.raises(InputError) as caught:
        parse(House, set_value(document, key, raw))
    assert words in str(caught.value)


def test_a_part_of_a_document_keeps_its_place(read: Any):
    document = read("home:\n  paint:\n    colr: red\n")
    assert message(document.at("home")).startswith("house.yaml:3: unknown key 'colr' in paint;")
    changed = set_value(document, "home.paint", "{}").at("home")
    assert message(changed).startswith("--set home.paint: the key 'color' is missing in paint")


def test_nearest():
    assert nearest("Temprature", ["temperature", "model"]) == "temperature"
    assert nearest("zzz", ["temperature", "model"]) is None


def test_the_schema_is_closed_and_titled():
    schema = json_schema(House, "A house")
    assert schema["title"] == "A house"
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["paint"]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60)
@given(data=st.dictionaries(texts, trees, min_size=1, max_size=4))
def test_what_is_written_is_read_back(data: dict[str, Any], tmp_path_factory: Any):
    path = tmp_path_factory.getbasetemp() / "round.yaml"
    path.write_bytes(to_yaml(data, schema="s.json").encode())
    assert load(path).data == data


def test_written_yaml_is_fit_to_be_read():
    text = to_yaml({"a": "one\ntwo\n", "b": [1, 2], "c": {"d": {"e": "no"}}})
    assert text == "a: |\n  one\n  two\nb: [1, 2]\nc:\n  d: {e: no}\n"

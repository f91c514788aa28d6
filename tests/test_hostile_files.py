"""Files that are none, or that would take a computer's memory: one message, exit code 2."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.test_bad_input import ROWS, complaint, folder, lines

import promptlathe as pl
from promptlathe.cli import main
from promptlathe.documents import describe, hiding
from promptlathe.documents.reading import read_yaml
from promptlathe.errors import InputError

__all__ = ["folder"]  # a fixture
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
DEEP = {"list": "[" * 3000, "map": "{a: " * 3000, "json": '{"a":' * 5000, "mixed": "[{a: " * 2000}


def yaml_message(text: str) -> str:
    with pytest.raises(InputError) as caught:
        read_yaml(text, "f.yaml")
    assert caught.value.fix
    assert (caught.value.where or "").startswith("f.yaml")
    return caught.value.what


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "what aliases repeat makes the file longer than"),
        *((f"x: {text}", "is nested deeper than 100 levels") for text in DEEP.values()),
        ("a: &a [*a]", "an alias stands inside what it repeats"),
        (f"a: {'9' * 5000}", "a number of more than 300 digits"),
        (f"a: 0x{'f' * 5000}", "a number of more than 300 digits"),
        (r'a: "\ud800"', "half a character"),
        (r'"\udfff": 1', "half a character"),
        ("a: !!python/object:os.system x", "the tag"),
        ("a: !!python/object/apply:os.system [x]", "the tag"),
        ("a: !!binary aGk=", "the tag"),
        ("a: !!int x", "'x' is no number"),
        ("a: !!float x", "'x' is no number"),
        ("a: 1\na: 2", "the key 'a' stands twice"),
        ("? [a]\n: b", "a key must be a text"),
        ("a: \0", "is not YAML"),
        ("a: {{ text }}", "a text that begins with {{ needs quotes"),
    ],
    ids=lambda text: text[:24],
)
def test_yaml(text: str, words: str) -> None:
    assert words in yaml_message(text)


def test_aliases_that_repeat_little_are_read() -> None:
    assert read_yaml("a: &a [x, y]\nb: [*a, *a]", "f")[0]["b"] == [["x", "y"], ["x", "y"]]
    assert len(read_yaml("[" * 99 + "]" * 99, "f")[0]) == 1


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("model={name: m, base_url: 'http://[::1'}", "is not a web address"),
        ("model={name: m, base_url: 'http://h:99999999/v1'}", "is not a web address"),
        ("model={name: m, base_url: 'http://a b/v1'}", "is not a web address"),
        ("model={name: m, base_url: 'http://h/v1', extra_body: {a: .nan}}", "a finite number"),
        ("track.uri=http://[::1", "the address cannot be read"),
        ("track.uri=http://h:99999999", "the address cannot be read"),
        ("budget.usd=.inf", "a finite number"),
        ("budget.calls=1e999", "budget.calls: expected a"),
        ("search.seed=2024-01-01", "expected a whole number, found the text '2024-01-01'"),
        ("ledger=postgresql://h:x/y", "the ledger cannot be used"),
        (f"budget.calls={'9' * 5000}", "more than 300 digits"),
        ('space="a\\0b"', "cannot be a path"),
        (f"space={'x' * 300}", "a name of more than 255 bytes"),
        (f"space={'é' * 200}", "a name of more than 255 bytes"),
        ("space=.", "there is no such file"),
        ("objective=rows.jsonl", "rows.jsonl:"),
    ],
    ids=lambda text: text[:40].replace("\0", "NUL"),
)
def test_values(folder: Path, command: str, key: str, words: str) -> None:
    assert words in complaint(command, "run.yaml", "--set", key)
    assert not (folder / ".promptlathe").exists()


@pytest.fixture(params=["check", "run"])
def command(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("name", ["x" * 300, "é" * 200, "runs/" + "y" * 256 + ".yaml"])
def test_names_of_run_files(folder: Path, command: str, name: str) -> None:
    (folder / "runs").mkdir()
    assert "cannot be read" in complaint(command, name)


def test_a_path_with_nul_in_it(folder: Path, command: str) -> None:
    result = CliRunner().invoke(main, [command, "a\0b", "--workspace", "c\0d"])
    assert result.exit_code == 2
    assert "cannot be a path" in result.stderr


PARQUET = b"PAR1" + b"\0" * 40 + b"PAR1"
DATA: dict[str, tuple[str, bytes, str]] = {
    "nothing": ("a.jsonl", b"", "the dataset is empty"),
    "spaces": ("a.jsonl", b"\n \n", "the dataset is empty"),
    "a scalar line": ("a.jsonl", b'{"text": "a"}\n5\n', "a.jsonl:2: a row must be an object"),
    "deep JSON": ("a.jsonl", b'{"a":' * 5000, "a.jsonl:1: is not JSON"),
    "deep data": ("a.jsonl", b'{"a":' * 150 + b"1" + b"}" * 150, "deeper than 100 levels"),
    "5,000 digits": ("a.jsonl", b'{"text": ' + b"9" * 5000 + b"}", "a.jsonl:1: is not JSON"),
    "4,000 digits": ("a.jsonl", b'{"text": ' + b"9" * 4000 + b"}", "a number that is too large"),
    "1e999": ("a.jsonl", b'{"text": 1e999}', "a number that is too large"),
    "NaN": ("a.jsonl", b'{"text": NaN}', "NaN is no JSON number"),
    "half a character": ("a.jsonl", rb'{"text": "\ud800"}', "lone half of a character"),
    "half a key": ("a.jsonl", rb'{"\ud800": 1}', "lone half of a character"),
    "UTF-16": ("a.jsonl", '{"a": 1}'.encode("utf-16"), "is not UTF-8"),
    "UTF-16 without its mark": ("a.csv", "text,label\n".encode("utf-16-le"), "is not UTF-8"),
    "binary": ("a.csv", bytes(range(256)), "is not UTF-8"),
    "a ragged row": ("a.csv", b"text,label\na,b,c\n", "a.csv:2: has 3 values, but the header has"),
    "an open quote": ("a.csv", b'text,label\n"a,b\n' + b"c,d\n" * 9, "a.csv:2: is not CSV"),
    "a header twice": ("a.csv", b"text,text\na,b\n", "a.csv:1: the header"),
    "no Parquet": ("a.parquet", PARQUET, "is not Parquet"),
    "half a Parquet": ("a.parquet", b"PAR1", "is not Parquet"),
    "no ending": ("a", b"x", "a dataset cannot be a"),
}


@pytest.mark.parametrize("kind", DATA)
def test_data(folder: Path, kind: str) -> None:
    name, content, words = DATA[kind]
    (folder / name).write_bytes(content)
    text = (folder / "objective.yaml").read_text().replace("rows.jsonl", name)
    (folder / "objective.yaml").write_text(text)
    said = complaint("check", "run.yaml")
    assert words in said
    assert len(said) < 2000


def test_a_folder_that_is_named_like_data(folder: Path) -> None:
    for name in ("a.jsonl", "a.csv", "a.parquet"):
        (folder / name).mkdir()
        objective = f"{{dataset: {name}, scorers: [exact_match: label]}}"
        said = complaint("check", "run.yaml", "--set", f"objective={objective}")
        assert "it is a folder" in said


def test_a_long_cell_is_read_and_a_mark_at_the_start_is_none(folder: Path) -> None:
    cell = "x" * 10_000_000
    data = "\ufefftext,label\n" + "".join(f"{'y' * i},b\n" for i in range(1, 60)) + f"{cell},b\n"
    (folder / "a.csv").write_text(data)
    rows = pl.Objective(str(folder / "a.csv"), scorer=pl.exact_match("label"))
    found = [e.row for s in ("train", "select", "test") for e in rows.examples(s)]  # type: ignore[arg-type]
    assert max(len(row["text"]) for row in found) == len(cell)
    assert {"text", "label"} == set(found[0])


@pytest.mark.parametrize(
    "component",
    [
        "{demos: {count: [0, 1000000000], template: '{{ text }}'}}",
        "{demos: {count: 1000000000, template: '{{ text }}'}}",
        "{demos: {count: [0, 1000000000], template: '{{ text }}'}, when: {style: bare}}",
    ],
)
def test_a_thousand_million_demos_take_no_memory(folder: Path, component: str) -> None:
    space = (folder / "space.yaml").read_text().replace("{{ style }}", "{{ style }} {{ n }}")
    (folder / "space.yaml").write_text(f"{space}  n: {component}\n")
    limited(lambda: complaint("check", "run.yaml"))


def test_a_thousand_million_numbers_take_no_memory(folder: Path) -> None:
    space = (folder / "space.yaml").read_text().replace("{{ style }}", "{{ style }} {{ n }}")
    (folder / "space.yaml").write_text(
        f"{space}  n: {{int: [0, 1000000000]}}\n"
        "constraints:\n  - forbid: {n: '> 5', style: long}\n"
    )
    limited(lambda: CliRunner().invoke(main, ["check", "run.yaml"], catch_exceptions=False))


def limited(act: Callable[[], Any]) -> None:
    """Within 300 MB more than the process has."""
    if sys.platform != "linux":
        act()
        return
    import resource

    with open("/proc/self/statm") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + 300_000_000, before[1]))
    try:
        act()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_python_data_that_is_none() -> None:
    for value in (float("inf"), 10**400, "\ud800", [[]] * 2, b"x"):
        rows = [*ROWS[:30], {"text": value, "label": "animal"}]
        made = pl.Objective(rows, scorer=pl.exact_match("label"))
        if value == [[], []]:
            made.check()
            continue
        with pytest.raises(InputError, match=r"dataset\[30\]"):
            made.check()


def test_a_small_file_takes_little_memory(folder: Path) -> None:
    """However large it may be: 1 GB is not set aside for it."""
    limited(lambda: CliRunner().invoke(main, ["check", "run.yaml"], catch_exceptions=False))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("  n: {a: 1}\n", "a component needs exactly one of: choice, text"),
        ("  n: 5\n", "a component needs exactly one of: choice, text"),
        ("  n: {int: [0, 1e308]}\n", "components.n.int.1: the number 1e+308 is too large"),
        ("  n: {float: [0, .inf]}\n", "expected a finite number, found the number inf"),
    ],
)
def test_each_message_says_what_to_do(folder: Path, more: str, words: str) -> None:
    (folder / "space.yaml").write_text((folder / "space.yaml").read_text() + more)
    assert words in complaint("check", "run.yaml")


@pytest.mark.parametrize("text", ["b" * 100_000, "?" * 100_000, "a.b-" * 25_000, "&" * 100_000])
def test_long_texts_are_looked_through_in_no_time(text: str) -> None:
    """A minute for each, when every start looks as far as the end."""
    assert len(describe(text)) < 100
    assert hiding("secret")(text) == text


def test_long_values_are_shown_short(folder: Path) -> None:
    (folder / "rows.jsonl").write_text(
        lines([*ROWS, {"id": "x", "text": "y" * 50_000, "label": 5}])
    )
    assert len(complaint("check", "run.yaml")) < 2000
    for key in (f"budget.{'k' * 50_000}=1", f"search.policy={'p' * 50_000}", "model=" + "/" * 9999):
        assert len(complaint("check", "run.yaml", "--set", key)) < 5000


def test_json_is_yaml(folder: Path) -> None:
    run = {"space": "space.yaml", "objective": "objective.yaml", "model": "nothing known"}
    (folder / "run.yaml").write_text(json.dumps(run))
    assert "needs an API key" in complaint("check", "run.yaml")


LONG = "x" * 300
COMMANDS: dict[str, list[str]] = {
    "a workspace": ["check", "run.yaml", "--workspace", LONG],
    "a workspace of `ui`": ["ui", "--workspace", LONG],
    "a workspace that leads to itself": ["check", "run.yaml", "--workspace", "circle"],
    "a result": ["run", "run.yaml", "--json", LONG],
    "a folder": ["init", LONG],
    "a store": ["check", "run.yaml", "--set", f"track.uri=sqlite:///{LONG}"],
    "a ledger": ["check", "run.yaml", "--set", f"ledger=sqlite:///{LONG}/{LONG}"],
    "an experiment": ["check", "run.yaml", "--set", f"track.experiment={LONG}"],
    "a host": ["pocket", "--port", "0", "--host", LONG],
    "a host of nothing": ["pocket", "--port", "0", "--host", "\0"],
    "a key": ["check", "run.yaml", "--set", ".".join("a" * 3000) + "=1"],
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_options(folder: Path, kind: str) -> None:
    (folder / "circle").symlink_to("circle")
    complaint(*COMMANDS[kind])


def test_a_run_to_replay_that_is_no_text(folder: Path) -> None:
    result = CliRunner().invoke(main, ["run", "run.yaml", "--replay", "\udcff"])
    assert result.exit_code == 2
    assert "error: --replay: no run '\\udcff' is in the ledger" in result.stderr

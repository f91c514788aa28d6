"""What others wrote is shown in the terminal, and does nothing there."""

import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from promptlathe.cli import main
from promptlathe.cli.display import Drawing
from promptlathe.cli.printing import effect_lines
from promptlathe.cli.terminal import UNSEEN, say, visible, visible_json
from promptlathe.errors import InputError
from promptlathe.search.lathe.effects import Effect

NASTY = (
    "\x1b[31mred\x1b]0;title\x07", "over\rwritten", "\u202eltr", "no\u200bwidth", "\x9b2J", "\x00",
    "\u2066iso\u2069", "\ufeff", "\U000e0041", "\ud800", "\x7f", "line\u2028end",
)  # fmt: skip
RIGHT = ("é 日本 😀 👩\u200d🔬 نم\u200cی", "a\tb\nc", "[bold]text[/bold]", "")


@pytest.mark.parametrize("text", NASTY)
def test_what_a_terminal_would_obey_is_shown_as_its_code(text: str) -> None:
    shown = visible(text)
    assert not UNSEEN.search(shown)
    assert shown.encode().decode() == shown
    told = visible_json(json.dumps({"a": text}, ensure_ascii=False))
    assert not UNSEEN.search(told)
    assert json.loads(told) == {"a": text}


@pytest.mark.parametrize("text", RIGHT)
def test_what_is_text_stays(text: str) -> None:
    assert visible(text) == text


def test_the_codes() -> None:
    assert visible("\x1b[1m \u202e \x9b\r\n") == "\\x1b[1m \\u202e \\x9b\n"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_of_few_characters(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", out)
    say("é 😀 \x1b[1m")
    out.flush()
    assert b"\x1b" not in out.buffer.getvalue()  # type: ignore[attr-defined]


def unsafe(text: str) -> list[str]:
    return UNSEEN.findall(text)


def workspace(folder: Path, label: str, level: str) -> Path:
    rows = [{"text": f"text {i}", "label": [label, "b"][i % 2]} for i in range(60)]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    space = {
        "messages": {"system": "{{ role }}", "user": "{{ text }}"},
        "components": {"role": {"choice": {level: f"Say it. {level}", "plain": "Label it."}}},
    }
    objective = {"dataset": "rows.jsonl", "scorers": [{"exact_match": "label"}]}
    run = {
        "space": space, "objective": objective, "model": "pocket", "budget": {"calls": 100},
        "search": {"policy": "random"}, "track": False,
    }  # fmt: skip
    path = folder / "run.yaml"
    path.write_text(json.dumps(run))
    return path


def test_labels_levels_and_prompts_are_printed_as_they_are(tmp_path: Path) -> None:
    path = workspace(tmp_path, "\x1b[31mlabel", "[bold]lev\x1b[2Jel[/bold]\u202e")
    for arguments in (["check", str(path)], ["run", str(path)], ["run", str(path), "--json", "-"]):
        result = CliRunner().invoke(main, arguments, color=True)
        assert result.exit_code == 0, result.output
        bare = re.sub(r"\x1b\[[01]m", "", result.output)  # our own bold
        assert not unsafe(bare)
        assert arguments[0] == "run" or "role=[bold]lev\\x1b[2Jel[/bold]\\u202e" in bare
    assert json.loads(result.stdout)["seed"]["levels"]["role"].endswith("[/bold]\u202e")


@pytest.mark.parametrize("name", ["a\x1b[31m.yaml", "a\rb.yaml", "\u202e.yaml", "a\nerror: b.yaml"])
def test_names_of_files_in_messages(tmp_path: Path, name: str) -> None:
    for path in (name, str(tmp_path / name)):
        result = CliRunner().invoke(main, ["check", path])
        assert result.exit_code == 2
        assert not unsafe(result.output)
        assert len(result.output.splitlines()) == 2


def test_click_s_own_messages(tmp_path: Path) -> None:
    file = tmp_path / "a\x1b[31mb"
    file.touch()
    for arguments in (
        ["\x1b[31mcommand"],
        ["--\x1b[31m"],
        ["init", str(file)],
        ["check", "x", "--workspace", str(file)],
        ["ui", "--port", "\x1b[31m"],
        ["check", "x", "--\u202e"],
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2
        assert not unsafe(result.output), arguments


def test_a_service_s_error_is_only_shown() -> None:
    error = InputError("the service said: \x1b[2J\u202ehello", "model\nx", "\x07try again")
    assert visible(str(error)) == (
        "model\\nx: the service said: \\x1b[2J\\u202ehello\n  → \\x07try again"
    )


def test_rich_reads_no_markup_in_values() -> None:
    drawing = Drawing([("search", ""), ("waits", "[bold]said[/bold] \x1b[31m")], 0.5)
    out = io.StringIO()
    Console(file=out, width=120).print(drawing)
    assert "[bold]said[/bold] \\x1b[31m" in out.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("columns", [40, 80])
def test_the_live_view_is_cut_at_word_ends(encoding: str, columns: int) -> None:
    words = "the service said: → please wait ≈ 20 s before you ask it again, or ask for more "
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    shown = [("search", ""), ("waiting", words * 3), ("seed", "≈ 0.153 (estimate)")]
    Console(file=out, width=columns).print(Drawing(shown, 0.5))
    out.flush()
    text = out.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]
    lines = text.splitlines()
    assert all(len(line) < columns for line in lines)
    assert len(lines) == 5  # the stage, the bar, two lines of three, one
    ours = ["waiting", "search", "seed", "0.153", "(estimate)", "…", "~", "->", "..."]
    known = {*words.split(), *ours}
    assert {word for line in (lines[0], *lines[2:]) for word in line.split()} <= known


def test_effects_are_lines_of_text() -> None:
    effect = Effect("role", "[bold]x[/bold]", 3.0, 1.0, 5.0, 10)
    assert "[bold]x[/bold]" in effect_lines([effect])[1]

"""`init --prompt --data` and `optimize`: from two files to a verdict."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from promptlathe.cli.main import main
from promptlathe.testing.scripted import ScriptedServer

PROMPT = "Name the colour.\n\nThing: {{ text }}\nColour:\n"
THINGS = {"red": "rose cherry ruby", "green": "leaf grass moss", "blue": "sky sea sapphire"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("colours.txt").write_text(PROMPT)
    with open("things.csv", "w", newline="") as file:
        rows = csv.writer(file, delimiter=";")
        rows.writerow(["text", "label"])
        for n in range(20):
            for label, words in THINGS.items():
                rows.writerow([f"a {words.split()[n % 3]} of day {n}", label])
    return tmp_path


def test_init_writes_a_task_checks_it_and_says_what_is_next(folder: Path) -> None:
    words = ["init", "mine", "--prompt", "colours.txt", "--data", "things.csv", "--model", "pocket"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "label: 3 labels" in done.output
    assert "separated by ';'" in done.output
    assert "12 train, 24 select, 24 test rows" in done.output
    assert done.output.rstrip().endswith("run mine/runs/colours.yaml")
    names = {str(path.relative_to("mine")) for path in Path("mine").rglob("*.yaml")}
    assert names == {
        "search_spaces/colours.yaml",
        "objectives/colours/objective.yaml",
        "runs/colours.yaml",
    }
    assert len(list(Path("mine").rglob("schema.json"))) == 3
    again = CliRunner().invoke(main, [*words, "--name", "colours", "--budget", "calls=77"])
    assert again.exit_code == 2
    assert "--force" in again.output
    forced = CliRunner().invoke(main, [*words, "--budget", "calls=300,minutes=2", "--force"])
    assert forced.exit_code == 0, forced.output
    assert "budget       300 calls, 2" in forced.output


def test_optimize_ends_with_a_verdict_and_goes_on_with_its_files(folder: Path) -> None:
    words = ["optimize", "colours.txt", "things.csv", "--model", "pocket", "--budget", "calls=300"]
    words += ["--set", "track=false", "--json", "result.json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    result = json.loads(Path("result.json").read_text())
    assert result["test"]["examples"] == 24
    assert Path("colours/runs/colours.yaml").is_file()
    assert Path("colours/.promptlathe/ledger.db").is_file()
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 0, again.output


def test_optimize_asks_a_service(folder: Path) -> None:
    Path("sums.txt").write_text("What is the sum?\n\n{{ question }}\n")
    rows = [{"question": f"{n} + {n}", "sum": 2 * n} for n in range(40)]
    Path("sums.json").write_text(json.dumps(rows))
    with ScriptedServer([("on the last line", "So it is\n4"), ("", "many")]) as server:
        done = CliRunner().invoke(
            main,
            [
                "optimize",
                "sums.txt",
                "sums.json",
                "--model",
                "m",
                "--base-url",
                server.base_url,
                "--budget",
                "calls=150",
                "--dir",
                "out",
                "--set",
                "track=false",
                "--set",
                "search.operators=[]",
                "--json",
                "-",
            ],
        )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["test"]["examples"] == 16
    asked = {arrived.body["messages"][-1]["content"] for arrived in server.arrived}
    assert any(text.startswith("What is the sum?\n\n") and "+" in text for text in asked)


def test_stdin_is_a_prompt(folder: Path) -> None:
    words = ["init", "mine", "--prompt", "-", "--data", "things.csv", "--model", "pocket"]
    done = CliRunner().invoke(main, words, input=PROMPT)
    assert done.exit_code == 0, done.output
    assert Path("mine/runs/prompt.yaml").is_file()


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["init", "mine", "--prompt", "colours.txt"], "needs a prompt and rows"),
        (["init", "mine", "--target", "label"], "needs a prompt and rows"),
        (["init", "--list", "--prompt", "colours.txt", "--data", "x"], "exclude each other"),
        (["optimize", "colours.txt", "things.csv"], "which model"),
        (["optimize", "colours.txt", "none.csv", "--model", "pocket"], "no such file"),
        (["optimize", "none.txt", "things.csv", "--model", "pocket"], "no such file"),
        (["optimize", "things.csv", "colours.txt", "--model", "pocket"], ""),
        (
            ["optimize", "colours.txt", "things.csv", "--model", "pocket", "--budget", "x"],
            "no limit",
        ),
        (
            ["optimize", "colours.txt", "things.csv", "--model", "pocket", "--budget", "calls=1.5"],
            "no limit",
        ),
        (["optimize", "prompts:/none@champion", "things.csv", "--model", "pocket"], "no run"),
    ],
)
def test_what_is_wrong_ends_with_2(folder: Path, words: list[str], match: str) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2, done.output
    assert match in done.output
    assert "Traceback" not in done.output
    assert not list(folder.glob("*/runs"))

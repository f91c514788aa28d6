"""Every hint is a command that works as it is typed, from the folder that one is in."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from promptlathe import command_line
from promptlathe.cli import hints, main

SHOW = "from promptlathe.command_line import command; print(command('--version'))"
SOURCES = str(Path(command_line.__file__).parents[1])


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with no program of ours on the PATH."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.delenv("PROMPTLATHE_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def script(folder: Path) -> Path:
    """As pip makes it, but for that it only says how it would be called."""
    folder.mkdir(parents=True)
    path = folder / "promptlathe"
    path.write_text(f"#!{sys.executable}\nimport sys; sys.path.insert(0, {SOURCES!r})\n{SHOW}\n")
    path.chmod(0o755)
    return path


def shell(line: str, folder: Path, **more: str) -> str:
    """What a shell there prints."""
    env = {**os.environ, **more}
    done = subprocess.run(["sh", "-c", line], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_script_is_named_as_it_was_typed(elsewhere: Path) -> None:
    script(elsewhere / ".venv" / "bin")
    other = elsewhere / "a folder"
    other.mkdir()
    for folder, typed, said in (
        (elsewhere, ".venv/bin/promptlathe", ".venv/bin/promptlathe --version"),
        (elsewhere, f"{elsewhere}/.venv/bin/promptlathe", ".venv/bin/promptlathe --version"),
        (elsewhere / ".venv" / "bin", "./promptlathe", "./promptlathe --version"),
        (other, "../.venv/bin/promptlathe", "../.venv/bin/promptlathe --version"),
    ):
        assert shell(shlex.quote(typed), folder) == said
        assert shell(said, folder) == said  # it works


def test_a_script_on_the_path_is_named_by_its_name(elsewhere: Path) -> None:
    path = f"{script(elsewhere / 'bin').parent}:{os.environ['PATH']}"
    assert shell("promptlathe", elsewhere, PATH=path) == "promptlathe --version"
    script(elsewhere / "other")
    said = shell("other/promptlathe", elsewhere, PATH=path)
    assert said == "other/promptlathe --version"  # the name alone would start another one


def test_a_module_is_named_as_one(elsewhere: Path) -> None:
    package = elsewhere / "promptlathe"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(
        f"import sys; del sys.modules['promptlathe']; sys.path.insert(0, {SOURCES!r})\n{SHOW}\n"
    )
    python = shlex.quote(sys.executable)
    said = shell(f"{python} -m promptlathe", elsewhere)
    assert said == shell(said, elsewhere)
    assert said.endswith("-m promptlathe --version")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    name = Path(sys.executable).name
    assert shell(f"{name} -m promptlathe", elsewhere, PATH=path).split()[0] == name


def test_from_another_program_the_hint_works_too(elsewhere: Path) -> None:
    """A test is such a program."""
    line = command_line.command("--version")
    version = shell(line, elsewhere, PYTHONPATH=SOURCES)
    assert version.startswith("promptlathe ")


def test_words_are_quoted_and_paths_are_short(elsewhere: Path) -> None:
    words = shlex.split(command_line.command("run", elsewhere / "my run.yaml", "--set", "a=b c"))
    assert words[-4:] == ["run", "my run.yaml", "--set", "a=b c"]
    assert command_line.shown_path(Path("/etc/hosts")) == "/etc/hosts"


def test_the_workspace_is_named_where_another_would_be_taken(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(workspace: Path) -> list[str]:
        words = shlex.split(hints.command("ui", workspace=workspace))
        return words[words.index("ui") + 1 :]

    inner = elsewhere / "inner"
    for folder in (elsewhere, inner):
        (folder / ".promptlathe").mkdir(parents=True)
    (inner / "runs").mkdir()
    assert named(elsewhere) == []
    assert named(inner) == ["--workspace", "inner"]
    monkeypatch.chdir(inner / "runs")
    assert named(inner) == []
    assert named(elsewhere) == ["--workspace", "../.."]
    monkeypatch.setenv("PROMPTLATHE_WORKSPACE", str(elsewhere))
    assert named(elsewhere) == []
    assert named(inner) == ["--workspace", ".."]


def test_check_names_the_run_that_it_checked() -> None:
    """With the same options: it is the same job."""
    options = ["--set", "budget.calls=300", "--set", "search.policy=random"]
    checked = CliRunner().invoke(main, ["check", "runs/support_triage.yaml", *options])
    assert checked.exit_code == 0, checked.output
    next_one = checked.stdout.splitlines()[-1].removeprefix("Next:")
    assert shlex.split(next_one)[-6:] == ["run", "runs/support_triage.yaml", *options]

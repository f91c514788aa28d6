"""The guide that the runs of an experiment write: by each run, and by the command."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.jobs import OBJECTIVE

import promptlathe as pl
from promptlathe.cli.main import main
from promptlathe.job.guides import guide_path
from promptlathe.results import Result

SPACE = pl.SearchSpace(
    messages={"system": "{{ task }} {{ form }}", "user": "{{ text }}"},
    components={
        "task": pl.Choice(["Read this.", "Teams: billing, delivery, login."]),
        "form": pl.Choice(["Say which.", "Answer with the label only."]),
    },
)


def run(folder: Path, seed: int = 0, name: str = "teams", **more: object) -> Result:
    return pl.optimize(
        SPACE,
        OBJECTIVE,
        budget=pl.Budget(calls=150),
        seed=seed,
        track=False,
        workspace=folder,
        name=name,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Result]]:
    folder = tmp_path_factory.mktemp("guided")
    return folder, [run(folder, seed) for seed in (0, 1)]


def ask(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(main, ["guide", *words, "--workspace", str(folder)])
    assert done.exit_code == 0, done.output
    return done.output


def test_each_run_writes_the_guide_anew(workspace: tuple[Path, list[Result]]):
    folder, results = workspace
    path = guide_path(folder / ".promptlathe", "teams")
    text, page = path.read_text("utf-8"), path.with_suffix(".html").read_text("utf-8")
    for result in results:
        assert f"[`{result.run}`](../reports/{result.run}.html)" in text
        assert f'href="../reports/{result.run}.html"' in page
        assert (path.parent / f"../reports/{result.run}.html").exists()
    assert "2 finished runs" in text
    assert "<script src" not in page


def test_the_command_writes_the_same(workspace: tuple[Path, list[Result]], tmp_path: Path):
    folder, results = workspace
    path = guide_path(folder / ".promptlathe", "teams")
    before = path.read_text("utf-8")
    path.unlink()
    assert str(path) in ask(folder)
    assert path.read_text("utf-8") == before
    said = ask(folder, "teams", "--out", "-")
    assert said.startswith("# Guide to teams")
    assert results[0].run in said
    assert "../reports" not in said, "it may be read anywhere"
    out = tmp_path / "guide.html"
    ask(folder, "teams", "--out", str(out))
    assert out.read_text("utf-8").startswith("<!doctype html>")


def test_in_french(workspace: tuple[Path, list[Result]]):
    said = ask(workspace[0], "teams", "--language", "fr", "--out", "-")
    assert "## Ce qui" not in said.splitlines()[0]
    assert "# Guide de teams" in said
    assert "0,0" in said, "figures as French writes them"
    assert "held-out" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("other",), "no run of the experiment 'other' has a result"),
        (("teams", "--out", "guide.pdf"), "guide.pdf is neither Markdown nor HTML"),
    ],
)
def test_what_cannot_be_written_is_one_message(
    workspace: tuple[Path, list[Result]], words: tuple[str, ...], said: str
):
    done = CliRunner().invoke(main, ["guide", *words, "--workspace", str(workspace[0])])
    assert done.exit_code == 2
    assert said in done.output
    assert "Traceback" not in done.output


def test_a_guide_that_cannot_be_kept_is_a_note(tmp_path: Path):
    state = tmp_path / ".promptlathe"
    state.mkdir()
    (state / "guides").write_text("in the way")
    result = run(tmp_path)
    assert any(note.startswith("the guide could not be written") for note in result.notes)


def test_names_of_experiments_are_names_of_files(tmp_path: Path):
    named = [guide_path(tmp_path, one) for one in ("a/b", "a b", "a-b", "../x", "é", "x" * 300)]
    assert len(set(named)) == len(named)
    assert {one.parent for one in named} == {tmp_path / "guides"}
    assert all(len(one.name) < 120 for one in named)

"""The tasks that ship: their rows, their run files against a scripted model, and `init --task`."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.gallery import KNOWN, model_of, right, rows
from tests.outcomes import scored

from promptlathe.cli.gallery import find_task, tasks
from promptlathe.cli.main import main
from promptlathe.errors import InputError
from promptlathe.job import Job, check, run
from promptlathe.scoring import Objective
from promptlathe.scoring.judging import Judge
from promptlathe.starter import FOLDERS, starter
from promptlathe.testing.scripted import ScriptedServer

NAMES = [task.name for task in tasks()]
LEAST = {"train": 10, "select": 15, "test": 15}
QUICK = "product_copy"
SOME_SLOW = [pytest.param(t, marks=() if t == QUICK else pytest.mark.slow) for t in KNOWN]


def said(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    return done.output


def objective_of(task: str) -> Objective:
    return Objective.load(starter() / "objectives" / task / "objective.yaml")


def copied(files: Path) -> set[Path]:
    return {path.relative_to(files) for path in files.rglob("*") if path.is_file()}


@pytest.mark.parametrize("task", KNOWN)
def test_the_splits_are_large_enough(task: str) -> None:
    objective = objective_of(task)
    for split, least in LEAST.items():
        assert len(objective.examples(split)) >= least
    assert 40 <= len(rows(task)) <= 120


@pytest.mark.slow
@pytest.mark.parametrize("task", KNOWN)
def test_no_two_rows_are_nearly_the_same(task: str) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [row[KNOWN[task].key] for row in rows(task)]
    vectors = TfidfVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True
    ).fit_transform(texts)
    alike = (vectors @ vectors.T).toarray() - np.eye(len(texts))
    assert alike.max() < 0.6


@pytest.mark.parametrize("task", sorted(KNOWN.keys() - {"french_law"}))
def test_half_of_the_rows_are_french(task: str) -> None:
    french = Counter(row["lang"] for row in rows(task))["fr"]
    assert abs(french / len(rows(task)) - 0.5) < 0.03


@pytest.mark.parametrize("task", SOME_SLOW)
def test_a_reference_keeps_the_rules_of_its_task(
    task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that needs no judge; the scripted model's poor answers score less."""
    monkeypatch.chdir(starter() / "objectives" / task)  # where the metric is
    objective = objective_of(task)
    objective = Objective(
        list(rows(task)),
        scorers=[scorer for scorer in objective.scorers if not isinstance(scorer, Judge)],
    )
    for example in objective.examples("test"):
        reference = right(task, example.row)
        scores = scored(objective, example, reference).scores
        assert set(scores.values()) == {1.0}, (example.row["id"], scores)
        poor = scored(objective, example, KNOWN[task].poor(reference)).scores
        assert sum(poor.values()) < sum(scores.values())
    objective.close()


@pytest.mark.parametrize("task", SOME_SLOW)
def test_a_run_file_finds_what_helps(task: str, tmp_path: Path) -> None:
    """Copied by `init`, checked without a key or a server, and run on a small budget."""
    said("init", str(tmp_path), "--task", task)
    file = tmp_path / find_task(task).runs[0]
    check(Job.load(file))
    with ScriptedServer(model_of(task)) as server:
        settings = {
            "model": f"{{name: scripted, base_url: '{server.base_url}', retries: 0}}",
            "budget.calls": "180",
            "track": "false",
        }
        result = run(Job.load(file, settings=tuple(settings.items())))
    assert result.verdict == "better"
    assert result.spent.calls == len(server.arrived) <= 180
    seed, best = (
        "\n".join(m.text for prompt in one.prompts.values() for m in prompt.messages)
        for one in (result.seed, result.best)
    )
    signs = KNOWN[task].signs
    assert sum(sign in best for sign in signs) > sum(sign in seed for sign in signs)


@pytest.mark.parametrize("task", NAMES)
def test_init_copies_one_task_and_nothing_else(task: str, tmp_path: Path) -> None:
    """What is copied can be checked where it lies, and every file of it is used."""
    output = said("init", str(tmp_path), "--task", task)
    assert f"promptlathe run {tmp_path / 'runs'}" in output
    one = find_task(task)
    assert copied(tmp_path) == set(one.files)
    for file in one.runs:
        check(Job.load(tmp_path / file))
    folders = {path.parts[1] for path in one.files if path.parts[0] == "objectives"}
    assert folders - {"judges"} == {task, "schema.json"}
    for file in one.files:
        if file.suffix == ".yaml":
            named = (tmp_path / file).read_text("utf-8").splitlines()[0].partition("=")[2]
            assert (tmp_path / file).parent.joinpath(named).is_file()


def test_a_task_has_the_name_of_its_family(tmp_path: Path) -> None:
    said("init", str(tmp_path), "--task", "extraction")
    assert (tmp_path / "runs" / "invoice_fields.yaml").is_file()
    assert not (tmp_path / "runs" / "support_triage.yaml").exists()
    assert find_task("chain").runs[0].name == "order_chain.yaml"
    assert find_task("classification").runs[0].name == "support_triage.yaml"


def test_no_two_tasks_have_a_name_in_common() -> None:
    names = [name for task in tasks() for name in {task.name, task.family}]
    assert len(names) == len(set(names))


def test_the_judges_of_a_task_come_with_it(tmp_path: Path) -> None:
    """Their texts can be read and changed there; those of other judges stay away."""
    said("init", str(tmp_path), "--task", "summarisation")
    judges = {path.name for path in (tmp_path / "objectives" / "judges").iterdir()}
    assert judges == {"groundedness.yaml", "schema.json"}
    assert not any("judges" in file.parts for file in find_task("extraction").files)


def test_they_are_found_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a virtual environment whose lib64 is a link."""
    (tmp_path / "link").symlink_to(starter(), target_is_directory=True)
    monkeypatch.setattr("promptlathe.cli.gallery.starter", lambda: tmp_path / "link")
    assert [task.name for task in tasks()] == NAMES


def test_init_lists_the_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = said("init", "--list").splitlines()
    assert [line.split()[1] for line in lines] == NAMES
    assert "as JSON" in next(line for line in lines if "invoice_fields" in line)
    assert copied(tmp_path) == set()


@pytest.mark.parametrize(
    ("name", "near"),
    [("extracton", "extraction"), ("invoice_field", "invoice_fields"), ("../runs", ""), ("", "")],
)
def test_an_unknown_task_is_named_before_anything_is_copied(
    tmp_path: Path, name: str, near: str
) -> None:
    done = CliRunner().invoke(main, ["init", str(tmp_path / "new"), "--task", name])
    assert done.exit_code == 2
    assert f"there is no task {name!r}" in done.output
    assert f"did you mean {near!r}" in done.output if near else "did you mean" not in done.output
    assert "one of: " in done.output
    assert "extraction" in done.output
    assert not (tmp_path / "new").exists()
    with pytest.raises(InputError):
        find_task(name)


def test_without_a_task_all_is_copied(tmp_path: Path) -> None:
    said("init", str(tmp_path))
    assert {folder.name for folder in tmp_path.iterdir()} == set(FOLDERS)
    assert {file for task in tasks() for file in task.files} < copied(tmp_path)


def test_the_page_lists_the_tasks() -> None:
    """With the rows, the languages and the run file of each."""
    page = (Path(__file__).parent.parent / "docs" / "guide" / "gallery.md").read_text("utf-8")
    lines = re.findall(r"^\| (`.*) \|$", page, re.MULTILINE)
    assert sorted(line.split("`")[1] for line in lines) == NAMES
    for line in lines:
        name, family, _, _, count, languages, runs = line.split(" | ")
        task = find_task(name.strip("`"))
        found = [e.row for split in LEAST for e in objective_of(task.name).examples(split)]
        spoken = Counter(str(row["lang"]) for row in found if "lang" in row)
        assert family == f"`{task.family}`"
        assert int(count) == len(found)
        assert languages in (
            "en",
            "fr",
            ", ".join(f"{n} {lang}" for lang, n in sorted(spoken.items())),
        )
        assert runs == ", ".join(f"`{run}`" for run in task.runs)

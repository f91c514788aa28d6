"""Which files a run file may name: regular ones of a bounded size, in the workspace; and what it
executes is named before."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

import promptlathe as pl
from promptlathe import documents
from promptlathe.cli import main
from promptlathe.documents import check_file, find, read_text
from promptlathe.errors import InputError
from promptlathe.job import Job
from promptlathe.job.job import workspace_of
from promptlathe.job.resolved import resolved
from promptlathe.models import embed
from promptlathe.records import Image, Message

SPACE = """\
messages: {system: "{{ role }}", user: "{{ text }}"}
components: {role: {choice: [null, {file: role.md}]}}
"""
OBJECTIVE = "dataset: rows.jsonl\nscorers: [exact_match: label]\n"
RUN = "space: space.yaml\nobjective: objective.yaml\nmodel: pocket\n"
METRIC = """\
from pathlib import Path

(Path(__file__).parent / "was_here").touch()


def brevity(row, output):
    return 1.0
"""
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A workspace, and beside it a folder that is none of its business."""
    made = tmp_path / "workspace"
    outside = tmp_path / "outside"
    for place in (made, outside):
        place.mkdir()
        rows = [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(60)]
        for name, text in {
            "space.yaml": SPACE,
            "objective.yaml": OBJECTIVE,
            "run.yaml": RUN,
            "role.md": "You label texts.",
            "rows.jsonl": "".join(json.dumps(row) + "\n" for row in rows),
            "metric.py": METRIC,
        }.items():
            (place / name).write_text(text)
    return made


def said(*arguments: object, code: int = 2) -> str:
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result.output


NAMED = {
    "a level": ("space.yaml", "role.md", "{0}/role.md", "space.yaml:2: components.role.choice: "),
    "the space": ("run.yaml", "space.yaml", "{0}/space.yaml", "run.yaml:1: "),
    "the objective": ("run.yaml", "objective.yaml", "{0}/objective.yaml", "run.yaml:2: "),
    "the dataset": ("objective.yaml", "rows.jsonl", "{0}/rows.jsonl", "objective.yaml:1: "),
    "a metric": ("objective.yaml", "exact_match: label", '"{0}/metric.py:brevity"', "metric.py"),
    "a target": ("run.yaml", "model:", "target: {0}/metric.py:brevity\nmodel:", "run.yaml:3: "),
    "an operator": (
        "run.yaml", "model:", "search: {{operators: ['{0}/metric.py:f']}}\nmodel:", "run.yaml:3: ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", ["../outside", "absolute", "link"])
@pytest.mark.parametrize("named", NAMED)
def test_nothing_outside_of_the_workspace_is_read(folder: Path, named: str, way: str) -> None:
    file, old, new, where = NAMED[named]
    outside = folder.parent / "outside"
    if way == "link":
        (folder / "in").symlink_to(outside)
    named_as = {"absolute": str(outside), "link": "in"}.get(way, way)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new.format(named_as), 1))
    if named == "an operator":
        (folder / "space.yaml").write_text(SPACE.replace("choice:", "rewrite: true, choice:"))
    message = said("check", folder / "run.yaml")
    assert f"leads out of the workspace ({folder})" in message
    assert where in message
    assert "--allow-outside" in message
    assert not (outside / "was_here").exists()
    if named not in ("a target", "an operator"):
        said("check", folder / "run.yaml", "--allow-outside", code=0)


def test_a_link_to_a_run_file_has_the_files_beside_it(folder: Path) -> None:
    (folder / "run.yaml").rename(folder.parent / "run.yaml")
    (folder / "run.yaml").symlink_to(folder.parent / "run.yaml")
    said("check", folder / "run.yaml", code=0)


def test_another_workspace_may_be_named(folder: Path) -> None:
    (folder / "run.yaml").write_text(RUN.replace("space.yaml", "../outside/space.yaml"))
    said("check", folder / "run.yaml", "--workspace", folder.parent, code=0)


def test_python_reads_what_the_program_names(folder: Path) -> None:
    (folder / "run.yaml").write_text(RUN.replace("space.yaml", "../outside/space.yaml"))
    assert Job.load(folder / "run.yaml").space == pl.SearchSpace.load(folder / "space.yaml")


def test_the_resolved_run_file_runs_where_it_is_kept(folder: Path) -> None:
    """Its paths are absolute. Among the artifacts it belongs to its workspace; elsewhere that has
    to be named."""
    text = resolved(Job.load(folder / "run.yaml"))
    kept = folder / ".promptlathe" / "artifacts" / "1" / "run.yaml"
    far = folder.parent / "run.yaml"
    for place in (kept, far):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    assert workspace_of(kept) == folder
    said("check", kept, code=0)
    (folder.parent / "elsewhere").mkdir()
    gone = far.rename(folder.parent / "elsewhere" / "run.yaml")
    assert "--workspace DIR" in said("check", gone)
    said("check", gone, "--workspace", folder, code=0)
    said("check", gone, "--allow-outside", code=0)


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/stdin", "/proc/self/environ", "pipe", "/"])
@pytest.mark.parametrize("place", ["level", "dataset", "space", "run"])
def test_devices_pipes_and_the_kernel_s_files_are_read_nowhere(
    folder: Path, name: str, place: str
) -> None:
    os.mkfifo(folder / "pipe.jsonl")
    if name == "pipe":
        name = "pipe.jsonl"
    elif place == "dataset":
        (folder / "link.jsonl").symlink_to(name)
        name = "link.jsonl"
    run = folder / "run.yaml"
    match place:
        case "level":
            (folder / "space.yaml").write_text(SPACE.replace("role.md", name))
        case "dataset":
            (folder / "objective.yaml").write_text(OBJECTIVE.replace("rows.jsonl", name))
        case "space":
            run.write_text(RUN.replace("space.yaml", name))
        case _:
            run = folder / name
    message = said("check", run, "--allow-outside")
    assert "cannot be read: it is a" in message or "there is no such file" in message


def test_texts_have_a_size_and_datasets_a_larger_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "role.md").write_text("x" * 10_000_001)
    assert f"{folder}/role.md: is larger than 10 MB" in said("check", folder / "run.yaml")
    (folder / "role.md").write_text("x")
    (folder / "run.yaml").write_text(RUN + "#" * 1_000_000)
    assert "run.yaml: is larger than 1 MB" in said("check", folder / "run.yaml")
    (folder / "run.yaml").write_text(RUN)
    with (folder / "rows.jsonl").open("r+b") as file:
        file.truncate(1_000_000_001)  # sparse: it takes no room
    assert "rows.jsonl: is larger than 1 GB" in said("check", folder / "run.yaml")


def test_a_picture_outside_is_found_before_a_run(folder: Path) -> None:
    (folder.parent / "outside" / "a.png").write_bytes(PNG)
    (folder / "b.png").write_bytes(PNG)
    space = SPACE.replace('user: "{{ text }}"', 'user: ["{{ text }}", {image: "{{ photo }}"}]')
    (folder / "space.yaml").write_text(space)
    for name, words in {
        "b.png": None,
        "../outside/a.png": "leads out of the workspace",
        "none.png": "no picture is there",
    }.items():
        rows = [{"text": f"text {i}", "label": "a", "photo": name} for i in range(60)]
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert (words or "") in said("check", folder / "run.yaml", code=2 if words else 0)
    message = Message("user", (Image("../outside/a.png"),))
    with pytest.raises(InputError, match="leads out"):
        embed((message,), folder, (folder,))
    assert embed((message,), folder)[0].images[0].url.startswith("data:image/png")


@pytest.mark.parametrize("command", ["check", "run"])
def test_code_is_named_before_it_runs(folder: Path, command: str) -> None:
    (folder / "metric.py").write_text(METRIC + "    return 1\n\nraise SystemExit('stop')\n")
    (folder / "objective.yaml").write_text(
        "dataset: rows.jsonl\nscorers: [exact_match: label, metric.py:brevity]\n"
    )
    result = CliRunner().invoke(main, [command, str(folder / "run.yaml")])
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    starts = [line.split(":")[0] for line in lines]
    assert starts.index("runs code from") < starts.index("error")
    assert "runs code from: metric.py:brevity" in lines
    assert (folder / "was_here").exists()


def test_all_code_is_named_and_nothing_without_code(folder: Path) -> None:
    assert "runs code" not in said("check", folder / "run.yaml", code=0)
    (folder / "runs").mkdir()
    (folder / "parts").mkdir()
    (folder / "app.py").write_text("async def app(row, prompts, llm):\n    return ''\n")
    (folder / "own.py").write_text("def own(context):\n    return None\n")
    (folder / "objective.yaml").rename(folder / "parts" / "objective.yaml")
    (folder / "parts" / "objective.yaml").write_text(
        "dataset: ../rows.jsonl\nscorers: [exact_match: label, ../metric.py:brevity]\n"
    )
    (folder / "space.yaml").write_text(SPACE.replace("choice:", "rewrite: true, choice:"))
    (folder / "runs" / "run.yaml").write_text(
        "space: ../space.yaml\nobjective: ../parts/objective.yaml\nmodel: pocket\n"
        "target: ../app.py:app\nsearch: {operators: ['own.py:own']}\n"
    )
    result = CliRunner().invoke(main, ["check", str(folder / "runs" / "run.yaml")])
    assert result.exit_code == 0, result.output
    assert result.stderr == "runs code from: app.py:app, metric.py:brevity, own.py:own\n"


@pytest.mark.parametrize("name", ["a\0b", "x" * 256, "é" * 128, "circle"])
def test_what_is_no_path(tmp_path: Path, name: str) -> None:
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(InputError):
        check_file(find(tmp_path, name))
    assert not documents.is_file(tmp_path / name)


@pytest.mark.parametrize("raw", [b"a\0b", "text".encode("utf-16"), b"\xff", b"caf\xe9"])
def test_what_is_no_text_in_utf_8(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.md").write_bytes(b"one\n" + raw)
    with pytest.raises(InputError, match="is not UTF-8") as caught:
        read_text(tmp_path / "a.md")
    assert caught.value.where == f"{tmp_path}/a.md:2"

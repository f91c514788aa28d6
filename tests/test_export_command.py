"""`promptlathe export`: which prompt, where it goes, and what is said of it."""

import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.jobs import OBJECTIVE, ROWS

from promptlathe.cli.commands.export import FORMS as OFFERED
from promptlathe.cli.main import main
from promptlathe.documents import load
from promptlathe.exchange.exports import FORMS
from promptlathe.ledger import Ledger, sqlite_url
from promptlathe.records import Message, Prompt
from promptlathe.results.kept import keep, result_of

pytestmark = pytest.mark.slow
RUN = """\
space:
  messages: {system: "{{ task }}", user: "{{ hint }}{{ text }}\\nTeam:"}
  components:
    task:
      choice:
        bare: "Which team? \\\\{{ never a field }}"
        listed: "Name the team: billing, delivery or login. Answer with the label only."
    hint: {choice: [null, "Read it well. "]}
objective:
  dataset: rows.jsonl
  splits: {train: 0.2, select: 0.5, test: 0.3, stratify: label}
  scorers: [{exact_match: {target: label, parse: label}}]
model: {name: pocket, temperature: 0}
budget: {calls: 150}
"""


@pytest.fixture(scope="module")
def workspace(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With one run that registered its prompt."""
    folder = tmp_path_factory.mktemp("exports")
    shutil.copytree(migrated, folder / ".promptlathe")
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    (folder / "teams.yaml").write_text(RUN, "utf-8")
    done = CliRunner().invoke(
        main, ["run", str(folder / "teams.yaml"), "--json", str(folder / "result.json")]
    )
    assert done.exit_code == 0, done.output
    return folder


@pytest.fixture(scope="module")
def result(workspace: Path) -> dict[str, Any]:
    found = json.loads((workspace / "result.json").read_text("utf-8"))
    assert found["promoted"] is not None
    return found


def export(workspace: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["export", *words, "--workspace", str(workspace)])


def exported(workspace: Path, *words: str) -> dict[str, Any]:
    done = export(workspace, *words, "--to", "json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_command_offers_every_form():
    assert tuple(FORMS) == OFFERED


def test_a_run_has_several_names_and_prompts(workspace: Path, result: dict[str, Any]):
    best = result["best"]["messages"]
    named = [result["run"], result["run_id"], result["run"][:6], "latest"]
    assert [exported(workspace, one)["messages"] for one in named] == [best] * 4
    for side in ("best", "seed"):
        found = exported(workspace, "latest", "--prompt", side)
        assert found["messages"] == result[side]["messages"]
        assert f"{side} prompt of the promptlathe run {result['run']}" in found["about"]
    candidate = result["seed"]["candidate"]
    assert (
        exported(workspace, "latest", "--prompt", candidate[:8])["messages"]
        == (result["seed"]["messages"])
    )


def test_a_registered_prompt_is_that_of_the_run(workspace: Path, result: dict[str, Any]):
    run = exported(workspace, "latest")
    version = result["registered"]["teams"]
    for named in ("prompts:/teams@champion", f"prompts:/teams/{version}"):
        found = exported(workspace, named)
        assert {k: found[k] for k in ("messages", "model", "settings", "fields")} == {
            k: run[k] for k in ("messages", "model", "settings", "fields")
        }


def test_promptfoo_gets_the_rows_that_may_be_shown(workspace: Path, result: dict[str, Any]):
    out = workspace / "promptfooconfig.yaml"
    done = export(workspace, "latest", "--to", "promptfoo", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert f"wrote   {out}" in done.output
    config = load(out).data
    shown = {test["vars"]["text"] for test in config["tests"]}
    held_out = {str(one.row["text"]) for one in OBJECTIVE.examples("test")}
    assert held_out
    assert shown.isdisjoint(held_out)
    assert shown | held_out == {row["text"] for row in ROWS}
    assert config["defaultTest"]["assert"] == [{"type": "icontains", "value": "{{ label }}"}]


@pytest.mark.parametrize("to", OFFERED)
def test_every_form_is_written_to_a_file(workspace: Path, to: str):
    out = workspace / f"out.{to}"
    done = export(workspace, "latest", "--to", to, "--out", str(out))
    assert done.exit_code == 0, done.output
    assert "pocket model, which is no LLM" in done.output
    assert out.read_text("utf-8").strip()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "no run 'nothing'"),
        (["latest", "--prompt", "wrst"], "names no prompt of the run"),
        (["latest", "--prompt", "champion"], "no champion was registered"),
        (["latest", "--step", "plan"], "has no step 'plan'"),
        (["prompts:/teams"], "names no registered prompt"),
        (["prompts:/other@champion"], "MLflow has no prompts:/other@champion"),
        (["prompts:/teams/99"], "MLflow has no prompts:/teams/99"),
        (["prompts:/teams@champion", "--prompt", "seed"], "is one prompt"),
        (["latest", "--out", "/dev/null/a"], "cannot be written"),
    ],
)
def test_what_is_not_there_is_said(workspace: Path, result: Any, words: list[str], said: str):
    done = export(workspace, "--to", "text", *words)
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert "Traceback" not in done.output


def test_an_empty_folder_has_no_run(tmp_path: Path):
    done = export(tmp_path, "latest", "--to", "text")
    assert done.exit_code == 2
    assert "no run was recorded here yet" in done.output


def test_each_step_of_a_chain_is_exported_by_itself(workspace: Path, result: dict[str, Any]):
    with closing(Ledger(sqlite_url(workspace / ".promptlathe" / "ledger.db"))) as ledger:
        alone = result_of(ledger, result["run"])
        (prompt,) = alone.best.prompts.values()
        plan = Prompt((Message("user", "Plan for {{ text }}"),))
        steps = replace(alone.best, prompts={"plan": plan, "answer": prompt})
        facts = replace(alone.facts, ended=alone.facts.began)
        keep(ledger, replace(alone, run="achain", run_id=None, best=steps, facts=facts))
    done = export(workspace, "achain", "--prompt", "best", "--to", "text")
    assert done.exit_code == 2
    assert "has several prompts: plan, answer" in done.output
    done = export(workspace, "achain", "--prompt", "best", "--step", "plan", "--to", "text")
    assert done.exit_code == 0, done.output
    assert done.stdout == "Plan for {{ text }}\n"
    assert "teams-plan" in done.stderr

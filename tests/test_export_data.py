"""Answers of a run as data for fine-tuning: their forms, what is left out, what is said."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.orders import chain, shop
from tests.scripted_jobs import OBJECTIVE, Service, job

from promptlathe.cli import main
from promptlathe.errors import InputError
from promptlathe.job import Job, Result, run
from promptlathe.job.finetune import Exported, export_data
from promptlathe.job.finetune_formats import FORMS, Form, Pair, lines
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Answer, Budget, Message
from promptlathe.testing.scripted import ScriptedServer

TEST = {str(example.row["text"]) for example in OBJECTIVE.examples("test")}
ROLES = ("system", "user", "assistant", "tool")


def check_line(form: Form, line: Mapping[str, Any]) -> None:
    """As huggingface.co/docs/trl/dataset_formats and OpenAI's guide to fine-tuning say."""

    def conversation(messages: Any, last: tuple[str, ...]) -> None:
        assert isinstance(messages, list)
        assert messages
        for message in messages:
            assert message.keys() <= {"role", "content", "tool_calls", "tool_call_id", "name"}
            assert message["role"] in ROLES
            assert isinstance(message["content"], str) or "tool_calls" in message
        assert messages[-1]["role"] in last

    keys = {
        "trl-sft": {"prompt", "completion"},
        "trl-unpaired": {"prompt", "completion", "label"},
        "trl-dpo": {"prompt", "chosen", "rejected"},
        "openai-chat": {"messages"},
    }[form]
    assert line.keys() - {"tools"} == keys
    assert "label" not in line or isinstance(line["label"], bool)
    for key in keys - {"label"}:
        asked = key == "prompt"
        conversation(line[key], ("user", "tool") if asked else ("assistant",))
        if key in ("completion", "chosen", "rejected"):
            assert len(line[key]) == 1
    assert line.get("chosen") != line.get("rejected") or form != "trl-dpo"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Job, Result, ScriptedServer]]:
    """With a rewriter: its levels are in no file, and rows of `train` were read."""
    folder = tmp_path_factory.mktemp("export")
    with ScriptedServer(Service()) as server:
        one = job(server, folder, asking=True, budget=Budget(calls=140))
        yield one, run(one), server


@pytest.mark.parametrize(
    "form",
    [pytest.param(f, marks=() if f == "trl-dpo" else pytest.mark.slow) for f in FORMS],
)
def test_the_forms(done: tuple[Job, Result, ScriptedServer], form: Form) -> None:
    one, result, server = done
    sent = len(server.arrived)
    made = export_data(one, result.run, to=form)
    assert len(server.arrived) == sent
    assert made.prompt == result.best.candidate
    assert made.lines
    for line in made.lines:
        check_line(form, json.loads(json.dumps(line)))
    texts = json.dumps(made.lines)
    assert not [text for text in TEST if json.dumps(text)[1:-1] in texts]
    assert len({json.dumps(line, sort_keys=True) for line in made.lines}) == len(made.lines)
    if form == "trl-unpaired":
        assert {line["label"] for line in made.lines} == {True, False}
    elif form == "openai-chat":
        assert all(line["messages"][-1]["content"] != "none" for line in made.lines)


@pytest.mark.slow
def test_counts_add_up(done: tuple[Job, Result, ScriptedServer]) -> None:
    one, result, _ = done
    made = export_data(one, result.run, to="trl-sft", prompt="seed", splits=("select",))
    assert made.prompt == result.seed.candidate
    assert made.rows == {"select": len(OBJECTIVE.examples("select"))}
    assert made.asked["select"] == len(made.lines) + sum(made.dropped.values())
    assert made.dropped["scored below 1"] > 0
    assert made.models == (f"model at {one.model.endpoint}",)
    again = export_data(one, result.run, to="trl-sft", prompt=made.prompt[:8], splits=("select",))
    assert again == made


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"splits": ("train", "test")}, "rows of 'test' are not exported"),
        ({"splits": ("training",)}, "there is no split 'training'"),
        ({"prompt": "abc"}, "'abc' names no prompt of the run"),
        ({"prompt": "champion"}, "no champion is registered"),
        ({"step": "plan"}, "the run has no step 'plan'"),
        ({"run": "0" * 12}, "no run '000000000000' is in the ledger"),
    ],
)
def test_what_cannot_be_exported(
    done: tuple[Job, Result, ScriptedServer], given: dict[str, Any], said: str
) -> None:
    one, result, _ = done
    name = given.pop("run", result.run)
    with pytest.raises(InputError) as caught:
        export_data(one, name, to="trl-sft", **given)
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_nothing_is_sent_when_the_ledger_lacks_an_answer(
    done: tuple[Job, Result, ScriptedServer],
) -> None:
    one, result, server = done
    sent = len(server.arrived)
    other = ModelSettings.model_validate({**one.model.model_dump(), "temperature": 0.5})
    with pytest.raises(InputError, match="is not in the ledger, and nothing is sent"):
        export_data(replace(one, model=other), result.run, to="trl-sft")
    assert len(server.arrived) == sent


@pytest.mark.slow
def test_a_chain(tmp_path: Path) -> None:
    with ScriptedServer(shop) as server:
        one = chain(tmp_path, server, calls=250)
        result = run(one)
    with pytest.raises(InputError, match="the run has several steps") as caught:
        export_data(one, result.run, to="trl-sft")
    assert "plan, answer" in str(caught.value)
    made = {s: export_data(one, result.run, to="trl-sft", step=s) for s in ("plan", "answer")}
    for exported in made.values():
        assert exported.lines
        for line in exported.lines:
            check_line("trl-sft", line)
    first = _said(made["plan"])
    assert any(said in _asked(made["answer"]) for said in first)


def _said(made: Exported) -> list[str]:
    return [line["completion"][0]["content"] for line in made.lines]


def _asked(made: Exported) -> str:
    return "\n".join(m["content"] for line in made.lines for m in line["prompt"])


# The forms, by hand

ASK = (Message("system", "Be brief."), Message("user", "2 + 2?"))
CALL = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}


def pair(text: str, value: float, **more: Any) -> Pair:
    tools = more.pop("tools", ())
    return Pair("e", more.pop("ask", ASK), Answer(text, **more), value, tools)


def test_what_was_worse_on_the_row_is_rejected_whichever_prompt_it_was_given_to() -> None:
    other = (Message("user", "Sum?"),)
    own = [pair("5", 0.0)]
    others = [pair("4", 1.0, ask=other), pair("5", 0.0, ask=other), pair("6", 0.5, ask=other)]
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]
    right = [{"role": "assistant", "content": "4"}]
    assert list(lines("trl-dpo", own, others, 1.0)) == [
        {"prompt": prompt, "chosen": right, "rejected": [{"role": "assistant", "content": wrong}]}
        for wrong in ("5", "6")
    ]
    assert list(lines("trl-dpo", own, [], 1.0)) == []


def test_calls_of_tools_are_kept() -> None:
    tool = {"type": "function", "function": {"name": "add", "parameters": {}}}
    (line,) = lines("openai-chat", [pair("", 1.0, tool_calls=(CALL,), tools=(tool,))], [], 1.0)
    check_line("openai-chat", line)
    assert line["messages"][-1] == {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert line["tools"] == [tool]


# The command


@pytest.mark.slow
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From what the ledger keeps of a run file: nothing else is named."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str, code: int = 0) -> str:
        ended = CliRunner().invoke(main, list(arguments))
        assert ended.exit_code == code, ended.output
        return ended.output

    command("init", ".")
    file = "runs/support_triage.yaml"
    quiet = ("--set", "budget.calls=300", "--set", "track=false", "--json", "r.json")
    command("run", file, *quiet)
    name = json.loads(Path("r.json").read_text())["run"]
    said = command("export-data", name, "--to", "trl-sft", "--out", "good.jsonl")
    written = [json.loads(line) for line in Path("good.jsonl").read_text("utf-8").splitlines()]
    for line in written:
        check_line("trl-sft", line)
    assert f"wrote     {len(written)} lines (trl-sft) to good.jsonl" in said
    assert "train     0 of 89 rows were asked with this prompt" in said
    assert "the answers are by pocket" in said
    named = ("export-data", name, "--to", "openai-chat", "--out", "-")
    same = command(*named, "--file", file, *quiet[:4], "--prompt", "seed")
    assert '"messages"' in same
    assert "took another course" in command(*named, "--file", file, code=2)
    assert "has the run's own settings" in command(*named, *quiet[:2], code=2)
    assert "rows of 'test'" in command(*named, "--split", "select,test", code=2)
    none = command("export-data", name, "--to", "trl-dpo", "--out", "p.jsonl", "--min-score", "2")
    assert "wrote     0 lines (trl-dpo) to p.jsonl\nnote      no answer was good enough" in none
    assert "no run 'x'" in command("export-data", "x", *named[2:], code=2)
    assert "cannot be written" in command(*named[:-1], "no/where.jsonl", code=2)

"""The assistants that ship, against a scripted one: a shop's, by its replies, and a home's, by what
it calls."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.outcomes import scored

from promptlathe.job import Job, Result, make_plan, run
from promptlathe.records import content_hash
from promptlathe.scoring import Objective
from promptlathe.scoring.judging import Judge
from promptlathe.starter import starter
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

TASKS = ("shop_assistant", "tool_calls")
OBJECTIVES = {
    task: Objective.load(starter() / "objectives" / task / "objective.yaml") for task in TASKS
}
ROWS: dict[str, list[Mapping[str, Any]]] = {
    task: [e.row for split in ("train", "select", "test") for e in objective.examples(split)]
    for task, objective in OBJECTIVES.items()
}


def lucky(row: Mapping[str, Any], chance: float) -> bool:
    """For so large a part of the rows, the same ones each time."""
    return int(content_hash(["assistants", row["id"]]), 16) % 100 / 100 < chance


def shop(arrived: Arrived) -> str:
    """Knows the replies: says the right one the more surely, the more the system prompt says."""
    prompt = arrived.prompt
    if "<new>" in prompt:
        return f"<new>Help the customer well, number {len(prompt)}.</new>"
    if "rationale" in prompt:
        said = prompt.rpartition("\n# ")[2]
        good = any(row["reply"] in said for row in ROWS["shop_assistant"])
        return json.dumps({"rationale": "So.", "level": arrived.choices[-1 if good else 0]})
    system, last = (str(arrived.body["messages"][i]["content"]) for i in (0, -1))
    row = next(r for r in ROWS["shop_assistant"] if r["messages"][-1]["content"] == last)
    asked = ("Rules of the house:" in system) + ("Promise nothing" in system)
    return str(row["reply"]) if lucky(row, 0.2 + 0.35 * asked) else "I do not know."


def home(arrived: Arrived) -> Reply:
    """Knows the calls: takes the tools that are described well, whatever they are called."""
    if "<new>" in arrived.prompt:
        return Reply(f"<new>Set the lights, number {len(arrived.prompt)}.</new>")
    said = arrived.body["messages"][-1]["content"]
    row = next(row for row in ROWS["tool_calls"] if row["message"] == said)
    known = ("Off is 0", "Closed is 0", "what is to be done is todo", "Call no tool when")
    offered = f"{arrived.prompt} {json.dumps(arrived.body['tools'])}"
    if not lucky(row, 0.15 + 0.2 * sum(sign in offered for sign in known)):
        return Reply("", calls=[("timer", {"minutes": 1})])
    names = {"lights": next(name for name in arrived.tools if "light" in name)}
    calls = [(names.get(c["name"], c["name"]), c["arguments"]) for c in row["calls"]]
    return Reply("" if calls else "What do you mean?", calls=calls)


def tuned(task: str, server: ScriptedServer, folder: Path) -> Result:
    settings = {
        "model": f"{{name: scripted, base_url: '{server.base_url}', retries: 0}}",
        "budget.calls": "200",
        "track": "false",
    }
    file = starter() / "runs" / f"{task}.yaml"
    return run(Job.load(file, settings=tuple(settings.items()), workspace=folder))


@pytest.mark.parametrize("task", TASKS)
def test_the_run_file_is_checked_without_a_server(task: str, tmp_path: Path) -> None:
    plan = make_plan(Job.load(starter() / "runs" / f"{task}.yaml", workspace=tmp_path))
    assert min(len(plan.space.train), len(plan.select), len(plan.test)) >= 10
    assert abs(sum(row["lang"] == "fr" for row in ROWS[task]) / len(ROWS[task]) - 0.5) < 0.03


def test_the_shop_s_own_replies_keep_its_rules() -> None:
    """All that needs no judge."""
    scorers = [one for one in OBJECTIVES["shop_assistant"].scorers if not isinstance(one, Judge)]
    objective = Objective(list(ROWS["shop_assistant"]), scorers=scorers)
    for example in objective.examples("test"):
        scores = scored(objective, example, example.row["reply"]).scores
        assert set(scores.values()) == {1.0}, (example.row["id"], scores)
    objective.close()


def test_conversations_have_several_turns_and_end_with_a_question() -> None:
    turns = [[turn["role"] for turn in row["messages"]] for row in ROWS["shop_assistant"]]
    assert all(roles == (["user", "assistant"] * 9)[: len(roles)] for roles in turns)
    assert all(roles[-1] == "user" for roles in turns)
    assert sum(len(roles) > 1 for roles in turns) == 28


def test_every_tool_is_called_and_some_rows_call_none() -> None:
    called = [call["name"] for row in ROWS["tool_calls"] for call in row["calls"]]
    names = {"lights", "heating", "blinds", "music", "timer", "alarm", "note", "weather"}
    assert set(called) == names
    assert sum(not row["calls"] for row in ROWS["tool_calls"]) == 8
    assert sum(len(row["calls"]) == 2 for row in ROWS["tool_calls"]) == 5


@pytest.mark.slow
def test_the_shop_s_system_prompt_is_tuned_over_conversations(tmp_path: Path) -> None:
    with ScriptedServer(shop) as server:
        result = tuned("shop_assistant", server, tmp_path)
    assert result.verdict == "better"
    assert result.best.levels["rules"] == "full"
    asked = [a for a in server.arrived if "rationale" not in a.prompt and "<new>" not in a.prompt]
    assert all(a.body["messages"][-1]["role"] == "user" for a in asked)
    assert {a.body["messages"][0]["role"] for a in asked} == {"system"}
    assert result.spent.calls == len(server.arrived) <= 200
    assert "conversation" in {m.role for m in result.best.messages}


@pytest.mark.slow
def test_the_home_s_tools_are_tuned_by_what_is_called(tmp_path: Path) -> None:
    with ScriptedServer(home) as server:
        result = tuned("tool_calls", server, tmp_path)
    assert result.verdict == "better"
    assert result.test.best > result.test.seed + 0.2
    assert "tools" in result.best.parameters
    assert result.spent.calls == len(server.arrived) <= 200

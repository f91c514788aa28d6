"""Structured output: the service's own contract against a sentence that asks for JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import essence
from tests.orders import (
    DECISIONS,
    ENGINES,
    ROWS,
    check_account,
    lucky,
    model,
    parallel,
    row_of,
)

from promptlathe.job import Job, Result, run
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

CALLS = 300
SPACE = """
messages:
  system: |
    {{ role }}
    Decide what to do.
    {{ format }}
  user: |
    Message: {{ message }}
    Order: {{ facts }}
components:
  role:
    choice:
      none: null
      manager: You decide for a shop.
  format:
    choice:
      draft: Say what you decide.
      sentence: 'Answer as JSON: {"decision": "..."}'
      native:
        text: 'Answer as JSON: {"decision": "..."}'
        response_format: {json: {decision: labels}}
      loose:
        text: 'Answer as JSON: {"decision": "..."}'
        response_format: json_object
"""
FACTS = """
dataset: rows.jsonl
splits: {train: 0.1, select: 0.4, test: 0.5, seed: 7, stratify: decision}
scorers:
  - exact_match: {target: decision, parse: {json: decision}}
goal: maximize exact_match
"""


def kind_of(arrived: Arrived) -> str:
    """Which level made the request."""
    asked = (arrived.body.get("response_format") or {}).get("type")
    named = {"json_schema": "native", "json_object": "loose"}
    return named.get(str(asked)) or ("sentence" if "as JSON" in arrived.prompt else "draft")


def honours(arrived: Arrived) -> str:
    """It knows the decision; what it writes depends on what holds it to a form.

    Nothing: a sentence. Asked for JSON: it puts words of its own into the field for two rows in
    three. JSON mode: an object, a key of its own choice for every fourth row. A schema: what it
    allows.
    """
    row = row_of(arrived)
    decision = row["decision"]
    match kind_of(arrived):
        case "native":
            assert set(arrived.choices) == set(DECISIONS)
            return arrived.as_asked(decision)
        case "loose":
            return json.dumps({"verdict" if lucky(row, 4, "loose") else "decision": decision})
        case "sentence":
            own = decision if lucky(row, 3, "sentence") else f"I would choose {decision} here"
            return json.dumps({"decision": own})
        case _:
            return f"I would choose {decision} here."


def refuses(arrived: Arrived) -> str | Reply:
    """A service that knows no schemas."""
    if kind_of(arrived) == "native":
        return Reply("response_format of type json_schema is not supported", status=400)
    return honours(arrived)


def job(
    folder: Path,
    server: ScriptedServer,
    *,
    engine: str = "local",
    concurrency: int = 1,
    space: str = SPACE,
) -> Job:
    run_file: dict[str, Any] = {
        "space": "space.yaml",
        "objective": "objective.yaml",
        "model": model(server),
        "budget": {"calls": CALLS},
        "parallel": parallel(engine, concurrency),
        "track": False,
    }
    files = {
        "rows.jsonl": "\n".join(json.dumps(dict(row)) for row in ROWS),
        "space.yaml": space,
        "objective.yaml": FACTS,
        "run.yaml": json.dumps(run_file),
    }
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return Job.load(folder / "run.yaml")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, ScriptedServer]:
    with ScriptedServer(honours) as served:
        return run(job(tmp_path_factory.mktemp("alone"), served)), served


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(honours) as served:
        yield served


def test_the_native_contract_wins(alone: tuple[Result, ScriptedServer]) -> None:
    result, served = alone
    assert (result.verdict, result.recommended) == ("better", "best")
    assert result.best.levels["format"] == "native"
    assert (result.test.seed, result.test.best) == (0, 1)
    check_account(result, served, calls=CALLS)


def test_it_is_a_parameter_of_the_prompt_that_is_found(
    alone: tuple[Result, ScriptedServer],
) -> None:
    """What is handed on is what was sent, with the labels of the objective filled in."""
    result, served = alone
    found = result.to_dict()["best"]["parameters"]["response_format"]
    sent = next(a.body["response_format"] for a in served.arrived if kind_of(a) == "native")
    assert found == sent
    schema = sent["json_schema"]["schema"]
    assert schema["properties"] == {"decision": {"type": "string", "enum": sorted(DECISIONS)}}
    assert schema["required"] == ["decision"]


def test_the_same_words_with_and_without_it_are_two_candidates(
    alone: tuple[Result, ScriptedServer],
) -> None:
    """Equal messages: the ledger keeps their answers apart."""
    result, served = alone
    tried = {dict(s.candidate.levels)["format"] for s in result.standings if s.cells}
    assert {"sentence", "native"} <= tried
    shared = {a.prompt for a in served.arrived if kind_of(a) == "sentence"}
    assert shared & {a.prompt for a in served.arrived if kind_of(a) == "native"}


def test_unread_answers_are_counted_apart(alone: tuple[Result, ScriptedServer]) -> None:
    """All of the draft's, none of the native contract's."""
    read = {"draft": 0, "native": 1}
    for standing in alone[0].standings:
        form = dict(standing.candidate.levels)["format"]
        if form in read:
            assert standing.cells - standing.unread == read[form] * standing.cells


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_many_in_flight(server: ScriptedServer, tmp_path: Path, engine: str) -> None:
    result = run(job(tmp_path, server, engine=engine, concurrency=16))
    assert result.best.levels["format"] == "native"
    check_account(result, server, calls=CALLS)


@pytest.mark.ray
def test_ray_gives_the_same_result(
    cluster: None, alone: tuple[Result, ScriptedServer], server: ScriptedServer, tmp_path: Path
) -> None:
    assert essence(run(job(tmp_path, server, engine="ray"))) == essence(alone[0])


@pytest.mark.parametrize("concurrency", [1, 16])
def test_a_service_that_refuses_it_does_not_end_the_run(tmp_path: Path, concurrency: int) -> None:
    """A refusal is the worst score of the level that asked, and the next best wins."""
    with ScriptedServer(refuses) as server:
        result = run(job(tmp_path, server, concurrency=concurrency))
        asked = [arrived for arrived in server.arrived if kind_of(arrived) == "native"]
    assert result.best.levels["format"] == "loose"
    assert result.verdict == "better"
    failed = {dict(s.candidate.levels)["format"] for s in result.standings if s.failed}
    assert failed == {"native"}
    assert asked
    assert all(s.failures == 0 for s in result.standings)


def test_a_chain_with_it(tmp_path: Path) -> None:
    """Only the step whose level asks for it sends it."""
    from tests.orders import chain, shop, step_of

    with ScriptedServer(shop) as server:
        made = chain(tmp_path, server, calls=300)
        result = run(made)
        asked = {step_of(a) for a in server.arrived if "response_format" in a.body}
    assert asked == {"answer"}
    assert result.test.best == 1

"""The Decisions API: what is sent, how probabilities become scores, one request for one output."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import openai
import pytest
from tests.orders import ROWS, check_account, ledger_roles, model
from tests.outcomes import scored

from promptlathe.errors import InputError
from promptlathe.job import Job, check, run
from promptlathe.models import ModelSettings, connect
from promptlathe.records import Answer, Failure, Message
from promptlathe.scoring import Objective, judge
from promptlathe.testing.contexts import Asked, ScriptedContext
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

POLITE = {"type": "predicate", "name": "polite", "instructions": "It is polite."}
TONE = {
    "type": "score",
    "name": "tone",
    "instructions": "Tone",
    "levels": [{"label": "no"}, {"label": "partly", "description": "so so"}, {"label": "yes"}],
}
SAID = {"polite": 0.75, "tone": {"no": 0.1, "partly": 0.2, "yes": 0.7}}


def settings(server: ScriptedServer, **more: Any) -> ModelSettings:
    given = {"name": "gpt-6-luna", "api": "decisions", "base_url": server.base_url, "retries": 0}
    return ModelSettings.model_validate(given | more)


async def answer(one: ModelSettings, questions: Any) -> Answer | Failure:
    messages = [Message("system", "Judge."), Message("user", "Hello there")]
    opened = connect(one)
    try:
        return await opened.answer(one.call(messages, [("questions", questions)], role="judge"))
    finally:
        await opened.close()


async def test_the_request_is_that_of_the_openai_client() -> None:
    async with ScriptedServer(json.dumps(SAID)) as server:
        reply = await answer(settings(server, prompt_cache_key="k"), [POLITE, TONE])
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="any") as api:
            decided = await api.decisions.create(
                model="gpt-6-luna",
                input=[
                    {"role": "system", "content": "Judge."},
                    {"role": "user", "content": "Hello there"},
                ],
                questions=[POLITE, TONE],  # type: ignore[list-item]
                prompt_cache_key="k",
            )
        ours, theirs = server.arrived
    assert ours.body == theirs.body
    assert isinstance(reply, Answer)
    assert json.loads(reply.text) == [one.model_dump() for one in decided.answers]
    assert reply.input_tokens == decided.usage.input_tokens > 0
    assert reply.output_tokens == decided.usage.output_tokens


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply("slow down", status=429), "rate_limited"),
        (Reply("no such model", status=404), "not_found"),
        (Reply(body="<html>"), "malformed"),
        (Reply(body='{"answers": []}'), "malformed"),
        (Reply(body='{"error": {"message": "invalid_api_key", "code": 401}}'), "authentication"),
    ],
)
async def test_what_is_no_answer(reply: Reply, reason: str) -> None:
    async with ScriptedServer(reply) as server:
        failed = await answer(settings(server), [POLITE])
    assert isinstance(failed, Failure)
    assert failed.reason == reason


JUDGES = [
    judge("Polite", name="polite"),
    judge(builtin="tone"),
    judge("Clear", score=(1, 3), name="clear"),
    judge(builtin="groundedness", context="facts", samples=3),
]
BY_NAME = {
    "polite": 0.75,
    "tone": {"no": 0.1, "partly": 0.2, "yes": 0.7},
    "clear": {"1": 0.5, "2": 0.0, "3": 0.5},
    "groundedness": {"no": 1.0},
}


def decisions(said: dict[str, Any]) -> ScriptedContext:
    """Answers by the questions' names, as the service does."""

    def answer(asked: Asked) -> str:
        given: list[Any] = []
        for one in dict(asked.request.parameters)["questions"]:
            found = said[one["name"]]
            if found is None:
                given.append({"type": "refusal"})
            elif one["type"] == "predicate":
                given.append({"type": "predicate", "probability": found})
            else:
                chances = [{"label": k, "probability": p} for k, p in found.items()]
                given.append({"type": "score", "probabilities": chances})
        return json.dumps(given)

    return ScriptedContext(answer)


def outcome_of(ctx: ScriptedContext, scorers: Any = JUDGES) -> Any:
    objective = Objective([dict(row) for row in ROWS], scorers=scorers).judged_by("decisions")
    return scored(objective, objective.examples("select")[0], "Hello", ctx)


def test_probabilities_become_fractional_scores() -> None:
    ctx = decisions(BY_NAME)
    outcome = outcome_of(ctx)
    assert outcome.scores == pytest.approx(
        {"polite": 0.75, "tone": 0.8, "clear": 2.0, "groundedness": 0.0}
    )
    assert outcome.rationales["tone"] == "yes 0.70, partly 0.20, no 0.10"


def test_the_judges_of_one_output_ask_the_same() -> None:
    """So that the calls are one; what one alone sees stands in its own question."""
    ctx = decisions(BY_NAME)
    outcome_of(ctx)
    requests = Counter(one.request.repeat for one in ctx.asked)
    assert requests == {0: 4, 1: 1}, "two of three samples agree: the third is spared"
    first, *others = [one.request for one in ctx.asked if one.request.repeat == 0]
    assert all(one == first for one in others)
    row_of_all, fact = first.messages[1].text, dict(first.parameters)["questions"][3]
    assert "Hello" in row_of_all
    assert "# Context" in fact["instructions"]
    assert "# Context" not in row_of_all
    types = [one["type"] for one in dict(first.parameters)["questions"]]
    assert types == ["predicate", "score", "score", "score"]


@pytest.mark.parametrize("said", [None, {"unknown": 1.0}, {}])
def test_without_a_verdict_there_is_no_score(said: Any) -> None:
    outcome = outcome_of(decisions({**BY_NAME, "tone": said}))
    assert outcome.value is None
    why = "the judge declined" if said is None else "could not be read"
    assert "the scorer tone" in outcome.failure.detail
    assert why in outcome.failure.detail


SPACE = """
messages: {user: "{{ tone }} Message: {{ message }} Order: {{ facts }}"}
components:
  tone: {choice: {none: null, kind: Be kind., short: Be brief.}}
"""
FACTS = """
dataset: rows.jsonl
splits: {train: 0.1, select: 0.4, test: 0.5}
scorers:
  - judge: {name: kind, rubric: The customer is spoken to kindly.}
  - judge: {builtin: groundedness, context: facts}
  - judge: {builtin: harmful}
goal: maximize kind - harmful
"""


def clerk(arrived: Arrived) -> str:
    if not arrived.decides:
        return "So sorry!" if "Be kind" in arrived.prompt else "No."
    assert [one["name"] for one in arrived.questions] == ["kind", "groundedness", "harmful"]
    kind = 0.9 if "So sorry!" in arrived.prompt else 0.2
    _, grounded, harmful = (one.get("levels") for one in arrived.questions)
    levels = {"groundedness": grounded[-1]["label"], "harmful": harmful[0]["label"]}
    return json.dumps({"kind": kind, **{name: {label: 1.0} for name, label in levels.items()}})


def job(folder: Path, server: ScriptedServer, **judge: Any) -> Job:
    given = {**model(server, "gpt-6-luna"), "api": "decisions", **judge}
    made = f"""
space: space.yaml
objective: objective.yaml
model: {json.dumps(model(server))}
judge: {json.dumps(given)}
budget: {{calls: 220}}
parallel: {{concurrency: 4}}
track: false
"""
    rows = "\n".join(json.dumps(dict(row)) for row in ROWS)
    files = {"rows.jsonl": rows, "space.yaml": SPACE, "objective.yaml": FACTS, "run.yaml": made}
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    return Job.load(folder / "run.yaml")


def test_a_run_asks_once_for_each_answer(tmp_path: Path) -> None:
    with ScriptedServer(clerk) as server:
        made = job(tmp_path, server)
        assert check(made).calls_per_cell == 2, "one of the prompt, one of all judges"
        result = run(made)
    assert result.best.levels["tone"] == "kind"
    assert result.test.best == pytest.approx(0.9)
    asked = Counter(arrived.prompt for arrived in server.arrived if arrived.decides)
    assert max(asked.values()) == 1
    used = check_account(result, server, calls=220)
    assert used["judge"] == len(asked) < used["task"]
    assert ledger_roles(tmp_path)["judge"] == len(asked)


def test_what_it_does_not_take_is_said_before_a_call(tmp_path: Path) -> None:
    with ScriptedServer("?") as server:
        with pytest.raises(InputError, match="the Decisions API takes no temperature"):
            job(tmp_path, server, temperature=0.3)
        with pytest.raises(InputError, match="did you mean 'decisions'"):
            job(tmp_path, server, api="decision")
        made = job(tmp_path, server)
        (tmp_path / "run.yaml").write_text(
            (tmp_path / "run.yaml").read_text().replace("judge: {", "rewriter: {")
        )
        made = Job.load(made.workspace / "run.yaml", settings=(("search.operators", "[rewrite]"),))
        with pytest.raises(InputError, match="answers questions, and writes no text"):
            check(made)
        assert not server.arrived


async def test_a_request_without_questions_is_refused() -> None:
    async with ScriptedServer("?") as server:
        with pytest.raises(InputError, match="answers questions, and none are asked"):
            settings(server).call([Message("user", "Hi")])

"""Judges: what they are asked, and how their verdicts are read."""

import json
from typing import Any

import pytest
from tests.outcomes import scored

from promptlathe.records import Answer, Example, Failure, Request, Trace
from promptlathe.runtime.seam import CallFailed
from promptlathe.scoring import Objective, exact_match, judge

ROWS = [{"text": f"t{i}", "label": "ab"[i % 2]} for i in range(40)]
TONE = judge("Polite, no jargon", levels=("no", "partly", "yes"), name="tone")


class Says:
    def __init__(self, text: str) -> None:
        self.text = text
        self.requests: list[tuple[Request, str, str]] = []

    async def call(self, request: Request, *, role: str = "task", step: str = "") -> Answer:
        self.requests.append((request, role, step))
        return Answer(self.text)


def outcome_of(said: str) -> Any:
    objective = Objective(ROWS, scorer=TONE)
    return scored(objective, objective.examples("select")[0], "Hi", Says(said))


@pytest.mark.parametrize(
    ("said", "value", "rationale"),
    [
        ('{"rationale": "Kind.", "level": "yes"}', 1, "Kind."),
        ('```json\n{"rationale": "So so.", "level": "Partly"}\n```', 0.5, "So so."),
        ("It is rude.\nLevel: no", 0, "It is rude."),
        ("yes", 1, None),
        ('{"level": "no"}', 0, None),
        ("<think>Rather no.</think>It is kind.\nLevel: yes", 1, "It is kind."),
    ],
)
def test_verdicts(said: str, value: float, rationale: str | None) -> None:
    outcome = outcome_of(said)
    assert outcome.value == value
    assert outcome.rationales == ({} if rationale is None else {"tone": rationale})


@pytest.mark.parametrize(
    "said", ["", "I cannot say.", "yes or no", '{"level": "great"}', '{"level": null}']
)
def test_what_is_no_verdict_is_no_score(said: str) -> None:
    outcome = outcome_of(said)
    assert outcome.value is None
    assert outcome.failure.reason == "scorer"
    assert "the judge's answer could not be read" in outcome.failure.detail


def test_what_a_judge_is_asked() -> None:
    objective = Objective(ROWS, scorer=TONE)
    says, example = Says("yes"), objective.examples("select")[0]
    scored(objective, example, 'Hi {{ text }} {"a": 1}', says)
    [(request, role, step)] = says.requests
    assert (role, step) == ("judge", "tone")
    asked = "\n".join(message.text for message in request.messages)
    for part in ("Polite, no jargon", '"text": "t', 'Hi {{ text }} {"a": 1}', "no, partly, yes"):
        assert part in asked
    schema: Any = dict(request.parameters)["response_format"]
    properties = schema["json_schema"]["schema"]["properties"]
    assert properties["level"]["enum"] == ["no", "partly", "yes"]
    json.dumps(schema)


def test_a_judge_beside_a_built_in_scorer() -> None:
    objective = Objective(
        ROWS, scorers=[exact_match("label"), TONE], goal="maximize exact_match + tone"
    )
    assert (objective.judges, objective.may_judge) == (("tone",), True)
    assert objective.bounds == (0, 2)
    example: Example = next(e for e in objective.examples("select") if e.row["label"] == "a")
    outcome = scored(objective, example, "a", Says('{"level": "partly"}'))
    assert outcome.scores == {"exact_match": 1, "tone": 0.5}
    assert outcome.parsed == "a"
    assert Objective(ROWS, scorer=exact_match("label")).judges == ()


class Refuses:
    def __init__(self, reason: Any) -> None:
        self.reason = reason

    async def call(self, request: Request, *, role: str = "task", step: str = "") -> Answer:
        raise CallFailed(Failure(self.reason, "no"))


def test_a_judge_that_is_refused_is_not_the_candidates_fault() -> None:
    objective = Objective(ROWS, scorer=TONE)
    example = objective.examples("select")[0]
    outcome = scored(objective, example, Trace("x"), Refuses("context_length"))
    assert outcome.failure is not None
    assert outcome.failure.reason == "scorer"
    with pytest.raises(CallFailed):
        scored(objective, example, Trace("x"), Refuses("rate_limited"))

"""Limits: on what the calls of a row take, and on scores."""

from pathlib import Path
from typing import Any

import pytest
from tests.outcomes import CANDIDATE

from promptlathe.errors import InputError
from promptlathe.records import Answer, Call, Cell, Example, Failure, Outcome, Role, Sent, Trace
from promptlathe.scoring import Limit, Objective, exact_match, function, regex

CELL = Cell(CANDIDATE, Example("e", {"text": "a"}, "select"))


def sent(tokens: int | None, role: Role = "task") -> Sent:
    answer = Answer("…", tokens, tokens and 2 * tokens, latency=0.5)
    return Sent(Call("m", (), role=role), answer, cost=0.002)


def took(metric: str, *calls: Sent) -> float | None:
    return Limit(metric, 1).of(Outcome(CELL, Trace("x", calls), {"tone": 0.25}, 1.0))


def test_what_a_row_took_is_the_sum_of_the_targets_calls() -> None:
    for metric, value in {
        "output_tokens": 60,
        "input_tokens": 30,
        "tokens": 90,
        "cost_per_1k_calls": 4,
        "latency": 1.0,
        "tone": 0.25,
        "other": None,
    }.items():
        assert took(metric, sent(10), sent(99, "judge"), sent(20)) == value
    assert took("tokens", sent(10), sent(None)) is None
    assert took("output_tokens", sent(10), sent(None)) is None
    assert took("latency", sent(10), sent(None)) == 1.0
    assert took("latency") is None


def test_failures_take_nothing_but_score_the_worst() -> None:
    trace = Trace(None, (sent(10),))
    service = Outcome(CELL, trace, failure=Failure("timeout", "…"))
    prompt = Outcome(CELL, trace, {"tone": 1.0}, 0.0, failure=Failure("context_length", "…"))
    assert [Limit("tokens", 1).of(one) for one in (service, prompt)] == [None, None]
    assert [Limit("tone", 1).of(one) for one in (service, prompt)] == [None, 1.0]
    assert Limit("tone", 1).mean([service, prompt]) == 1.0


def limited(scorers: Any = (), **limits: Any) -> Objective:
    return Objective("d.jsonl", scorers=[exact_match("label"), *scorers], limits=limits)


def test_scores_can_be_limited() -> None:
    objective = limited([regex("x", name="toxicity")], toxicity="<= 0", tokens=200)
    assert objective.limits.all == (Limit("tokens", 200), Limit("toxicity", 0))
    assert [limit.on_score for limit in objective.limits.all] == [False, True]
    assert objective.to_dict()["limits"] == {"tokens": "<= 200", "toxicity": "<= 0"}
    limited([function("m.py:f", range={"cost": (0, 1)})], cost=0.5)
    limited([function("m.py:f")], whatever=0.5)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("toxicty: 0.1", "there is nothing named 'toxicty' to limit; did you mean 'toxicity'"),
        ("output_token: 3", "did you mean 'output_tokens'"),
        ("zzz: 3", "there is nothing named 'zzz' to limit\n  → there are: output_tokens, "),
        ('toxicity: ">= 1"', "expected an upper limit"),
        ("tokens: 0", "must be more than 0"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "objective.yaml"
    scorers = "scorers: [{exact_match: label}, {regex: {pattern: x, name: toxicity}}]"
    path.write_text(f"dataset: x.jsonl\n{scorers}\nlimits:\n  {line}\n")
    with pytest.raises(InputError) as caught:
        Objective.load(path)
    assert said in str(caught.value)
    assert caught.value.where == f"{path}:4"


def test_a_typo_of_a_known_name_is_found_beside_a_function_too() -> None:
    with pytest.raises(InputError, match="did you mean 'output_tokens'"):
        limited([function("m.py:f")], output_token=3)

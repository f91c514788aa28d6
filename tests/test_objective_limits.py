"""Limits: on what the calls of a row take, and on scores."""

from pathlib import Path
from typing import Any

import pytest
from tests.outcomes import CANDIDATE, scored

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
    both = [regex("x", name="toxicity"), regex("y", name="safe")]
    objective = limited(both, toxicity="<= 0.01", tokens=200, safe=">= .99")
    assert objective.limits.all == (
        Limit("tokens", 200),
        Limit("toxicity", 0.01),
        Limit("safe", 0.99, at_least=True),
    )
    assert [limit.on_score for limit in objective.limits.all] == [False, True, True]
    written = objective.to_dict()["limits"]
    assert written == {"tokens": "<= 200", "toxicity": "<= 0.01", "safe": ">= 0.99"}
    assert limited(both, **written) == objective
    limited([function("m.py:f", range={"cost": (0, 1)})], cost=0.5)
    limited([function("m.py:f", range=(0, 5))], whatever=0.5)


def test_what_no_rows_can_show_is_refused() -> None:
    tone = regex("x", name="tone")
    with pytest.raises(InputError, match=r"no number of rows can show tone <= 0: .* from 0 to 1"):
        limited([tone], tone="<= 0")
    with pytest.raises(InputError, match="no number of rows can show tone >= 1"):
        limited([tone], tone=">= 1")
    with pytest.raises(InputError, match="no number of rows can show tone <= 40"):
        limited([tone], tone=40)
    with pytest.raises(InputError, match="the range of whatever is not known") as caught:
        limited([function("m.py:f")], whatever=0.5)
    assert "range: [0, 1]" in str(caught.value)


def test_what_failed_or_was_not_read_is_the_worst_for_the_limit() -> None:
    """Also where the goal says nothing of the score."""
    scorers = [exact_match("label"), regex("x", name="a"), regex("y", name="b")]
    rows = [{"text": f"t{i}", "label": "x"} for i in range(12)]
    objective = Objective(rows, scorers=scorers, limits={"a": "<= 0.1", "b": ">= 0.9"})
    cell = Cell(CANDIDATE, objective.examples("test")[0])
    failed = objective.failed(cell, Trace(None), Failure("content_filter", "…"))
    assert failed.scores == {"exact_match": 0, "a": 1, "b": 0}
    assert scored(objective, cell.example, "  ").scores == {"exact_match": 0, "a": 1, "b": 0}
    objective.close()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("toxicty: 0.1", "there is nothing named 'toxicty' to limit; did you mean 'toxicity'"),
        ("output_token: 3", "did you mean 'output_tokens'"),
        ("zzz: 3", "there is nothing named 'zzz' to limit\n  → there are: output_tokens, "),
        ('toxicity: "= 1"', "expected a limit, found the text '= 1'"),
        ("toxicity: true", "expected a limit, found true"),
        ('toxicity: ">= 1"', "no number of rows can show toxicity >= 1"),
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

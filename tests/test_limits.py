"""Limits on what a prompt takes: read, searched under, and checked at the end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import promptlathe as pl
from promptlathe.decide import Comparison, recommend
from promptlathe.errors import InputError
from promptlathe.job import Job, run
from promptlathe.job import check as checked
from promptlathe.job.limits import best_within, check, kept
from promptlathe.models.settings import ModelSettings
from promptlathe.records import (
    Answer,
    Budget,
    Candidate,
    Cell,
    Estimate,
    Example,
    Failure,
    Message,
    Outcome,
    Prompt,
    Standing,
)
from promptlathe.results import Checked, Taken
from promptlathe.scoring import Limit, Objective
from promptlathe.search.lathe.costs import ENOUGH, Costs, within
from promptlathe.search.lathe.features import Category, Encoder
from promptlathe.testing import records

EXAMPLE = Example("e", {"text": "a"}, "select")
TEAMS = ("billing", "delivery")
ROWS = [
    {"text": f"No. {i}: the {word}, please", "label": label}
    for i, (label, word) in enumerate(list(zip(TEAMS, ("invoice", "parcel"), strict=True)) * 30)
]
SPACE = pl.SearchSpace(
    messages={"system": "{{ task }} {{ teams }}", "user": "{{ demos }}\n\n{{ text }}"},
    components={
        "task": "Name the team. Answer with the label only.",
        "teams": pl.Choice({"none": None, "rules": "- billing: invoice\n- delivery: parcel"}),
        "demos": pl.Demos(count=(0, 6), template="Text: {{ text }}\nTeam: {{ label }}"),
    },
)


def limited(**limits: Any) -> Objective:
    return pl.Objective(ROWS, scorer=pl.exact_match("label"), limits=limits)


OBJECTIVE = limited()


def job(workspace: Path, objective: Objective = OBJECTIVE, model: Any = "pocket") -> Job:
    return Job(
        space=SPACE,
        objective=objective,
        model=ModelSettings.model_validate(model),
        budget=Budget(calls=200),
        track=False,
        workspace=workspace,
    )


def candidate(name: str) -> Candidate:
    return Candidate.single((("name", name),), Prompt((Message("user", name),)))


def outcome(tokens: int | None, name: str = "a", **more: Any) -> Outcome:
    answer = Answer("…", tokens, tokens and 2 * tokens, latency=0.5)
    return records.outcome(Cell(candidate(name), EXAMPLE), answer, {}, 1.0, **more)


# Reading


def test_limits_are_read_and_written() -> None:
    objective = limited(output_tokens="<= 200", latency=2.5)
    assert objective.limits.all == (Limit("output_tokens", 200), Limit("latency", 2.5))
    assert objective.to_dict()["limits"] == {"output_tokens": "<= 200", "latency": "<= 2.5"}
    assert limited(**objective.to_dict()["limits"]) == objective != OBJECTIVE
    assert OBJECTIVE.limits.all == ()
    assert "limits" not in OBJECTIVE.to_dict()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('output_tokens: ">= 200"', "expected an upper limit, found the text '>= 200'"),
        ("output_tokens: true", "expected an upper limit, found true"),
        ("output_tokens: -3", "must be more than 0"),
        ("output_token: 3", "did you mean 'output_tokens'"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "objective.yaml"
    path.write_text(f"dataset: x.jsonl\nscorers: [exact_match: label]\nlimits:\n  {line}\n")
    with pytest.raises(InputError, match=said) as caught:
        Objective.load(path)
    assert caught.value.where == f"{path}:4"


def test_what_a_call_took() -> None:
    one = outcome(10, cost=0.002)
    took = {
        "output_tokens": 20,
        "input_tokens": 10,
        "tokens": 30,
        "cost_per_1k_calls": 2,
        "latency": 0.5,
    }
    for metric, value in took.items():
        assert Limit(metric, 1).of(one) == value  # type: ignore[arg-type]
    limit = Limit("tokens", 1)
    failure = records.outcome(one.cell, Failure("timeout", "…"))
    assert limit.mean([one, outcome(20), outcome(None), failure]) == 45
    assert limit.mean([failure]) is None


# Searching

COLOURS, SIZES = ("red", "green", "blue", "grey"), ("small", "large", "huge")
ENCODER = Encoder([Category("colour", COLOURS), Category("size", SIZES)])
POINTS = [(colour, size) for colour in COLOURS for size in SIZES]
TOKENS = {"small": 20, "large": 60, "huge": 300}


def learnt(tried: list[tuple[str, str]], calls: int, limit: float = 100) -> Costs:
    """After some calls of each; what they take differs by a third."""
    rng = np.random.default_rng(0)
    costs = Costs([Limit("output_tokens", limit), Limit("latency", 9)])
    for index, (_, size) in enumerate(tried):
        for _ in range(calls):
            costs.take(index, outcome(round(TOKENS[size] / 2 * np.exp(rng.normal(0, 0.3)))))
    costs.fit(ENCODER.encode(tried), ENCODER.groups)
    return costs


def test_levels_tell_what_an_untried_candidate_takes() -> None:
    tried = [p for p in POINTS if p not in (("blue", "huge"), ("blue", "small"))]
    costs = learnt(tried, calls=4)
    assert (costs.excess(ENCODER.encode([("blue", "huge"), ("blue", "small")])) <= 0).tolist() == [
        False,
        True,
    ]
    assert (costs.excess_of_rows() <= 0).tolist() == [size != "huge" for _, size in tried]


def test_a_tried_candidate_is_judged_by_its_own_calls_once_they_are_enough() -> None:
    """It takes 300 tokens though its levels take 20."""
    costs = learnt([p for p in POINTS if p[1] == "small"], calls=20)
    phi = ENCODER.encode([*(p for p in POINTS if p[1] == "small"), ("red", "small")])
    for _ in range(ENOUGH):
        costs.take(4, outcome(150))
    costs.fit(phi, ENCODER.groups)
    assert (costs.excess_of_rows() <= 0).tolist() == [True] * 4 + [False]
    assert costs.excess_of_rows()[4] == pytest.approx(np.log(3))


def test_little_evidence_is_shrunk_to_the_mean() -> None:
    """One long answer is no proof, and without any call nothing is forbidden."""
    costs = learnt(POINTS[:4], calls=0)
    assert (costs.excess_of_rows() <= 0).all()
    assert (costs.excess(ENCODER.encode(POINTS)) <= 0).all()
    for index, tokens in [(0, 30), (0, 30), (1, 30), (1, 30), (2, 30), (2, 30), (3, 60)]:
        costs.take(index, outcome(tokens))
    costs.fit(ENCODER.encode(POINTS[:4]), ENCODER.groups)
    assert np.log(0.6) < costs.excess_of_rows()[3] < np.log(1.2)


def test_the_mean_is_what_is_limited_not_the_typical_call() -> None:
    """Nine short answers and a very long one: 20 tokens at the median, 218 on average."""
    costs = Costs([Limit("output_tokens", 100)])
    for tokens in [10] * 9 + [1000]:
        costs.take(0, outcome(tokens))
    costs.fit(ENCODER.encode(POINTS[:1]), ENCODER.groups)
    assert costs.excess_of_rows()[0] > 0


# Deciding


def standing(name: str, score: float, calls: int = 20) -> Standing:
    estimate = Estimate(score, score - 0.1, score + 0.1, calls)
    return Standing(candidate(name), estimate, "complete", calls, 0, None, 0, 0, 0, 0)


def test_the_best_within_the_limits_is_taken() -> None:
    best, second, third = standing("a", 0.9), standing("b", 0.8), standing("c", 0.7)
    few = standing("d", 0.95, calls=3)
    told = [outcome(tokens, name) for name, tokens in zip("abcd", (90, 60, 20, 20), strict=True)]
    seed = standing("e", 0.1, calls=3)
    told.append(outcome(10, "e"))

    def taken(most: float) -> Standing:
        return best_within([Limit("tokens", most)], best, seed, [best, second, third, few], told)

    assert best_within([], best, seed, [best, second, third, few], told) is best
    assert [taken(most) for most in (300, 200, 100, 50, 10)] == [best, second, third, seed, best]


@pytest.mark.parametrize(
    ("best", "seed", "gain", "use"),
    [
        (30, 10, 0.3, "best"),
        (31, 10, 0.3, "seed"),
        (None, 10, 0.3, "best"),
        (30, 31, -0.05, "best"),  # a tie, and the seed breaks it
        (30, 31, -0.2, "seed"),
        (30, 10, 0.05, "seed"),
    ],
)
def test_the_seed_is_recommended_when_the_best_breaks_a_limit(
    best: int | None, seed: int, gain: float, use: str
) -> None:
    (limit,) = check([Limit("tokens", 90)], [outcome(seed)], [outcome(best)])
    comparison = Comparison(0.5, 0.5 + gain, gain, gain - 0.1, gain + 0.1, 50, 0)
    assert recommend(comparison, kept=kept([limit])).use == use


def test_a_note_says_what_was_broken() -> None:
    def note(seed: float | None, best: float | None) -> str | None:
        return Checked(Limit("tokens", 90), Taken(seed), Taken(best)).note

    assert note(30, 80) is None
    assert note(30, 93) == "the best prompt breaks the limit tokens <= 90: 93"
    assert "so does the seed" in str(note(95, 93))
    assert "not checked" in str(note(None, None))


def test_when_all_break_the_limit_the_cheaper_half_is_searched() -> None:
    assert within(np.array([-1.0, 0.0, 2.0])).tolist() == [True, True, False]
    assert within(np.array([3.0, 1.0, 2.0, 5.0])).tolist() == [False, True, True, False]
    assert within(np.array([1.0, 1.0])).all()


# Whole jobs


def test_a_job_keeps_its_limits(tmp_path: Path) -> None:
    """Without a limit the best prompt takes more."""
    (free,) = run(job(tmp_path, limited(tokens=10_000))).limits
    assert free.best.mean is not None
    most = 0.9 * free.best.mean
    result = run(job(tmp_path, limited(tokens=most)))
    (checked,) = result.limits
    assert result.best.levels != result.seed.levels
    assert checked.best.mean is not None
    assert checked.best.mean <= most
    assert result.to_dict()["limits"] == [
        {
            "metric": "tokens",
            "most": most,
            "least": None,
            "seed": checked.seed.mean,
            "best": checked.best.mean,
            "champion": None,
            "kept": True,
            "state": "kept",
            "shown": None,
        }
    ]


def test_a_limit_that_nothing_keeps_leaves_the_seed(tmp_path: Path) -> None:
    result = run(job(tmp_path, objective=limited(tokens="<= 5")))
    assert result.recommended == "seed"
    assert any("breaks the limit tokens <= 5" in note for note in result.notes)


def test_a_limit_on_cost_needs_a_price(tmp_path: Path) -> None:
    one = job(
        tmp_path,
        objective=limited(cost_per_1k_calls=1.5),
        model={"name": "m", "base_url": "http://127.0.0.1:9/v1"},
    )
    with pytest.raises(InputError, match="needs a price"):
        checked(one)

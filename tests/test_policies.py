"""Every policy keeps the contract of `Policy` (testing/policies.py), without a model.

What only the race or only halving promises is tested beside them.
"""

import random

import pytest

from promptlathe.records import Cell, Example
from promptlathe.search import PolicyName, make_policy
from promptlathe.space import BoundSpace
from promptlathe.testing.policies import Factory, PolicySuite
from promptlathe.testing.searching import ROLES, SPACE, TRAIN, Run, level, proceed, space

POLICIES: list[PolicyName] = ["lathe", "halving", "tpe", "random", "nsga2"]
"""`gp` is left to test_race.py: the race too, with a sampler that takes seconds a test."""


class TestPolicies(PolicySuite):
    """A new policy is added to POLICIES and inherits every test."""

    @pytest.fixture(params=POLICIES)
    def factory(self, request: pytest.FixtureRequest) -> Factory:
        return lambda space, examples, *, seed: make_policy(
            request.param, space, examples, seed=seed
        )


def test_a_level_that_gets_other_examples_right() -> None:
    """`lathe`: those that say most of the old prompts make a new one look worse than it is."""
    many = [Example(f"m{i:03}", {"text": f"question {i}"}, "select") for i in range(160)]

    def rule(cell: Cell) -> float:
        wise, easy = level(cell, "role") == "wise", int(cell.example.id[1:]) < 64
        share = ((0.02, 0.5), (0.35, 0.2))[wise][easy]
        return float(random.Random(f"{cell.key}").random() < share)

    estimates: list[float] = []
    for seed in range(4):
        policy = make_policy("lathe", BoundSpace(SPACE, TRAIN), many, seed=seed)
        done = proceed(Run(policy), rule, slots=4, calls=250, drain=False)
        policy.extend(BoundSpace(space({"wise": "You are wise.", **ROLES}), TRAIN))
        proceed(done, rule, slots=4, calls=600)
        wise = [s for s in policy.standings if dict(s.candidate.levels)["role"] == "wise"]
        found = [(s.estimate.mean, s.cells) for s in wise if s.estimate]
        estimates.append(sum(m * n for m, n in found) / sum(n for _, n in found))
    assert sum(estimates) / 4 == pytest.approx(0.4 * 0.2 + 0.6 * 0.35, abs=0.05)

"""`lathe` on a chain of two prompts whose components act independently."""

import random

import pytest

from promptlathe.records import Answer, Example, Outcome
from promptlathe.search import make_policy
from promptlathe.search.lathe.effects import effects_of
from promptlathe.search.lathe.readout import Readout
from promptlathe.space import BoundSpace, Choice, SearchSpace, join
from promptlathe.testing.records import outcome

SELECT = [Example(f"e{i:02}", {"text": f"question {i}"}, "select") for i in range(60)]


def step(kind: str, template: str) -> SearchSpace:
    return SearchSpace(
        template,
        {
            "role": Choice({f"role{i}": f"You {kind} as number {i}." for i in range(5)}),
            "tone": Choice({"dry": f"{kind} dryly.", "kind": f"{kind} kindly."}),
        },
    )


CHAIN = join(
    {
        "plan": step("plan", "{{ role }} {{ tone }} {{ text }}"),
        "answer": step("answer", "{{ role }} {{ tone }} {{ plan }} {{ text }}"),
    }
)
BOUND = BoundSpace(CHAIN, [])


def searched(seed: int, calls: int = 400) -> tuple[dict[str, object], list[Outcome]]:
    """The best levels: 0.2 is the chance of others, `role3` and `role1` add 0.35 each."""
    rng = random.Random(seed)
    policy = make_policy("lathe", BOUND, SELECT, seed=seed)
    told: list[Outcome] = []
    while len(told) < calls and (cells := policy.propose((), 1)):
        levels = dict(cells[0].candidate.levels)
        helps = (levels["plan.role"] == "role3") + (levels["answer.role"] == "role1")
        value = float(rng.random() < 0.2 + 0.35 * helps)
        told.append(outcome(cells[0], Answer("…", 5, 5), {"score": value}, value))
        policy.tell(told[-1])
    return dict(policy.best.candidate.levels), told


@pytest.mark.parametrize("seed", range(4))
def test_the_best_level_of_both_steps_is_found(seed: int) -> None:
    best, _ = searched(seed)
    assert (best["plan.role"], best["answer.role"]) == ("role3", "role1")


def test_effects_name_levels_by_their_step() -> None:
    _, told = searched(0)
    effects = {(one.component, one.level): one for one in effects_of(Readout(BOUND, told))}
    for best in (("plan.role", "role3"), ("answer.role", "role1")):
        own = {key: one.effect for key, one in effects.items() if key[0] == best[0]}
        assert max(own, key=lambda key: own[key]) == best
        assert effects[best].low > 0

"""What `lathe` takes from answers about the same examples: of other models, of other prompts."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from promptlathe.records import Answer, Example
from promptlathe.search.lathe import Earlier, LathePolicy, SpaceLandscape
from promptlathe.search.lathe.memory import Memory, remember
from promptlathe.search.lathe.model import Data, Fit, fit
from promptlathe.search.lathe.rows import MOST
from promptlathe.space import BoundSpace, SearchSpace
from promptlathe.testing.records import outcome

COUNT = 120
IDS = [f"e{i:03}" for i in range(COUNT)]
PLACE = {one: i for i, one in enumerate(IDS)}
WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")
SPACE = {
    "messages": "{{ a }} {{ b }} {{ text }}",
    "components": {
        name: {"choice": {word: f"{name}, as {word} says" for word in WORDS}} for name in "ab"
    },
}
EFFECTS = dict(zip(WORDS, np.linspace(-1.5, 1.5, 6), strict=True))


def bound() -> BoundSpace:
    return BoundSpace(SearchSpace(**SPACE), ())


def difficulties(seed: int) -> np.ndarray:
    return 2.5 * np.random.default_rng(seed).standard_normal(COUNT)


def answers(
    difficulty: np.ndarray,
    seed: int,
    *,
    model: str = "",
    prompts: int = 10,
    rows: int = 60,
    made: bool = False,
    sign: float = 1.0,
) -> list[Earlier]:
    """Of random prompts on random rows; `sign` turns the effects of the levels over."""
    rng, space = np.random.default_rng(seed), bound()
    told: list[Earlier] = []
    for number in range(prompts):
        levels = {name: str(rng.choice(WORDS)) for name in "ab"}
        u = sign * sum(EFFECTS[level] for level in levels.values())
        prompt = space.candidate(levels).id if made else f"gone {number}"
        for i in rng.permutation(COUNT)[:rows]:
            value = float(rng.random() < 1 / (1 + np.exp(difficulty[i] - u)))
            told.append(Earlier(prompt, levels if made else {}, IDS[i], value, model, made))
    return told


def remembered(earlier: Sequence[Earlier]) -> Memory:
    return remember(earlier, PLACE, SpaceLandscape(bound()))


def fitted(memory: Memory, difficulty: np.ndarray, seed: int) -> Fit:
    """The model of a run: 8 prompts, each of which has met 20 examples."""
    rng = np.random.default_rng(seed)
    landscape = memory.over(SpaceLandscape(bound()))
    levels = [{name: str(rng.choice(WORDS)) for name in "ab"} for _ in range(8)]
    phi = landscape.encoder.encode([landscape.values(tuple(one.items())) for one in levels])
    u = np.array([sum(EFFECTS[level] for level in one.values()) for one in levels])
    y = (rng.random((8, COUNT)) < 1 / (1 + np.exp(difficulty - u[:, None]))).astype(float)
    y[rng.permuted(np.tile(np.arange(COUNT), (8, 1)), axis=1) >= 20] = np.nan
    data = Data(landscape.encoder.groups, phi, y, np.ones(y.shape), memory=memory.experts)
    found = fit(data)
    for _ in range(4):
        found = fit(data, found)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_a_source_is_trusted_when_it_is_right_and_not_when_it_misleads(seed: int) -> None:
    here = difficulties(seed)
    right = fitted(remembered(answers(here, seed)), here, seed)
    wrong = fitted(remembered(answers(difficulties(seed + 50), seed)), here, seed)
    assert right.priors.trust[0] < 0.2
    assert wrong.priors.trust[0] > 0.6


@pytest.mark.parametrize("seed", range(4))
def test_what_is_expected_of_an_example_nobody_asked_here(seed: int) -> None:
    here = difficulties(seed)
    cold = fitted(remembered([]), here, seed)
    warm = fitted(remembered(answers(here, seed, model="other")), here, seed)
    chance = 1 / (1 + np.exp(here))
    errors = [np.mean((one.chance(np.zeros(1))[0] - chance) ** 2) for one in (cold, warm)]
    assert errors[1] < 0.6 * errors[0]


def test_of_two_sources_the_one_that_is_right_is_heard() -> None:
    here = difficulties(1)
    told = answers(here, 1, model="right") + answers(difficulties(2), 2, model="wrong", rows=50)
    trust = fitted(remembered(told), here, 1).priors.trust
    assert trust.sum() == pytest.approx(1)
    assert trust[0] < 0.2
    alone = remembered(answers(difficulties(2), 2, model="wrong", rows=50))
    assert fitted(alone, here, 1).priors.trust[0] > 0.65


def test_without_outcomes_nothing_is_known() -> None:
    memory = remembered([])
    assert (len(memory.experts), memory.information, memory.directions.shape[1]) == (0, None, 0)
    assert np.isinf(memory.rank).all()
    landscape = SpaceLandscape(bound())
    assert memory.over(landscape) is landscape
    away = remembered([Earlier("p", {}, "another example", 1.0, "m")])
    assert (len(away.experts), away.information) == (0, None)
    assert np.isinf(away.rank).all()


def test_an_expert_is_a_distribution_for_each_example() -> None:
    memory = remembered(answers(difficulties(0), 0))
    assert memory.experts.shape[1:] == (COUNT, 25)
    assert memory.experts.sum(2) == pytest.approx(np.ones(memory.experts.shape[:2]))
    assert memory.information is not None
    assert memory.information.shape == (COUNT,)
    assert sorted(memory.rank) == [*range(min(COUNT, MOST)), *[np.inf] * (COUNT - MOST)]
    other = remembered(answers(difficulties(0), 0, model="other"))
    assert np.isinf(other.rank).all(), "what tells another model's prompts apart is no guide"
    assert other.information is not None


@pytest.mark.parametrize("seed", range(3))
def test_levels_that_another_model_liked_are_expected_to_be_good(seed: int) -> None:
    here = difficulties(seed)
    memory = remembered(answers(here, seed, model="other", prompts=25, made=True))
    landscape = memory.over(SpaceLandscape(bound()))
    good, bad = (
        landscape.encoder.encode([landscape.values((("a", w), ("b", w)))])
        for w in ("zeta", "alpha")
    )
    found = fitted(memory, here, seed)
    assert found.predict(good)[0] > found.predict(bad)[0] + 1
    suggested = landscape.suggest(
        np.random.default_rng(0),
        count=1,
        leaders=[],
        weights=np.eye(landscape.encoder.width)[:, -1:],
    )
    assert (("a", "zeta"), ("b", "zeta")) in suggested


def test_levels_that_another_model_liked_wrongly_are_given_up() -> None:
    here = difficulties(0)
    policies = []
    for sign in (1.0, -1.0):
        told = answers(here, 0, model="other", prompts=25, made=True, sign=sign)
        policies.append(searched(told, here, 400))
    for policy in policies:
        levels = dict(policy.best.candidate.levels)
        assert sum(EFFECTS[str(level)] for level in levels.values()) > 1.4


def searched(told: Sequence[Earlier], here: np.ndarray, calls: int) -> LathePolicy:
    examples = [Example(one, {"text": one}, "select") for one in IDS]
    policy = LathePolicy(bound(), examples, study=None, seed=0, earlier=told)
    rng = np.random.default_rng(5)
    for _ in range(calls):
        cells = policy.propose((), 1)
        if not cells:
            break
        [cell] = cells
        u = sum(EFFECTS[str(level)] for _, level in cell.candidate.levels)
        chance = 1 / (1 + np.exp(here[PLACE[cell.example.id]] - u))
        value = float(rng.random() < chance)
        policy.tell(outcome(cell, Answer("a", 1, 1), {"score": value}, value))
    policy.close()
    return policy


def test_of_a_prompt_with_a_level_that_is_gone_the_others_count() -> None:
    landscape = SpaceLandscape(bound())
    assert landscape.left({"a": "zeta", "b": "gone", "c": "new"}) == ["zeta", None]
    assert landscape.left({}) == [None, None]
    here = difficulties(3)
    told = [
        replace(one, levels={**one.levels, "b": "gone"}, made=False)
        for one in answers(here, 3, prompts=25, made=True)
    ]
    direction = remembered(told).directions[:, 0]
    good, bad = landscape.encoder.encode([["zeta", None], ["alpha", None]]) @ direction
    assert good > bad


def test_a_prompt_that_the_space_makes_is_known_and_not_heard() -> None:
    here = difficulties(0)
    told = answers(here, 0, prompts=3, made=True)
    policy = searched(told, here, 5)
    cells = {(one.prompt, one.example) for one in told}
    assert sum(s.estimate.n for s in policy.standings if s.estimate) >= 5
    assert policy.propose((), 1)
    asked = {(c.candidate.id, c.example.id) for c in policy.propose((), 50) if not c.repeat}
    assert asked
    assert not asked & cells


def test_the_order_of_the_outcomes_of_other_cells_does_not_matter() -> None:
    told = answers(difficulties(0), 0) + answers(difficulties(1), 1, model="other")
    one, other = remembered(told), remembered(sorted(told, key=lambda e: (e.example, e.prompt)))
    assert one.experts == pytest.approx(other.experts, abs=1e-6)

"""The contract of `Policy`, on every policy, without a model: outcomes are made here."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec

import pytest

from promptlathe.records import Answer, Cell, Example, Failure, Outcome, Standing
from promptlathe.search import Policy, RacePolicy, SamplerName, Study
from promptlathe.space import BoundSpace, Choice, Demos, SearchSpace

EXAMPLES = [Example(f"e{i:02}", {"text": f"question {i}"}, "select") for i in range(36)]
TRAIN = [Example(f"t{i}", {"text": f"shown {i}"}, "train") for i in range(6)]
SPACE = SearchSpace(
    messages={"system": "{{ role }} {{ style }} {{ extra }}", "user": "{{ demos }} {{ text }}"},
    components={
        "role": Choice({"plain": "You answer.", "expert": "You are an expert.", "none": None}),
        "style": Choice({"short": "Be short.", "long": "Explain.", "json": "As JSON."}),
        "extra": Choice({"a": "A.", "b": "B.", "c": "C."}, when={"style": "long"}),
        "demos": Demos(count=(0, 3), template="{{ text }}", draws=2),
    },
    constraints=[{"forbid": {"style": "json", "demos.count": "> 0"}}],
)
TINY = SearchSpace(
    messages="{{ role }} {{ text }}", components={"role": Choice({"one": "One.", "two": "Two."})}
)
SAMPLERS: list[SamplerName] = ["tpe", "random", "nsga2"]
if find_spec("torch"):
    SAMPLERS.append("gp")

Make = Callable[..., Policy]


@pytest.fixture(params=SAMPLERS)
def make(request: pytest.FixtureRequest) -> Make:
    """Makes the policy under test; a new policy is added here and inherits every test."""

    def race(space: SearchSpace = SPACE, examples: list[Example] = EXAMPLES, seed: int = 0):
        study = Study(space, sampler=request.param, seed=seed, name="test", path=None)
        return RacePolicy(BoundSpace(space, TRAIN), examples, study=study, seed=seed)

    return race


def outcome(cell: Cell, value: float | None, tokens: int | None = 20) -> Outcome:
    if value is None:
        return Outcome(cell, Failure("timeout", "no answer"))
    half = None if tokens is None else tokens // 2
    return Outcome(cell, Answer("answer", half, half), {"score": value}, value)


Rule = Callable[[Cell], float | None]


def quality(cell: Cell) -> float:
    """A world where `expert`, `long` and demos help, each example with its own difficulty."""
    levels = dict(cell.candidate.levels)
    chance = 0.3 + 0.25 * (levels["role"] == "expert") + 0.2 * (levels["style"] == "long")
    chance += 0.05 * int(levels["demos.count"])
    return float(random.Random(f"{cell.key}").random() < chance)


@dataclass
class Run:
    """What happened: every cell in the order of proposal, every outcome in the order told."""

    policy: Policy
    proposed: list[Cell] = field(default_factory=list)
    told: list[Outcome] = field(default_factory=list)
    settled: list[Standing] = field(default_factory=list)
    pending: list[Cell] = field(default_factory=list)

    @property
    def keys(self) -> list[tuple[str, str, int]]:
        return [cell.key for cell in self.proposed]


def run(
    policy: Policy, rule: Rule, *, slots: int = 1, calls: int = 400, shuffle: int | None = None
) -> Run:
    """Keep `slots` cells under way until `calls` are sent; tell in order, or shuffled."""
    done = Run(policy)
    rng = random.Random(shuffle)
    while True:
        free = min(slots - len(done.pending), calls - len(done.proposed))
        if free > 0:
            new = list(policy.propose(tuple(done.pending), free))
            assert len(new) <= free
            done.proposed += new
            done.pending += new
        if not done.pending:
            return done
        cell = done.pending.pop(0 if shuffle is None else rng.randrange(len(done.pending)))
        done.told.append(outcome(cell, rule(cell)))
        done.settled += policy.tell(done.told[-1])


WAYS = [{"slots": 1}, {"slots": 8}, {"slots": 8, "shuffle": 1}, {"slots": 64, "shuffle": 2}]


@pytest.mark.parametrize("way", WAYS)
def test_no_cell_is_proposed_twice(make: Make, way: dict[str, int]) -> None:
    keys = run(make(), quality, **way).keys
    assert len(keys) == 400
    assert len(set(keys)) == len(keys)


def test_candidates_obey_constraints_and_conditions(make: Make) -> None:
    candidates = {cell.candidate for cell in run(make(), quality, slots=8).proposed}
    assert len(candidates) > 5
    for candidate in candidates:
        levels = dict(candidate.levels)
        assert SPACE.allows(levels)
        assert ("extra" in levels) == (levels["style"] == "long")
        assert levels == SPACE.canonical(levels)


@pytest.mark.parametrize("way", WAYS)
def test_the_seed_prompt_meets_every_example(make: Make, way: dict[str, int]) -> None:
    policy = make()
    met = {
        o.cell.example.id
        for o in run(policy, quality, **way).told
        if o.cell.candidate == policy.seed.candidate
    }
    assert met == {example.id for example in EXAMPLES}
    assert policy.seed.state == "complete"


def test_best_is_the_seed_before_any_evidence(make: Make) -> None:
    policy = make()
    assert policy.best == policy.seed
    assert dict(policy.best.candidate.levels) == SPACE.seed_levels
    assert policy.best.estimate is None
    policy.propose((), 100)
    assert policy.best == policy.seed


def test_with_one_call_in_flight_a_seed_gives_one_course(make: Make) -> None:
    first, second = (run(make(), quality).keys for _ in range(2))
    assert first == second
    assert run(make(seed=1), quality).keys != first


@pytest.mark.parametrize("shuffle", range(2))
def test_the_order_of_outcomes_decides_everything(make: Make, shuffle: int) -> None:
    first, second = (run(make(), quality, slots=16, shuffle=shuffle) for _ in range(2))
    assert first.keys == second.keys
    assert first.settled == second.settled
    assert first.policy.best == second.policy.best


def test_a_better_prompt_is_found_and_no_clearly_worse_one_stays(make: Make) -> None:
    """`json` never answers right here: who has it must go, and not be the best."""

    def rule(cell: Cell) -> float:
        return 0.0 if dict(cell.candidate.levels)["style"] == "json" else quality(cell)

    policy = run(make(), rule, slots=8, calls=700).policy
    seed, best = policy.seed.estimate, policy.best.estimate
    assert seed
    assert best
    assert best.mean > seed.mean
    assert best.n == len(EXAMPLES)
    hopeless = [s for s in policy.standings if dict(s.candidate.levels)["style"] == "json"]
    assert hopeless
    assert all(s.state == "dropped" for s in hopeless if s.calls >= 16)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("share", [0.2, 1.0])
def test_failures_are_no_zeros(make: Make, share: float, way: dict[str, int]) -> None:
    def rule(cell: Cell) -> float | None:
        fails = random.Random(f"fails {cell.key}").random() < share
        return None if fails else 1.0

    for standing in run(make(), rule, **way).policy.standings:
        if standing.estimate:
            assert standing.estimate.mean == 1.0
            assert standing.estimate.n == standing.calls - standing.failures
        else:
            assert standing.failures == standing.calls


def test_who_never_answers_leaves_and_never_leads(make: Make) -> None:
    def rule(cell: Cell) -> float | None:
        return None if dict(cell.candidate.levels)["role"] == "expert" else -1.0

    policy = run(make(), rule, slots=4, calls=500).policy
    silent = [s for s in policy.standings if dict(s.candidate.levels)["role"] == "expert"]
    assert silent
    assert all(s.state == "dropped" and s.estimate is None for s in silent if s.calls == 16)
    assert policy.best.estimate is not None


def test_a_seed_that_never_answers_is_no_match(make: Make) -> None:
    """Scores below zero: worse than nothing, if nothing were a score."""
    policy = make()
    seed = policy.seed.candidate
    run(policy, lambda cell: None if cell.candidate == seed else -0.5, slots=4)
    assert policy.seed.estimate is None
    assert policy.best.candidate != seed


def test_an_example_that_always_fails_costs_nobody_the_race(make: Make) -> None:
    policy = run(
        make(), lambda cell: None if cell.example.id == "e05" else quality(cell), slots=4
    ).policy
    complete = [s for s in policy.standings if s.state == "complete"]
    assert complete
    assert all(s.estimate and s.estimate.n == len(EXAMPLES) - 1 for s in complete)


@pytest.mark.parametrize("score", [0.0, 1.0, 0.5])
def test_equal_scores_drop_nobody_and_the_seed_stays_best(make: Make, score: float) -> None:
    policy = run(make(), lambda cell: score, slots=8).policy
    assert policy.best == policy.seed
    assert {s.state for s in policy.standings} <= {"complete", "running"}
    assert sum(s.state == "complete" for s in policy.standings) > 5


def test_outcomes_that_never_come_hold_up_nothing(make: Make) -> None:
    policy = make()
    lost: list[Cell] = []
    pending: list[Cell] = []
    told = 0
    while told < 300:
        pending += policy.propose((*lost, *pending), 8 - len(pending))
        cell = pending.pop(0)
        if len(lost) < 3 and cell.example.id.endswith("3"):
            lost.append(cell)
            continue
        policy.tell(outcome(cell, quality(cell)))
        told += 1
    policy.close()
    assert len(lost) == 3
    assert policy.best.estimate is not None


@pytest.mark.parametrize("slots", [1, 3, 100])
def test_a_tiny_space_ends_with_a_reason(make: Make, slots: int) -> None:
    policy = make(TINY)
    assert policy.finish_reason is None
    done = run(
        policy, lambda cell: float("two" in dict(cell.candidate.levels).values()), slots=slots
    )
    assert len(done.proposed) == 2 * len(EXAMPLES)
    assert policy.finish_reason
    assert list(policy.propose((), 10)) == []
    assert dict(policy.best.candidate.levels) == {"role": "two"}
    policy.close()


@pytest.mark.parametrize("count", [1, 15, 16, 17, 33])
def test_any_number_of_examples(make: Make, count: int) -> None:
    policy = run(make(examples=EXAMPLES[:count]), quality, slots=4, calls=count * 6).policy
    assert policy.seed.calls == count
    assert all(s.calls <= count for s in policy.standings)


def test_standings_add_up(make: Make) -> None:
    done = run(make(), quality, slots=8, shuffle=3)
    standings = done.policy.standings
    assert sum(s.calls for s in standings) == len(done.told)
    assert sum(s.tokens or 0 for s in standings) == 20 * len(done.told)
    order = list(dict.fromkeys(cell.candidate.id for cell in done.proposed))
    assert [s.candidate.id for s in standings] == order
    numbers = [s.number for s in standings]
    assert numbers == sorted(set(numbers))
    final = {s.number: s for s in standings if s.state != "running"}
    assert {s.number: s for s in done.settled} == final

"""The contract of `Policy`, on every policy, without a model: outcomes are made here.

A policy may pay for whole candidates or for single cells, repeat a cell (`Cell.repeat`), and stop
when it is sure, as long as it says why. What only the race or only halving promises is tested
beside them.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from promptlathe.records import Answer, Cell, Example, Failure, Outcome, Standing
from promptlathe.search import Policy, PolicyName, make_policy
from promptlathe.space import BoundSpace, Choice, Demos, SearchSpace
from promptlathe.testing import records

EXAMPLES = [Example(f"e{i:02}", {"text": f"question {i}"}, "select") for i in range(36)]
SAME = [Example(f"s{i:02}", {"text": "the same question"}, "select") for i in range(36)]
TRAIN = [Example(f"t{i}", {"text": f"shown {i}"}, "train") for i in range(6)]
ROLES = {"plain": "You answer.", "expert": "You are an expert.", "none": None}


def space(roles: dict[str, str | None]) -> SearchSpace:
    return SearchSpace(
        messages={"system": "{{ role }} {{ style }} {{ extra }}", "user": "{{ demos }} {{ text }}"},
        components={
            "role": Choice(roles),
            "style": Choice({"short": "Be short.", "long": "Explain.", "json": "As JSON."}),
            "extra": Choice({"a": "A.", "b": "B.", "c": "C."}, when={"style": "long"}),
            "demos": Demos(count=(0, 3), template="{{ text }}", draws=2),
        },
        constraints=[{"forbid": {"style": "json", "demos.count": "> 0"}}],
    )


def tiny(roles: dict[str, str | None]) -> SearchSpace:
    return SearchSpace(messages="{{ role }} {{ text }}", components={"role": Choice(roles)})


TWO: dict[str, str | None] = {"one": "One.", "two": "Two."}
SPACE, TINY = space(ROLES), tiny(TWO)
POLICIES: list[PolicyName] = ["lathe", "halving", "tpe", "random", "nsga2"]
"""`gp` is left to test_race.py: the race too, with a sampler that takes seconds a test."""

NEAR = 0.06
"""A policy may predict cells that it did not pay for, in its estimate of a mean."""

Make = Callable[..., Policy]


@pytest.fixture(params=POLICIES)
def make(request: pytest.FixtureRequest) -> Make:
    """Makes the policy under test; a new policy is added to POLICIES and inherits every test."""

    def policy(
        space: SearchSpace = SPACE, examples: list[Example] = EXAMPLES, seed: int = 0
    ) -> Policy:
        return make_policy(request.param, BoundSpace(space, TRAIN), examples, seed=seed)

    return policy


def outcome(cell: Cell, value: float | None, tokens: int | None = 20) -> Outcome:
    if value is None:
        return records.outcome(cell, Failure("timeout", "no answer"))
    half = None if tokens is None else tokens // 2
    return records.outcome(cell, Answer("answer", half, half), {"score": value}, value)


Rule = Callable[[Cell], float | None]
Key = tuple[str, str, int]


def level(cell: Cell, name: str) -> object:
    return dict(cell.candidate.levels).get(name)


def chance(levels: dict[str, object]) -> float:
    """A world where `expert`, `long` and demos help, and `json` never answers right."""
    if levels["style"] == "json":
        return 0.0
    helps = 0.25 * (levels["role"] == "expert") + 0.2 * (levels["style"] == "long")
    return 0.3 + helps + 0.05 * int(str(levels["demos.count"]))


def quality(cell: Cell) -> float:
    """Each answer with the candidate's chance."""
    return float(random.Random(f"{cell.key}").random() < chance(dict(cell.candidate.levels)))


@dataclass
class Run:
    """What happened: every cell in the order of proposal, every outcome in the order told."""

    policy: Policy
    proposed: list[Cell] = field(default_factory=list[Cell])
    told: list[Outcome] = field(default_factory=list[Outcome])
    settled: list[Standing] = field(default_factory=list[Standing])
    pending: list[Cell] = field(default_factory=list[Cell])

    @property
    def keys(self) -> list[Key]:
        return [cell.key for cell in self.proposed]


def run(
    policy: Policy, rule: Rule, *, slots: int = 1, calls: int = 400, shuffle: int | None = None
) -> Run:
    """Keep `slots` cells under way until `calls` are sent or the policy has nothing left.

    Outcomes are told in order, or shuffled.
    """
    return proceed(Run(policy), rule, slots=slots, calls=calls, shuffle=shuffle)


def proceed(
    done: Run,
    rule: Rule,
    *,
    slots: int = 1,
    calls: int = 400,
    shuffle: int | None = None,
    drain: bool = True,
) -> Run:
    """Go on with a run; without `drain` it ends as soon as all `calls` are sent."""
    rng = random.Random(shuffle)
    while True:
        free = min(slots - len(done.pending), calls - len(done.proposed))
        if free > 0:
            new = list(done.policy.propose(tuple(done.pending), free))
            assert len(new) <= free
            done.proposed += new
            done.pending += new
        if not done.pending or (not drain and len(done.proposed) == calls):
            assert len(done.proposed) == calls or done.policy.finish_reason
            return done
        cell = done.pending.pop(0 if shuffle is None else rng.randrange(len(done.pending)))
        done.told.append(outcome(cell, rule(cell)))
        done.settled += done.policy.tell(done.told[-1])


WAYS = [{"slots": 1}, {"slots": 8}, {"slots": 8, "shuffle": 1}, {"slots": 64, "shuffle": 2}]


@pytest.mark.parametrize("way", WAYS)
def test_no_cell_is_proposed_twice(make: Make, way: dict[str, int]) -> None:
    keys = run(make(), quality, **way).keys
    assert len(keys) > 50
    assert len(set(keys)) == len(keys)


def test_candidates_obey_constraints_and_conditions(make: Make) -> None:
    candidates = {cell.candidate for cell in run(make(), quality, slots=8).proposed}
    assert len(candidates) > 5
    for candidate in candidates:
        levels = dict(candidate.levels)
        assert SPACE.allows(levels)
        assert ("extra" in levels) == (levels["style"] == "long")
        assert levels == SPACE.canonical(levels)


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


@pytest.mark.parametrize("way", WAYS)
def test_a_better_prompt_is_found(make: Make, way: dict[str, int]) -> None:
    best = run(make(), quality, calls=700, **way).policy.best
    assert chance(dict(best.candidate.levels)) > chance(dict(SPACE.seed_levels))
    assert best.estimate
    assert best.estimate.mean > 0.3


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("share", [0.2, 1.0])
def test_failures_are_no_zeros(make: Make, share: float, way: dict[str, int]) -> None:
    def rule(cell: Cell) -> float | None:
        fails = random.Random(f"fails {cell.key}").random() < share
        return None if fails else 1.0

    done = run(make(), rule, **way)
    for standing in done.policy.standings:
        if standing.estimate:
            own = [o for o in done.told if o.cell.candidate == standing.candidate]
            answered = {o.cell.example.id for o in own if o.value is not None}
            assert standing.estimate.mean == 1.0
            assert standing.estimate.n == len(answered)
        else:
            assert standing.failures == standing.cells


def test_who_never_answers_never_leads(make: Make) -> None:
    """Scores below zero: worse than nothing, if nothing were a score."""
    policy = run(
        make(), lambda cell: None if level(cell, "role") == "expert" else -1.0, slots=4, calls=500
    ).policy
    silent = [s for s in policy.standings if dict(s.candidate.levels)["role"] == "expert"]
    assert all(s.estimate is None for s in silent)
    assert policy.best.estimate is not None


def test_a_seed_that_never_answers_is_no_match(make: Make) -> None:
    policy = make()
    seed = policy.seed.candidate
    run(policy, lambda cell: None if cell.candidate == seed else -0.5, slots=4)
    assert policy.seed.estimate is None
    assert policy.best.candidate != seed


def test_a_lucky_answer_among_failures_does_not_lead(make: Make) -> None:
    """`expert` answers one question in ten, and that one right; the others answer half right."""

    def rule(cell: Cell) -> float | None:
        number = int(cell.example.id[1:])
        if level(cell, "role") == "expert":
            return 1.0 if number % 10 == 0 else None
        return float(number % 2)

    best = run(make(), rule, slots=4, calls=600).policy.best
    assert dict(best.candidate.levels)["role"] != "expert"


@pytest.mark.parametrize("way", WAYS)
def test_an_example_that_always_fails_is_left_out(make: Make, way: dict[str, int]) -> None:
    policy = run(
        make(),
        lambda cell: None if cell.example.id == "e05" else quality(cell),
        calls=700,
        **way,
    ).policy
    assert chance(dict(policy.best.candidate.levels)) > chance(dict(SPACE.seed_levels))


@pytest.mark.parametrize("score", [0.0, 1.0, 0.5, -2.0])
def test_equal_scores_leave_the_seed_best(make: Make, score: float) -> None:
    policy = run(make(), lambda cell: score, slots=8).policy
    assert policy.best == policy.seed
    assert policy.best.estimate
    assert policy.best.estimate.mean == score


@pytest.mark.parametrize("best", [1.0, 0.6, -1.0])
def test_equal_examples(make: Make, best: float) -> None:
    """Identical rows: the score depends on the candidate only, two of three roles tie."""

    def rule(cell: Cell) -> float:
        return best if level(cell, "role") != "plain" else best - 0.5

    policy = run(make(examples=SAME), rule, slots=4, calls=600).policy
    assert dict(policy.best.candidate.levels)["role"] != "plain"
    assert policy.best.estimate
    assert policy.best.estimate.mean == pytest.approx(best, abs=NEAR)


def test_outcomes_that_never_come_hold_up_nothing(make: Make) -> None:
    policy = make()
    lost: list[Cell] = []
    pending: list[Cell] = []
    told = 0
    while told < 300:
        pending += policy.propose((*lost, *pending), 8 - len(pending))
        if not pending:
            assert policy.finish_reason
            break
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
    done = run(policy, lambda cell: float(level(cell, "role") == "two"), slots=slots)
    assert len({key[:2] for key in done.keys}) <= 2 * len(EXAMPLES)
    assert policy.finish_reason
    assert list(policy.propose((), 10)) == []
    assert dict(policy.best.candidate.levels) == {"role": "two"}
    policy.close()


@pytest.mark.parametrize("slots", [1, 100])
def test_a_space_of_one_candidate_ends_with_its_seed(make: Make, slots: int) -> None:
    """Two levels that make the same prompt."""
    policy = make(tiny({"none": None, "empty": ""}))
    done = run(policy, lambda cell: float(cell.example.id < "e20"), slots=slots)
    assert {cell.candidate for cell in done.proposed} <= {policy.seed.candidate}
    assert policy.finish_reason
    assert policy.best == policy.seed
    policy.close()


@pytest.mark.parametrize("count", [1, 15, 16, 17, 33])
def test_any_number_of_examples(make: Make, count: int) -> None:
    done = run(make(examples=EXAMPLES[:count]), quality, slots=4, calls=count * 6)
    met = {(cell.candidate.id, cell.example.id) for cell in done.proposed}
    assert len({candidate for candidate, _ in met}) > 1
    done.policy.close()


def test_standings_add_up(make: Make) -> None:
    done = run(make(), quality, slots=8, shuffle=3)
    standings = done.policy.standings
    assert sum(s.cells for s in standings) == len(done.told)
    assert sum(s.tokens or 0 for s in standings) == 20 * len(done.told)
    repeats = sum(cell.repeat > 0 for cell in done.proposed)
    assert sum(s.estimate.n for s in standings if s.estimate) == len(done.told) - repeats
    assert_in_order(done)
    final = {s.number: s.state for s in standings if s.state != "running"}
    assert {s.number: s.state for s in done.settled} == final
    assert len(done.settled) == len(final)


def assert_in_order(done: Run) -> None:
    """Standings stand in the order of first proposal, with numbers that only grow."""
    order = list(dict.fromkeys(cell.candidate.id for cell in done.proposed))
    standings = done.policy.standings
    assert [s.candidate.id for s in standings] == order
    numbers = [s.number for s in standings]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("way", WAYS)
def test_a_level_added_mid_run(make: Make, way: dict[str, int]) -> None:
    """`wise` is better than all before; cells are under way when it is added."""

    def rule(cell: Cell) -> float:
        return 1.0 if level(cell, "role") == "wise" else quality(cell)

    policy = make()
    done = proceed(Run(policy), rule, **way, calls=150, drain=False)
    before, best = policy.standings, policy.best
    grown = space({"plain": ROLES["plain"], "wise": "You are wise.", **ROLES})
    policy.extend(BoundSpace(grown, TRAIN))
    assert policy.standings == before
    assert policy.best == best
    assert policy.finish_reason is None
    proceed(done, rule, **way, calls=900)
    assert len(set(done.keys)) == len(done.keys)
    assert any(level(cell, "role") == "wise" for cell in done.proposed)
    assert sum(s.cells for s in policy.standings) == len(done.told)
    assert [(s.number, s.candidate) for s in policy.standings[: len(before)]] == [
        (s.number, s.candidate) for s in before
    ]
    assert_in_order(done)
    assert dict(policy.best.candidate.levels)["role"] == "wise"
    policy.close()


@pytest.mark.parametrize("slots", [1, 100])
def test_a_level_added_at_the_end_goes_on(make: Make, slots: int) -> None:
    def rule(cell: Cell) -> float:
        return ["one", "two", "three"].index(str(level(cell, "role"))) / 2

    policy = make(TINY)
    done = run(policy, rule, slots=slots)
    assert policy.finish_reason
    policy.extend(BoundSpace(tiny({**TWO, "three": "Three."}), TRAIN))
    proceed(done, rule, slots=slots)
    assert dict(policy.best.candidate.levels) == {"role": "three"}
    assert len(set(done.keys)) == len(done.keys)
    assert policy.finish_reason
    assert policy.best.estimate
    assert policy.best.estimate.mean == pytest.approx(1, abs=NEAR)


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

"""The race's documented test, and what Optuna's stored study is told."""

import math
import random
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from promptlathe.records import Answer, Cell, Example, Failure, Outcome, Standing
from promptlathe.search import RacePolicy, SamplerName, Study
from promptlathe.search.race import ALPHA
from promptlathe.search.stats import estimate, worse_probability
from promptlathe.space import BoundSpace, Choice, Float, SearchSpace
from promptlathe.testing import records

SPACE = SearchSpace(
    messages="{{ role }} {{ text }}",
    components={"role": Choice({name: f"You are {name}." for name in "abcdefghijkl"})},
    model={"temperature": Float(0, 1)},
)
EXAMPLES = [Example(f"e{i:02}", {"text": str(i)}, "select") for i in range(64)]


def race(
    path: Path | None = None,
    *,
    sampler: SamplerName = "random",
    space: SearchSpace = SPACE,
    examples: Sequence[Example] = EXAMPLES,
) -> RacePolicy:
    study = Study(space, sampler=sampler, seed=0, name="race", path=path)
    return RacePolicy(BoundSpace(space, []), examples, study=study, seed=0)


SAMPLERS: list[SamplerName] = ["tpe", "random", "nsga2"]
if find_spec("torch"):
    SAMPLERS.append("gp")


class Runner:
    """Feeds one candidate after the other, in the order in which they enter."""

    def __init__(self, policy: RacePolicy) -> None:
        self.policy = policy
        self.settled: list[Standing] = []
        self.waiting: list[Cell] = []

    def next(self) -> Cell:
        if not self.waiting:
            self.waiting = list(self.policy.propose((), 1))
        return self.waiting.pop(0)

    def feed(self, scores: Sequence[float | None], *, tokens: int = 10) -> list[Standing]:
        """The next cells get these scores; what they settled."""
        settled: list[Standing] = []
        first: Cell | None = None
        for score in scores:
            cell = self.next()
            first = first or cell
            assert cell.candidate == first.candidate
            settled += self.policy.tell(outcome(cell, score, tokens))
        self.settled += settled
        return settled


def outcome(cell: Cell, score: float | None, tokens: int = 10) -> Outcome:
    if score is None:
        return records.outcome(cell, Failure("timeout", "no answer"))
    return records.outcome(cell, Answer("x", tokens - 1, 1), {"score": score}, score)


def course(
    policy: RacePolicy, rule: Callable[[Cell], float | None], *, slots: int = 1, calls: int = 400
) -> list[Cell]:
    """Keep `slots` calls under way, answered in a shuffled order; every cell proposed."""
    rng, proposed, pending = random.Random(slots), list[Cell](), list[Cell]()
    while True:
        free = min(slots - len(pending), calls - len(proposed))
        new = list(policy.propose(tuple(pending), free)) if free > 0 else []
        proposed += new
        pending += new
        if not pending:
            return proposed
        cell = pending.pop(rng.randrange(len(pending)))
        policy.tell(outcome(cell, rule(cell)))


def coin(cell: Cell) -> float:
    return float(random.Random(f"{cell.key}").random() < 0.5)


HALF = [1.0, 0.0] * 32
"""The seed's scores: 1 on every other example of the race's order."""


def after_the_seed(policy: RacePolicy | None = None, *, tokens: int = 10) -> Runner:
    runner = Runner(policy or race())
    [seed] = runner.feed(HALF, tokens=tokens)
    assert seed.state == "complete"
    assert seed.number == 0
    return runner


def worse(count: int, times: int) -> list[float]:
    """As the seed on `count` examples, but wrong on the first `times` that the seed got right."""
    scores = HALF[:count]
    return [0.0 if i < 2 * times else score for i, score in enumerate(scores)]


def test_all_meet_the_same_examples_in_the_same_order() -> None:
    policy, met = race(), {}
    for _ in range(200):
        [cell] = policy.propose((), 1)
        met.setdefault(cell.candidate.id, []).append(cell.example.id)
        policy.tell(outcome(cell, 1.0))
    assert len(met) == 4
    first = next(iter(met.values()))
    assert sorted(first) == [example.id for example in EXAMPLES]
    assert all(order == first[: len(order)] for order in met.values())
    assert first != sorted(first)


def test_losers_leave_at_16_32_and_64_examples_only() -> None:
    runner = after_the_seed()
    left_at: list[int] = []
    for lost_after in (0, 15, 16, 31, 33, 62):
        for met in range(1, 65):
            if runner.feed([HALF[met - 1] if met <= lost_after else 0.0]):
                left_at.append(met)
                break
    assert left_at == [16, 32, 32, 64, 64, 64]


def test_the_paired_test_is_the_documented_one() -> None:
    """Bonett & Price's adjustment by hand: 2 of 16 pairs lost, with a win and a loss added."""
    differences = [-1.0, -1.0] + [0.0] * 14
    n, total, squares = 18, -2.0, 4.0
    variance = (squares - total**2 / n) / (n - 1)
    z = (total / n) / math.sqrt(variance / n)
    assert worse_probability(differences) == pytest.approx(0.5 * math.erfc(-z / math.sqrt(2)))
    assert worse_probability([0.1 * d for d in differences]) == pytest.approx(
        worse_probability(differences)
    )
    assert worse_probability([]) == worse_probability([0.0] * 50) == 1.0


@pytest.mark.parametrize("lost", range(5))
def test_a_candidate_is_dropped_when_the_test_says_so(lost: int) -> None:
    scores = worse(16, lost)
    differences = [b - a for a, b in zip(HALF, scores, strict=False)]
    runner = after_the_seed()
    settled = runner.feed(scores)
    expected = sum(differences) < 0 and worse_probability(differences) < ALPHA
    assert [s.state for s in settled] == (["dropped"] if expected else [])
    assert expected == (lost >= 2)


def test_pairs_are_examples_that_both_have_answered() -> None:
    """Wrong where the leader gave no answer, else equal: not a loss."""
    silent = [None if i < 8 else 1.0 for i in range(64)]
    runner = Runner(race())
    runner.feed(silent)
    assert runner.feed([0.0 if i < 8 else 1.0 for i in range(16)]) == []


def test_the_leader_is_the_best_of_those_that_met_every_example() -> None:
    runner = after_the_seed()
    better = [1.0, 1.0, 1.0, 0.0] * 16
    [second] = runner.feed(better)
    assert runner.policy.best == second
    # As good as the seed, and worse than the new leader: it must go.
    assert [s.state for s in runner.feed(HALF[:16])] == ["dropped"]


def test_who_is_clearly_ahead_when_the_budget_ends_is_the_best() -> None:
    """Not before the first comparison."""
    runner = after_the_seed()
    runner.feed([1.0] * 15)
    assert runner.policy.best == runner.policy.seed
    runner.feed([1.0])
    assert runner.policy.best.number == 1
    runner.feed([0.0] * 12 + HALF[28:32])
    assert runner.policy.best == runner.policy.seed


@pytest.mark.parametrize("met", [24, 64])
def test_lucky_answers_among_failures_do_not_lead(met: int) -> None:
    """Three of four calls fail; the others are right where the seed is wrong."""
    runner = after_the_seed()
    runner.feed([1.0 if i % 4 == 1 else None for i in range(met)])
    assert runner.policy.best == runner.policy.seed


def test_ties_go_to_the_cheaper_then_to_the_earlier() -> None:
    runner = after_the_seed()
    [dearer] = runner.feed(HALF, tokens=11)
    assert runner.policy.best.number == 0
    [cheaper] = runner.feed(HALF, tokens=9)
    assert runner.policy.best == cheaper
    runner.feed(HALF, tokens=9)
    assert runner.policy.best == cheaper
    assert dearer.number < cheaper.number


def test_intervals_of_means() -> None:
    assert estimate([]) is None
    found = estimate([1.0] * 9 + [0.0])  # Wilson: 0.5958 to 0.9821
    assert found
    assert (found.mean, found.n) == (0.9, 10)
    assert (found.low, found.high) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    wide = estimate([5.0, 7.0])
    assert wide
    assert (wide.low + wide.high) / 2 == pytest.approx(6.0)
    assert estimate([5.0]).low == -math.inf  # type: ignore[union-attr]
    for n in range(1, 200):  # the mean is within, whatever rounding does
        for same in (0.0, 1.0):
            found = estimate([same] * n)
            assert found
            assert found.low <= found.mean <= found.high


def stored(path: Path) -> list[FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.load_study(study_name="race", storage=storage).trials


def test_the_stored_study_holds_the_race(tmp_path: Path) -> None:
    path = tmp_path / "studies" / "race.journal"
    runner = after_the_seed(race(path))
    runner.feed([0.0] * 16)
    runner.feed(HALF[:48] + [1.0] * 16)
    runner.feed([1.0] * 20)
    runner.policy.close()

    standings = runner.policy.standings
    seed, dropped, complete, cut = (stored(path)[s.number] for s in standings)
    assert seed.state == complete.state == TrialState.COMPLETE
    assert seed.value == 0.5
    assert complete.value == pytest.approx(40 / 64)
    assert complete.intermediate_values == pytest.approx({16: 0.5, 32: 0.5, 64: 40 / 64})
    assert dropped.state == TrialState.PRUNED
    assert dropped.intermediate_values == {16: 0.0}
    assert cut.state == TrialState.FAIL
    assert cut.user_attrs["note"] == "the search ended before it was decided"
    for standing in standings:
        params = stored(path)[standing.number].params
        assert params == pytest.approx(dict(standing.candidate.levels), abs=1e-4)
        assert list(params) == ["role", "model.temperature"]
    assert all(trial.state.is_finished() for trial in stored(path))


def test_the_stored_study_knows_no_scores_that_were_not_given(tmp_path: Path) -> None:
    path = tmp_path / "race.journal"
    runner = after_the_seed(race(path))
    [silent] = runner.feed([None] * 16)
    assert silent.state == "dropped"
    trial = stored(path)[silent.number]
    assert trial.state == TrialState.FAIL
    assert trial.intermediate_values == {}
    assert trial.user_attrs["note"] == "no call was answered"


def test_levels_stay_inside_bounds_that_rounding_would_leave() -> None:
    space = SearchSpace(messages="{{ text }}", model={"temperature": Float(0.12346, 0.12349)})
    policy = race(space=space)
    assert policy.seed.candidate.levels == (("model.temperature", 0.12346),)
    for _ in range(130):
        for cell in policy.propose((), 1):
            assert 0.12346 <= dict(cell.candidate.levels)["model.temperature"] <= 0.12349
            policy.tell(outcome(cell, 1.0))


@pytest.mark.parametrize(
    ("sampler", "tokens", "states"),
    [
        ("nsga2", 5, []),
        ("nsga2", 10, ["dropped"]),
        ("nsga2", 20, ["dropped"]),
        ("random", 5, ["dropped"]),
    ],
)
def test_nsga2_keeps_a_cheaper_candidate(
    sampler: SamplerName, tokens: int, states: list[str]
) -> None:
    """It is worse than the leader, but nothing that is as cheap is better."""
    runner = after_the_seed(race(sampler=sampler))
    assert [s.state for s in runner.feed([0.0] * 16, tokens=tokens)] == states


def test_nsga2_keeps_the_better_one_as_its_best(tmp_path: Path) -> None:
    path = tmp_path / "race.journal"
    runner = after_the_seed(race(path, sampler="nsga2"))
    runner.feed([0.0] * 64, tokens=5)
    runner.feed([0.0] * 16, tokens=15)
    runner.policy.close()
    assert runner.policy.best.number == 0
    first, cheap, dominated = (stored(path)[s.number] for s in runner.policy.standings)
    assert first.values == [0.5, 10.0]
    assert cheap.values == [0.0, 5.0]
    assert dominated.values == [0.0, 15.0]
    assert dominated.user_attrs["note"] == "dropped"


def test_a_known_candidate_without_answers_is_never_told_as_a_zero(tmp_path: Path) -> None:
    """Samplers suggest it again when the space runs out."""
    path = tmp_path / "race.journal"
    few = SearchSpace(
        messages="{{ role }} {{ text }}",
        components={"role": Choice({"a": "A.", "silent": "S.", "c": "C."})},
    )
    policy = race(path, space=few)
    while cells := policy.propose((), 1):
        for cell in cells:
            silent = dict(cell.candidate.levels)["role"] == "silent"
            policy.tell(outcome(cell, None if silent else 1.0))
    policy.close()
    trials = [t for t in stored(path) if t.params.get("role") == "silent"]
    assert len(trials) > 1
    assert {t.state for t in trials} == {TrialState.FAIL}


@pytest.mark.parametrize("slots", [1, 8, 64])
@pytest.mark.parametrize("count", [1, 15, 16, 17, 64])
def test_the_seed_prompt_meets_every_example(count: int, slots: int) -> None:
    policy = race(examples=EXAMPLES[:count])
    cells = course(policy, coin, slots=slots, calls=3 * count)
    seed = policy.seed
    met = [c.example.id for c in cells if c.candidate == seed.candidate]
    assert sorted(met) == [example.id for example in EXAMPLES[:count]]
    assert seed.state == "complete"
    assert len(cells) == 3 * count
    assert all(standing.cells <= count for standing in policy.standings)


@pytest.mark.parametrize("score", [0.0, 1.0, 0.5, -2.0])
def test_equal_scores_drop_nobody(score: float) -> None:
    policy = race()
    course(policy, lambda cell: score, slots=8, calls=500)
    states = [standing.state for standing in policy.standings]
    assert set(states) <= {"complete", "running"}
    assert states.count("complete") > 5


def test_a_hopeless_candidate_leaves_at_the_first_comparison() -> None:
    """Silent ones too: `k` never answers, `l` is never right."""

    def rule(cell: Cell) -> float | None:
        role = dict(cell.candidate.levels)["role"]
        return {"k": None, "l": 0.0}.get(str(role), coin(cell))

    policy = race()
    course(policy, rule, slots=8, calls=1500)
    hopeless = [s for s in policy.standings if dict(s.candidate.levels)["role"] in "kl"]
    assert len(hopeless) > 3
    assert all(s.state == "dropped" and s.cells == 16 for s in hopeless if s.cells >= 16)


def test_an_example_that_always_fails_costs_nobody_the_race() -> None:
    policy = race()
    course(policy, lambda cell: None if cell.example.id == "e05" else 0.5, slots=4, calls=500)
    complete = [s for s in policy.standings if s.state == "complete"]
    assert len(complete) > 5
    assert all(s.estimate and s.estimate.n == len(EXAMPLES) - 1 for s in complete)


def roles(*names: str) -> SearchSpace:
    return SearchSpace(
        messages="{{ role }} {{ text }}",
        components={"role": Choice({name: f"You are {name}." for name in names})},
    )


def test_every_candidate_of_a_small_space_meets_every_example() -> None:
    policy = race(space=roles(*"abcde"))
    assert len(course(policy, lambda cell: 1.0, slots=3)) == 5 * len(EXAMPLES)
    assert policy.finish_reason == "every candidate of the space was tried"


def test_the_last_candidates_are_found_by_walking_through_the_space() -> None:
    """Draws at random would miss some of them."""
    space = SearchSpace(
        messages="{{ a }} {{ b }} {{ c }} {{ text }}",
        components={n: Choice({f"{n}{i}": f"{n} {i}" for i in range(7)}) for n in "abc"},
    )
    policy = race(space=space, examples=EXAMPLES[:1])
    cells = course(policy, coin, slots=4, calls=1000)
    assert len({cell.candidate for cell in cells}) == space.size.count == 343
    assert policy.finish_reason == "every candidate of the space was tried"


def test_who_cannot_see_every_candidate_does_not_say_so() -> None:
    """Numbers are rounded: after a while there are no new ones, which draws cannot prove."""
    space = SearchSpace(messages="{{ text }}", model={"temperature": Float(0.5, 0.5002)})
    policy = race(space=space, examples=EXAMPLES[:1])
    assert len(course(policy, coin)) == 3
    assert policy.finish_reason == "no candidate was found that was not tried before"


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_seed_gives_one_course(sampler: SamplerName) -> None:
    first, second = (course(race(sampler=sampler), coin, slots=4) for _ in range(2))
    assert first == second
    assert len(set(first)) == len(first) == 400


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_level_added_mid_run_keeps_the_study(sampler: SamplerName, tmp_path: Path) -> None:
    """Same file, same name, same numbers; what was open can still be closed."""
    path = tmp_path / "race.journal"
    space = roles(*"abcdefgh")
    policy = race(path, sampler=sampler, space=space)
    cells = course(policy, coin, slots=4, calls=180)
    pending = [*policy.propose((), 40)]
    before = stored(path)
    open_numbers = [t.number for t in before if t.state == TrialState.RUNNING]
    assert len(open_numbers) > 1
    wider = roles("new", *"abcdefgh")
    policy.extend(BoundSpace(wider, []))
    for was, now in zip(before, stored(path), strict=True):
        assert (now.number, now.state, now.params) == (was.number, was.state, was.params)
        assert (now.values, now.intermediate_values) == (was.values, was.intermediate_values)
        assert now.distributions["role"].choices == ("new", *"abcdefgh")  # type: ignore[attr-defined]
    for cell in pending:
        policy.tell(outcome(cell, coin(cell)))
    cells += pending + course(policy, coin, slots=4, calls=300)
    policy.close()
    assert len(set(cells)) == len(cells)
    assert {c.candidate.levels[0][1] for c in cells} == {"new", *"abcdefgh"}
    after = stored(path)
    assert all(trial.state.is_finished() for trial in after)
    for standing in policy.standings:
        assert after[standing.number].params == dict(standing.candidate.levels)
    decided = [s.number for s in policy.standings if s.state == "complete" and s.estimate]
    assert all(after[number].state == TrialState.COMPLETE for number in decided)

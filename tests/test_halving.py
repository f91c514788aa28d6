"""Paired successive halving: its brackets, its rungs, and who is the best."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from promptlathe.records import Answer, Candidate, Cell, Example, Failure, Outcome, Standing
from promptlathe.search import HalvingPolicy, make_policy
from promptlathe.search.halving import bracket, deviations
from promptlathe.search.pooled import PooledCandidate
from promptlathe.space import BoundSpace, Choice, SearchSpace
from promptlathe.testing import records

LEVELS = "abcdefgh"
SPACE = SearchSpace(
    messages="{{ one }} {{ two }} {{ three }} {{ text }}",
    components={
        name: Choice({level: f"{name} {level}." for level in LEVELS})
        for name in ("one", "two", "three")
    },
)
EXAMPLES = [Example(f"e{i:02}", {"text": str(i)}, "select") for i in range(64)]
Rule = Callable[[Cell], float | None]


def halving(
    calls: int | None = None,
    *,
    space: SearchSpace = SPACE,
    examples: list[Example] = EXAMPLES,
    path: Path | None = None,
) -> HalvingPolicy:
    policy = make_policy(
        "halving", BoundSpace(space, []), examples, seed=0, calls=calls, study="h", path=path
    )
    assert isinstance(policy, HalvingPolicy)
    return policy


def worth(candidate: Candidate) -> float:
    """0 for the seed, whose levels are all `a`, to 1."""
    return sum(LEVELS.index(str(level)) for _, level in candidate.levels) / 21


def exact(cell: Cell) -> float:
    """The candidate's worth, and the example's difficulty."""
    return worth(cell.candidate) - int(cell.example.id[1:]) / 100


def noisy(cell: Cell) -> float:
    return float(random.Random(f"{cell.key}").random() < worth(cell.candidate))


def course(policy: HalvingPolicy, rule: Rule, *, calls: int, slots: int = 1) -> list[Cell]:
    """Keep `slots` calls under way, answered in a shuffled order; every cell proposed."""
    rng, proposed, pending = random.Random(slots), list[Cell](), list[Cell]()
    while True:
        free = min(slots - len(pending), calls - len(proposed))
        new = list(policy.propose(tuple(pending), free)) if free > 0 else []
        proposed += new
        pending += new
        if not pending:
            return proposed
        policy.tell(outcome(cell := pending.pop(rng.randrange(len(pending))), rule(cell)))


def outcome(cell: Cell, score: float | None) -> Outcome:
    if score is None:
        return records.outcome(cell, Failure("timeout", "no answer"))
    return records.outcome(cell, Answer("x", 9, 1), {"score": score}, score)


@pytest.mark.parametrize(
    ("examples", "calls", "reach", "rungs"),
    [
        (64, None, 0, [(16, 8), (8, 16), (4, 32), (2, 64)]),
        (64, 320, 0, [(16, 8), (8, 16), (4, 32), (2, 64)]),
        (64, 319, 0, [(15, 8), (8, 16), (4, 32), (2, 64)]),
        (64, 640, 0, [(32, 8), (16, 16), (8, 32), (4, 64)]),
        (64, 100, 0, [(5, 8), (3, 16), (2, 32)]),
        (64, 3, 0, [(2, 8)]),
        (64, 3, 64, [(2, 8), (2, 16), (2, 32), (2, 64)]),
        (200, None, 0, [(32, 13), (16, 25), (8, 50), (4, 100), (2, 200)]),
        (15, None, 0, [(4, 8), (2, 15)]),
        (1, None, 0, [(2, 1)]),
    ],
)
def test_brackets(
    examples: int, calls: int | None, reach: int, rungs: list[tuple[int, int]]
) -> None:
    assert bracket(examples, calls, reach=reach) == rungs


@pytest.mark.parametrize("calls", [100, 500, 2000, 20_000])
@pytest.mark.parametrize("examples", [40, 200, 1000])
def test_a_bracket_uses_what_the_budget_has(examples: int, calls: int) -> None:
    cost, before = 0, 0
    for members, size in bracket(examples, calls):
        cost += members * (size - before)
        before = size
    assert 0.5 * calls <= cost <= calls


def test_the_better_half_goes_on_and_the_best_leads() -> None:
    """Without noise the best of those that entered wins, and each rung drops the worst."""
    policy = halving(320)
    cells = course(policy, exact, calls=320)
    assert len(cells) == 320
    entered = list(dict.fromkeys(cell.candidate for cell in cells))
    ranked = sorted(entered, key=worth, reverse=True)
    met = Counter(cell.candidate for cell in cells)
    assert [met[candidate] for candidate in ranked] == [64] * 2 + [32] * 2 + [16] * 4 + [8] * 8
    assert policy.best.candidate == ranked[0]
    assert Counter(s.state for s in policy.standings) == {"dropped": 14, "complete": 2}


def test_all_meet_the_same_examples_in_the_same_order() -> None:
    met: dict[str, list[str]] = {}
    for cell in course(halving(320), exact, calls=320, slots=7):
        met.setdefault(cell.candidate.id, []).append(cell.example.id)
    longest = max(met.values(), key=len)
    assert sorted(longest) == [example.id for example in EXAMPLES]
    assert all(order == longest[: len(order)] for order in met.values())


@pytest.mark.parametrize("slots", [1, 16])
def test_another_bracket_keeps_the_incumbent(slots: int) -> None:
    """Until somebody has done better on as many examples; its cells are not paid for again."""
    policy = halving(100)
    cells = course(policy, exact, calls=100, slots=slots)
    first = policy.best
    assert first.cells == 32
    for _ in range(6):
        before = policy.best
        cells += course(policy, exact, calls=200, slots=slots)
        after = policy.best
        assert worth(after.candidate) >= worth(before.candidate)
        assert after.cells >= before.cells
    assert worth(policy.best.candidate) > worth(first.candidate)
    assert len(set(cells)) == len(cells)


def test_when_the_budget_ends_within_a_bracket_the_last_decided_rung_counts() -> None:
    policy = halving(320)
    cells = course(policy, exact, calls=16 * 8)
    assert policy.best.candidate == max((cell.candidate for cell in cells), key=worth)
    assert policy.best.state == "running"
    policy.close()


def test_an_answer_that_is_missing_makes_no_example_easier() -> None:
    """The worse one did not meet the hard example: its mean is higher, and it is still worse."""
    candidates = [BoundSpace(SPACE, []).candidate(dict.fromkeys(SPACE.components, x)) for x in "ab"]
    better, worse = (PooledCandidate(i, candidate) for i, candidate in enumerate(candidates))
    better.values = {0: 1.0, 1: 0.8, 2: 0.1, 9: 0.0}
    worse.values = {0: 0.9, 1: 0.7}
    assert worse.mean > better.mean
    assert deviations([better, worse], 3) == pytest.approx({0: 0.1 / 3, 1: -0.05})


def test_failures_do_not_decide() -> None:
    """A third of the calls fail, of the better ones more: the order is right all the same."""

    def rule(cell: Cell) -> float | None:
        fails = random.Random(f"{cell.key}").random() < 0.25 + 0.2 * worth(cell.candidate)
        return None if fails else exact(cell)

    policy = halving(320)
    entered = {cell.candidate for cell in course(policy, rule, calls=320)}
    assert policy.best.candidate == max(entered, key=worth)


def test_nobody_waits_for_the_last_calls_of_a_rung() -> None:
    """One in eight may be out; what comes late is taken in, and settles who was dropped."""
    policy = halving(320)
    first = list(policy.propose((), 16 * 8))
    assert list(policy.propose(first, 10)) == []
    *early, _ = first[:112]
    for cell in early:
        assert policy.tell(outcome(cell, exact(cell))) == []
    assert list(policy.propose(first[111:], 10)) == []
    settled = policy.tell(outcome(first[111], exact(first[111])))
    late = first[112:]
    assert settled == []
    assert len(policy.propose(late, 100)) == 64
    for cell in late:
        settled += policy.tell(outcome(cell, exact(cell)))
    assert {s.state for s in settled} == {"dropped"}
    assert [s.cells for s in settled] == [8] * 8


def test_a_space_smaller_than_the_bracket_is_not_dropped_for_nothing() -> None:
    """Eight candidates where sixteen were planned: the first rung keeps all of them."""
    space = SearchSpace(
        messages="{{ one }} {{ text }}", components={"one": SPACE.components["one"]}
    )
    policy = halving(space=space)
    met = Counter(cell.candidate for cell in course(policy, noisy, calls=5000))
    assert sorted(met.values()) == [16] * 4 + [32] * 2 + [64] * 2
    assert policy.finish_reason == "every candidate of the space was tried"


def trials(path: Path) -> list[optuna.trial.FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.load_study(study_name="h", storage=storage).trials


def test_the_stored_study_holds_the_rungs(tmp_path: Path) -> None:
    path = tmp_path / "h.journal"
    policy = halving(320, path=path)
    course(policy, exact, calls=330)
    policy.close()
    states: dict[str, TrialState] = {
        "dropped": TrialState.PRUNED,
        "complete": TrialState.COMPLETE,
        "running": TrialState.FAIL,
    }
    stored = trials(path)

    def checked(standing: Standing) -> list[int]:
        trial = stored[standing.number]
        assert trial.state == states[standing.state]
        assert trial.params == dict(standing.candidate.levels)
        if standing.estimate and standing.state != "running":
            last = max(trial.intermediate_values)
            assert trial.intermediate_values[last] == pytest.approx(standing.estimate.mean)
        return list(trial.intermediate_values)

    steps = [checked(standing) for standing in policy.standings]
    assert [8, 16, 32, 64] in steps
    assert steps.count([8]) == 8

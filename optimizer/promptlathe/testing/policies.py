"""The contract of `Policy` as tests: whoever writes a policy inherits them.

    class TestMine(PolicySuite):
        @pytest.fixture
        def factory(self) -> Factory:
            return lambda space, examples, *, seed: MyPolicy(space, examples, seed=seed)

A policy may pay for whole candidates or for single cells, repeat a cell (`Cell.repeat`), and stop
when it is sure, as long as it says why. Needs pytest.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol, TypedDict

import pytest

from promptlathe.records import Answer, Cell, Example, Standing
from promptlathe.search import Policy
from promptlathe.space import BoundSpace, SearchSpace
from promptlathe.testing import records
from promptlathe.testing.searching import (
    EXAMPLES,
    ROLES,
    SAME,
    SPACE,
    TINY,
    TRAIN,
    TWO,
    Refused,
    Run,
    assert_in_order,
    level,
    outcome,
    proceed,
    quality,
    quality_of_two,
    run,
    space,
    tiny,
)

NEAR = 0.06
"""A policy may predict cells that it did not pay for, in its estimate of a mean."""


class Way(TypedDict, total=False):
    """How many cells are under way, and in which order they come back."""

    slots: int
    shuffle: int


WAYS: list[Way] = [
    {"slots": 1},
    {"slots": 8, "shuffle": 1},
    {"slots": 64, "shuffle": 2},
]


class Factory(Protocol):
    """Makes the policy under test."""

    def __call__(self, space: BoundSpace, examples: Sequence[Example], *, seed: int) -> Policy: ...


Make = Callable[..., Policy]


class PolicySuite:
    """Give it the fixture `factory`."""

    @pytest.fixture
    def factory(self) -> Factory:
        raise NotImplementedError("a suite needs a factory of the policy that it tests")

    @pytest.fixture
    def make(self, factory: Factory) -> Make:
        def policy(
            space: SearchSpace = SPACE, examples: Sequence[Example] = EXAMPLES, seed: int = 0
        ) -> Policy:
            return factory(BoundSpace(space, TRAIN), examples, seed=seed)

        return policy

    @pytest.mark.parametrize("way", WAYS)
    def test_no_cell_is_proposed_twice(self, make: Make, way: Way) -> None:
        keys = run(make(), quality, **way).keys
        assert len(keys) > 50
        assert len(set(keys)) == len(keys)

    def test_candidates_obey_constraints_and_conditions(self, make: Make) -> None:
        candidates = {cell.candidate for cell in run(make(), quality, slots=8).proposed}
        assert len(candidates) > 5
        for candidate in candidates:
            levels = dict(candidate.levels)
            assert SPACE.allows(levels)
            assert ("extra" in levels) == (levels["style"] == "long")
            assert levels == SPACE.canonical(levels)

    def test_best_is_the_seed_before_any_evidence(self, make: Make) -> None:
        policy = make()
        assert policy.best == policy.seed
        assert dict(policy.best.candidate.levels) == SPACE.seed_levels
        assert policy.best.estimate is None
        policy.propose((), 100)
        assert policy.best == policy.seed

    def test_with_one_call_in_flight_a_seed_gives_one_course(self, make: Make) -> None:
        first, second = (run(make(), quality).keys for _ in range(2))
        assert first == second
        assert run(make(seed=1), quality).keys != first

    @pytest.mark.parametrize("shuffle", range(2))
    def test_the_order_of_outcomes_decides_everything(self, make: Make, shuffle: int) -> None:
        first, second = (run(make(), quality, slots=16, shuffle=shuffle) for _ in range(2))
        assert first.keys == second.keys
        assert first.settled == second.settled
        assert first.policy.best == second.policy.best

    @pytest.mark.parametrize("way", WAYS)
    def test_a_better_prompt_is_found(self, make: Make, way: Way) -> None:
        best = run(make(), quality, calls=700, **way).policy.best
        assert is_best(best)
        assert best.estimate
        assert best.estimate.mean > 0.6

    @pytest.mark.parametrize(("share", "way"), [*((0.2, way) for way in WAYS), (1.0, WAYS[1])])
    def test_failures_are_no_zeros(self, make: Make, share: float, way: Way) -> None:
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

    def test_who_never_answers_never_leads(self, make: Make) -> None:
        """Scores below zero: worse than nothing, if nothing were a score."""
        policy = run(
            make(),
            lambda cell: None if level(cell, "role") == "expert" else -1.0,
            slots=4,
            calls=500,
        ).policy
        silent = [s for s in policy.standings if dict(s.candidate.levels)["role"] == "expert"]
        assert all(s.estimate is None for s in silent)
        assert policy.best.estimate is not None

    def test_a_seed_that_never_answers_is_no_match(self, make: Make) -> None:
        policy = make()
        seed = policy.seed.candidate
        run(policy, lambda cell: None if cell.candidate == seed else -0.5, slots=4)
        assert policy.seed.estimate is None
        assert policy.best.candidate != seed

    def test_a_lucky_answer_among_failures_does_not_lead(self, make: Make) -> None:
        """`expert` answers one question in ten, that one right; the others answer half right."""

        def rule(cell: Cell) -> float | None:
            number = int(cell.example.id[1:])
            if level(cell, "role") == "expert":
                return 1.0 if number % 10 == 0 else None
            return float(number % 2)

        best = run(make(), rule, slots=4, calls=600).policy.best
        assert dict(best.candidate.levels)["role"] != "expert"

    @pytest.mark.parametrize("way", WAYS)
    def test_an_example_that_always_fails_is_left_out(self, make: Make, way: Way) -> None:
        policy = run(
            make(),
            lambda cell: None if cell.example.id == "e05" else quality(cell),
            calls=700,
            **way,
        ).policy
        assert is_best(policy.best)

    @pytest.mark.parametrize("score", [0.0, 1.0, 0.5, -2.0])
    def test_equal_scores_leave_the_seed_best(self, make: Make, score: float) -> None:
        policy = run(make(), lambda cell: score, slots=8).policy
        assert policy.best == policy.seed
        assert policy.best.estimate
        assert policy.best.estimate.mean == score

    @pytest.mark.parametrize("best", [1.0, 0.6, -1.0])
    def test_equal_examples(self, make: Make, best: float) -> None:
        """Identical rows: the score depends on the candidate only, two of three roles tie."""

        def rule(cell: Cell) -> float:
            return best if level(cell, "role") != "plain" else best - 0.5

        policy = run(make(examples=SAME), rule, slots=4, calls=600).policy
        assert dict(policy.best.candidate.levels)["role"] != "plain"
        assert policy.best.estimate
        assert policy.best.estimate.mean == pytest.approx(best, abs=NEAR)

    def test_outcomes_that_never_come_hold_up_nothing(self, make: Make) -> None:
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
    def test_a_tiny_space_ends_with_a_reason(self, make: Make, slots: int) -> None:
        policy = make(TINY)
        assert policy.finish_reason is None
        done = run(policy, lambda cell: float(level(cell, "role") == "two"), slots=slots)
        assert len({key[:2] for key in done.keys}) <= 2 * len(EXAMPLES)
        assert policy.finish_reason
        assert list(policy.propose((), 10)) == []
        assert dict(policy.best.candidate.levels) == {"role": "two"}
        policy.close()

    @pytest.mark.parametrize("slots", [1, 100])
    def test_a_space_of_one_candidate_ends_with_its_seed(self, make: Make, slots: int) -> None:
        """Two levels that make the same prompt."""
        policy = make(tiny({"none": None, "empty": ""}))
        done = run(policy, lambda cell: float(cell.example.id < "e20"), slots=slots)
        assert {cell.candidate for cell in done.proposed} <= {policy.seed.candidate}
        assert policy.finish_reason
        assert policy.best == policy.seed
        policy.close()

    @pytest.mark.parametrize("count", [1, 15, 16, 17, 33])
    def test_any_number_of_examples(self, make: Make, count: int) -> None:
        done = run(make(examples=EXAMPLES[:count]), quality, slots=4, calls=count * 6)
        met = {(cell.candidate.id, cell.example.id) for cell in done.proposed}
        assert len({candidate for candidate, _ in met}) > 1
        done.policy.close()

    def test_standings_add_up(self, make: Make) -> None:
        done = run(make(), quality, slots=8, shuffle=3)
        standings = done.policy.standings
        assert sum(s.cells for s in standings) == len(done.told)
        assert sum(s.tokens or 0 for s in standings) == 20 * len(done.told)
        repeats = sum(cell.repeat > 0 for cell in done.proposed)
        assert sum(s.estimate.n for s in standings if s.estimate) == len(done.told) - repeats
        assert not any(s.failures or s.failed or s.unread for s in standings)
        assert_in_order(done)
        final = {s.number: s.state for s in standings if s.state != "running"}
        assert {s.number: s.state for s in done.settled} == final
        assert len(done.settled) == len(final)

    @pytest.mark.parametrize("way", WAYS)
    def test_a_level_added_mid_run(self, make: Make, way: Way) -> None:
        """`wise` is better than all before; cells are under way when it is added."""

        def rule(cell: Cell) -> float:
            return 1.0 if level(cell, "role") == "wise" else 0.75 * quality(cell)

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
    def test_a_level_added_at_the_end_goes_on(self, make: Make, slots: int) -> None:
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

    @pytest.mark.parametrize("way", WAYS)
    def test_a_prompt_that_fails_has_the_worst_score(self, make: Make, way: Way) -> None:
        """`expert` is refused by the service: an answer that counts, and not a silence."""

        def refused(cell: Cell) -> bool:
            return level(cell, "role") == "expert"

        done = run(make(), lambda cell: Refused(-1.0) if refused(cell) else quality(cell), **way)
        for standing in done.policy.standings:
            assert standing.failures == 0
            expert = dict(standing.candidate.levels)["role"] == "expert"
            assert standing.failed == (standing.cells if expert else 0)
            if expert and standing.estimate:
                assert standing.estimate.mean < 0
        assert dict(done.policy.best.candidate.levels)["role"] != "expert"

    def test_outputs_that_cannot_be_read_are_counted(self, make: Make) -> None:
        policy = make()
        cells = list(policy.propose((), 4))
        for cell in cells:
            policy.tell(records.outcome(cell, Answer("?", 10, 10), {"score": 0.0}, unread=True))
        assert sum(s.unread for s in policy.standings) == len(cells) > 0

    @pytest.mark.parametrize("way", WAYS[:2])
    def test_a_dropped_cell_changes_nothing(self, make: Make, way: Way) -> None:
        """It is told, and sent again by whoever sends cells."""
        plain, told = make(), make()
        expected = run(plain, quality, **way)
        done = run(told, quality, **way, dropped=3)
        assert done.keys == expected.keys
        assert told.standings == plain.standings
        assert told.best == plain.best

    def test_a_repeat_is_another_cell_of_the_same_example(self, make: Make) -> None:
        """Repeats are numbered, and an example counts once however often it was asked."""
        done = run(make(TINY), quality_of_two, slots=2, calls=200)
        times: Counter[tuple[str, str]] = Counter()
        for cell in done.proposed:
            assert cell.repeat == times[cell.candidate.id, cell.example.id]
            times[cell.candidate.id, cell.example.id] += 1
        for standing in done.policy.standings:
            assert standing.estimate
            met = {key for key in times if key[0] == standing.candidate.id}
            assert standing.estimate.n == len(met)

    @pytest.mark.parametrize("draw", range(4))
    def test_answers_that_change_leave_the_better_one_best(self, make: Make, draw: int) -> None:
        """Asked again, a model answers differently; repeats must not look like failures."""

        def rule(cell: Cell) -> float:
            return quality_of_two(cell, draw)

        best = run(make(TINY, EXAMPLES[:16]), rule, calls=300).policy.best
        assert dict(best.candidate.levels) == {"role": "two"}

    def test_unknown_tokens_are_not_few_tokens(self, make: Make) -> None:
        """Of two that are equally good, who does not tell its tokens is not the cheaper."""
        policy = make(TINY)
        while cells := policy.propose((), 1):
            two = level(cells[0], "role") == "two"
            policy.tell(outcome(cells[0], 1.0, None if two else 20))
        tokens = {dict(s.candidate.levels)["role"]: s.tokens for s in policy.standings}
        assert tokens["one"]
        assert tokens.get("two") is None
        assert dict(policy.best.candidate.levels) == {"role": "one"}


def is_best(standing: Standing) -> bool:
    """It has the levels that help most, the number of demos aside."""
    levels = dict(standing.candidate.levels)
    return levels["role"] == "expert" and levels["style"] == "long"

"""The test split is opened, and counted; a champion stays until it is beaten."""

from pathlib import Path

import pytest
from tests.scripted_jobs import TEST, job

from promptlathe.job.decision import Decided, Decision
from promptlathe.job.job import Job
from promptlathe.job.loop import Fixed, Stopped
from promptlathe.job.plan import Plan, make_plan
from promptlathe.ledger import Ledger
from promptlathe.records import Answer, Candidate
from promptlathe.testing.records import outcome
from promptlathe.testing.scripted import ScriptedServer

RIGHT = {"chatty": 0.2, "bare": 0.7, "great": 1.0}
"""Share of the test rows that each form gets right: those at the front."""


class Court:
    """One workspace, in which prompts are compared again and again."""

    def __init__(self, workspace: Path) -> None:
        with ScriptedServer("billing") as server:  # nothing is sent: its address is enough
            made = job(server, workspace)
        self.job: Job = made
        self.plan: Plan = make_plan(made)
        self.ledger = Ledger(f"sqlite:///{workspace / 'ledger.db'}")
        self._runs = 0

    def prompt(self, form: str, close: str = "none") -> Candidate:
        """`great` is the bare form said kindly."""
        tone = "kind" if form == "great" else "plain"
        levels = {"form": "bare" if form == "great" else form, "tone": tone, "close": close}
        return self.plan.space.candidate(levels)

    async def decide(
        self, best: Candidate, champion: Candidate | None = None, *, replay: bool = False
    ) -> Decided:
        self._runs += 1
        run = None if replay else f"run{self._runs}"
        seed = self.prompt("chatty")
        decision = Decision(self.job, self.plan, self.ledger, run, seed, best, champion)
        places = {row.id: i for i, row in enumerate(self.plan.test)}

        async def drive(policy: Fixed) -> Stopped:
            for cell in policy.propose((), 1000):
                levels = dict(cell.candidate.levels)
                form = "great" if levels["tone"] == "kind" else str(levels["form"])
                right = places[cell.example.id] < RIGHT[form] * TEST
                policy.tell(outcome(cell, Answer("x", 9, 1), value=float(right)))
            return Stopped("done")

        return await decision.meet(drive, lambda sides: TEST, lambda use, outcome: None)


@pytest.fixture
def court(tmp_path: Path) -> Court:
    return Court(tmp_path)


async def test_each_opening_is_recorded_before_and_said(court: Court) -> None:
    closes = [f"Take care, {name}." for name in "abcd"]
    for number, close in enumerate(closes, start=1):
        found = await court.decide(court.prompt("chatty", close))
        said = [note for note in found.notes if "opened" in note]
        assert found.opened == number
        assert bool(said) == (number > 1)
        assert all(f"test opened {number} times" in note for note in said)
    openings = court.ledger.openings(court.job.objective.name)
    assert [one.number for one in openings] == [1, 2, 3, 4]
    assert {one.split for one in openings} == {openings[0].split}
    levels = [one.level for one in openings]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] < levels[0] / 5


async def test_the_same_question_or_a_replay_is_no_new_opening(court: Court) -> None:
    best = court.prompt("bare")
    first = await court.decide(best)
    again = await court.decide(best)
    await court.decide(court.prompt("great"), replay=True)
    assert (first.opened, again.opened) == (1, 1)
    assert len(court.ledger.openings(court.job.objective.name)) == 1


async def test_nothing_is_opened_when_the_best_is_the_seed(court: Court) -> None:
    found = await court.decide(court.prompt("chatty"))
    assert found.opened == 0
    assert not court.ledger.openings(court.job.objective.name)


async def test_who_beats_the_seed_and_not_the_champion_leaves_the_champion(court: Court) -> None:
    found = await court.decide(court.prompt("bare"), court.prompt("great"))
    assert found.best_seed.verdict == "better"
    assert found.recommendation.verdict != "better"
    assert found.recommendation.use == "champion"
    assert not found.promotes


async def test_who_beats_the_champion_is_promoted_and_passes_its_level_on(court: Court) -> None:
    found = await court.decide(court.prompt("great"), court.prompt("chatty", "Take care, a."))
    assert found.promotes
    [opening] = court.ledger.openings(court.job.objective.name)
    assert opening.promoted
    await court.decide(court.prompt("bare"), court.prompt("great"))
    assert court.ledger.openings(court.job.objective.name)[1].level == pytest.approx(opening.level)

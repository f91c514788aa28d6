"""Warm start: a run knows what earlier runs of the same objective were told."""

import sqlite3
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import promptlathe as pl
from promptlathe import clock
from promptlathe.job import Job, Result, run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.job.warm import comparable
from promptlathe.ledger import EarlierOutcome, Ledger, ScoringTerms
from promptlathe.models.settings import ModelSettings
from promptlathe.records import (
    Answer,
    Budget,
    Candidate,
    Cell,
    Example,
    Failure,
    Message,
    Outcome,
    Prompt,
)
from promptlathe.search.lathe import Earlier, LathePolicy
from promptlathe.space import BoundSpace
from promptlathe.testing.records import outcome

WORDS = {
    "billing": ["invoice", "refund", "charged", "price", "receipt"],
    "delivery": ["parcel", "courier", "shipped", "address", "box"],
    "login": ["password", "account", "locked", "code", "email"],
}
ROWS = [
    {"text": f"K{i:02x} My {words[i % 5]} and the {words[(i + 2) % 5]}, please", "label": label}
    for i, (label, words) in enumerate(list(WORDS.items()) * 21)
]
TASKS: dict[str, str | None] = {
    "draft": "Read the message.",
    "team": "Name the team for the message.",
}


def space(tasks: dict[str, str | None] = TASKS, **more: Any) -> pl.SearchSpace:
    return pl.SearchSpace(
        messages={"system": "{{ task }} {{ teams }} {{ form }}", "user": "{{ text }}"},
        components={
            "task": pl.Choice(tasks),
            "teams": pl.Choice({"none": None, "names": "Teams: billing, delivery, login."}),
            "form": pl.Choice({"draft": "Say which.", "bare": "Answer with the label only."}),
        },
        **more,
    )


def objective(**more: Any) -> pl.Objective:
    splits = {"train": 0.2, "select": 0.5, "test": 0.3, "stratify": "label"}
    given: dict[str, Any] = {"scorer": pl.exact_match("label"), "splits": splits, **more}
    return pl.Objective(ROWS, **given)


def job(workspace: Path, *, calls: int = 200, concurrency: int = 1, **changes: Any) -> Job:
    made = Job(
        space=space(),
        objective=objective(),
        model=ModelSettings.model_validate("pocket"),
        budget=Budget(calls=calls),
        parallel=ParallelOptions(concurrency=concurrency),
        track=False,
        workspace=workspace,
    )
    return replace(made, **changes)


def searched(result: Result) -> tuple[Any, ...]:
    return (
        result.finish_reason,
        result.best,
        result.test,
        [replace(standing, cost=None) for standing in result.standings],
    )


def known(workspace: Path, result: Result) -> int:
    """How many earlier outcomes the run began with, as cells of its own."""
    notes = [note for note in result.notes if "earlier outcomes" in note]
    return int(notes[0].split()[4].replace(",", "")) if notes else 0


def heard(result: Result) -> int:
    """How many outcomes of other prompts or models it began with."""
    notes = [note for note in result.notes if note.startswith("it heard")]
    return int(notes[0].split()[2].replace(",", "")) if notes else 0


def first_answers(workspace: Path, run: str) -> set[tuple[str, str]]:
    """(candidate, example) of the search that were asked, repeats aside."""
    select = {example.id for example in objective().examples("select")}
    ledger = Ledger(f"sqlite:///{workspace / '.promptlathe' / 'ledger.db'}")
    try:
        return {(c, e) for c, e, repeat in ledger.order(run) if e in select and not repeat}
    finally:
        ledger.close()


def test_a_second_run_begins_where_the_first_ended(tmp_path: Path) -> None:
    first, second = (run(job(tmp_path)) for _ in range(2))
    assert known(tmp_path, first) == 0
    assert known(tmp_path, second) >= 100
    assert second.spent.calls < first.spent.calls
    assert second.test.best >= first.test.best
    assert second.best.select
    asked = [first_answers(tmp_path, result.run) for result in (first, second)]
    assert not asked[0] & asked[1]


def test_a_search_that_ends_by_itself_says_what_it_saved(tmp_path: Path) -> None:
    result = run(job(tmp_path, calls=400))
    assert result.finish_reason.startswith("sure: ")
    saved = 400 - result.spent.used_calls
    assert saved > 100
    assert f"{saved} of 400 calls of the budget were not needed" in result.notes
    tokens = run(job(tmp_path, budget=Budget(tokens=100_000)))
    assert any("% of the budget was not needed" in note for note in tokens.notes)


def test_without_it_the_first_is_repeated(tmp_path: Path) -> None:
    first = run(job(tmp_path))
    cold = run(job(tmp_path, search=SearchOptions(warm_start=False)))
    assert searched(cold) == searched(first)
    assert cold.spent.calls == 0
    assert known(tmp_path, cold) == 0


def test_other_policies_do_not_learn_from_it(tmp_path: Path) -> None:
    for_tpe = job(tmp_path, search=SearchOptions(policy="tpe"))
    first, second = run(for_tpe), run(for_tpe)
    assert searched(first) == searched(second)
    assert second.spent.calls == 0
    assert known(tmp_path, run(job(tmp_path))) > 100


def test_a_replay_knows_what_the_run_knew(tmp_path: Path) -> None:
    """Also when more was told since, and whatever the run file says of warm starts now."""
    one = job(tmp_path, concurrency=4)
    run(one)
    second = run(one)
    run(replace(one, search=SearchOptions(seed=3)))
    cold = SearchOptions(warm_start=False)
    for again in (one, replace(one, search=cold)):
        replayed = run(again, replay=second.run)
        assert searched(replayed) == searched(second)
        assert replayed.spent.calls == 0


def test_a_replay_of_a_cold_run_is_cold(tmp_path: Path) -> None:
    one = job(tmp_path, concurrency=4)
    first = run(one)
    cold = run(replace(one, search=SearchOptions(warm_start=False, seed=1)))
    replayed = run(replace(one, search=SearchOptions(seed=1)), replay=cold.run)
    assert searched(replayed) == searched(cold)
    assert searched(run(one, replay=first.run)) == searched(first)


def test_another_measure_is_another_objective(tmp_path: Path) -> None:
    run(job(tmp_path))
    other = objective(scorer=pl.exact_match("label", parse="label"))
    assert known(tmp_path, run(job(tmp_path, objective=other))) == 0


def test_rows_may_come_and_go(tmp_path: Path) -> None:
    run(job(tmp_path))
    fewer = pl.Objective(ROWS[:51], scorer=pl.exact_match("label"))
    assert fewer.digest != objective().digest
    assert fewer.scoring == objective().scoring
    assert known(tmp_path, run(job(tmp_path, objective=fewer))) > 20


def test_a_text_that_changed_under_its_name_is_not_known(tmp_path: Path) -> None:
    run(job(tmp_path))
    changed = space({"draft": "Read the message!", "team": "Name the team now."})
    again = run(job(tmp_path, space=changed))
    assert known(tmp_path, again) == 0
    assert heard(again) > 20, "but of the rows it says what they are like"


def test_a_ledger_of_an_older_version_goes_on_working(tmp_path: Path) -> None:
    first = run(job(tmp_path))
    with sqlite3.connect(tmp_path / ".promptlathe" / "ledger.db") as ledger:
        ledger.execute("DROP TABLE runs")
        ledger.execute("DROP TABLE candidates")
    ledger.close()
    replayed = run(job(tmp_path), replay=first.run)
    assert searched(replayed) == searched(first)
    again = run(job(tmp_path))
    assert searched(again) == searched(first)
    assert known(tmp_path, run(job(tmp_path))) > 0


TERMS = ScoringTerms("objective", "m", "", "p")
SELECT = [Example(f"e{i}", {"text": str(i)}, "select") for i in range(12)]


def told(name: str, example: int, value: float | None = 1.0, repeat: int = 0) -> Outcome:
    candidate = Candidate.single((("name", name),), Prompt((Message("user", name),)))
    cell = Cell(candidate, SELECT[example], repeat)
    reply = Failure("timeout", "no answer") if value is None else Answer("yes")
    return outcome(cell, reply, value=value)


def record(ledger: Ledger, run: str, outcomes: list[Outcome]) -> None:
    ledger.record((), run, [(one, 0) for one in outcomes])


def names(ledger: Ledger, run: str, examples: range = range(12)) -> list[tuple[object, str, bool]]:
    """The prompt, the example, and whether it was this run's model."""
    found = ledger.earlier(run, [SELECT[i].id for i in examples])
    return [(one.levels["name"], one.example, not one.model) for one in found]


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    opened = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield opened
    opened.close()


def test_the_latest_outcomes_come_first(ledger: Ledger) -> None:
    for name, terms in (("1", TERMS), ("2", replace(TERMS, model="n"))):
        ledger.begin(name, terms, warm=True)
        record(ledger, name, [told(f"a{name}", 0), told(f"b{name}", 1), told(f"a{name}", 2)])
        ledger.stop(name, "calls", told=ledger.count(name))
    ledger.begin("3", TERMS, warm=True)
    assert names(ledger, "3", range(2)) == [
        ("b2", "e1", False),
        ("a2", "e0", False),
        ("b1", "e1", True),
        ("a1", "e0", True),
    ]


@pytest.mark.parametrize("changed", ["model", "endpoint", "parameters"])
def test_what_the_model_is(ledger: Ledger, changed: str) -> None:
    ledger.begin("1", replace(TERMS, **{changed: "other"}), warm=True)
    record(ledger, "1", [told("a", 0)])
    ledger.stop("1", "", told=ledger.count("1"))
    ledger.begin("2", TERMS, warm=True)
    assert names(ledger, "2") == [("a", "e0", False)]


def test_failures_repeats_and_runs_that_broke_off_are_not_known(ledger: Ledger) -> None:
    for name in ("ended", "broken"):
        ledger.begin(name, TERMS, warm=True)
        outcomes = [told(name, 0), told(name, 1, None), told(name, 2, repeat=1)]
        record(ledger, name, outcomes)
    ledger.stop("ended", "calls", told=ledger.count("ended"))
    ledger.begin("next", TERMS, warm=True)
    assert names(ledger, "next") == [("ended", "e0", True)]


def test_of_a_cell_that_was_told_twice_the_latest_counts(ledger: Ledger) -> None:
    for value in (0.0, 1.0):
        ledger.keep_told("looks", TERMS, [told("a", 0, value), told("a", 1, 1 - value)])
    ledger.begin("next", TERMS, warm=True)
    found = ledger.earlier("next", [one.id for one in SELECT])
    assert {(one.example, one.value) for one in found} == {("e0", 1.0), ("e1", 0.0)}
    ledger.keep_told("looks", TERMS, [told("a", 0, 1.0), told("a", 1, 0.5)])
    assert ledger.count("looks") == 5, "what stayed the same is not told again"
    assert all(not one.model for one in found)


def test_a_look_that_was_killed_while_it_was_kept_stops_no_later_one(ledger: Ledger) -> None:
    ledger.begin("looks", TERMS, warm=False)
    ledger.keep_told("looks", TERMS, [told("a", 0)])
    ledger.begin("next", TERMS, warm=True)
    assert names(ledger, "next") == [("a", "e0", True)]


def test_what_is_told_later_is_not_known(ledger: Ledger) -> None:
    """Two runs beside each other, in whatever order they end."""
    ledger.begin("1", TERMS, warm=True)
    record(ledger, "1", [told("a", 0)])
    ledger.stop("1", "calls", told=ledger.count("1"))
    ledger.begin("2", TERMS, warm=True)
    ledger.begin("cold", TERMS, warm=False)
    record(ledger, "1", [told("a", 1)])
    assert names(ledger, "2") == [("a", "e0", True)]
    assert names(ledger, "cold") == []
    assert names(ledger, "nobody") == []
    ledger.begin("3", TERMS, warm=True)
    assert len(names(ledger, "3")) == 2


def test_a_model_that_drifted_counts_as_another_one(ledger: Ledger) -> None:
    def at(day: int) -> AbstractContextManager[None]:
        return clock.told_by(lambda: datetime(2026, 11, day, tzinfo=UTC))

    for day in (1, 5):
        with at(day):
            ledger.begin(f"{day}", TERMS, warm=True)
            record(ledger, f"{day}", [told(f"of {day}", 0)])
            ledger.stop(f"{day}", "calls", told=1)
    with at(6):
        ledger.begin("before the alarm", TERMS, warm=True)
    with at(7):
        ledger.set_aside("another", TERMS.endpoint, datetime(2026, 11, 6, tzinfo=UTC))
        ledger.set_aside(TERMS.model, TERMS.endpoint, datetime(2026, 11, 3, tzinfo=UTC))
        ledger.begin("after it", TERMS, warm=True)
    assert names(ledger, "after it") == [("of 5", "e0", True), ("of 1", "e0", False)]
    assert names(ledger, "before the alarm") == [("of 5", "e0", True), ("of 1", "e0", True)]


def test_only_prompts_that_the_space_makes_are_comparable() -> None:
    bound = BoundSpace(space(constraints=[{"forbid": {"task": "team", "teams": "none"}}]), ())
    open_ = BoundSpace(space(), ())
    levels = {"task": "draft", "teams": "none", "form": "bare"}
    right = EarlierOutcome(bound.candidate(levels).id, levels, "e", 1.0)
    assert comparable(bound, [right]) == [Earlier(right.candidate, levels, "e", 1.0)]
    assert comparable(bound, [replace(right, model="n")])[0].model == "n"
    forbidden = levels | {"task": "team"}
    wrong = [
        replace(right, candidate="0" * 16),
        replace(right, levels=levels | {"task": "gone"}),
        replace(right, levels={"other": 1}),
        EarlierOutcome(open_.candidate(forbidden).id, forbidden, "e", 1.0),
    ]
    found = comparable(bound, wrong)
    assert [(one.levels, one.made) for one in found] == [(one.levels, False) for one in wrong]


LEVELS = {"task": "team", "teams": "names", "form": "bare"}


def earlier(value: float, *, model: str = "") -> list[Earlier]:
    """One candidate has all its examples answered."""
    prompt = BoundSpace(space(), ()).candidate(LEVELS).id
    return [Earlier(prompt, LEVELS, one.id, value, model) for one in SELECT]


def policy(known: list[Earlier]) -> LathePolicy:
    return LathePolicy(BoundSpace(space(), ()), SELECT, study=None, seed=0, earlier=known)


def drive(one: LathePolicy, calls: int, value: float) -> list[Cell]:
    """Each cell gives `value`; asked again, one that was known gives 1."""
    cells: list[Cell] = []
    while len(cells) < calls and (new := one.propose((), 1)):
        cells += new
        given = 1.0 if new[0].repeat else value
        one.tell(outcome(new[0], Answer("a", 1, 1), {"score": given}, given))
    return cells


def test_known_cells_are_not_asked_again_and_count() -> None:
    one = policy(earlier(1.0))
    cells = drive(one, 40, 0.0)
    best = one.best
    assert dict(best.candidate.levels) == LEVELS
    assert best.candidate not in {cell.candidate for cell in cells if not cell.repeat}
    assert best.estimate
    assert (best.estimate.mean, best.estimate.n) == (1.0, len(SELECT))


def test_another_model_s_outcomes_are_not_known_cells() -> None:
    """They are asked again; what this model says counts."""
    one = policy(earlier(1.0, model="another"))
    best = policy(earlier(1.0)).best.candidate
    assert one.best == one.seed
    cells = drive(one, 50, 0.25)
    assert sum(cell.candidate.levels == best.levels for cell in cells) > 0
    assert all(s.estimate is None or s.estimate.mean < 0.6 for s in one.standings)


def test_of_two_outcomes_of_a_cell_the_first_of_this_model_counts() -> None:
    mixed = [*earlier(0.0, model="another"), *earlier(1.0), *earlier(0.5)]
    one = policy([*mixed, *earlier(0.0, model="another")])
    drive(one, 40, 0.0)
    assert one.best.estimate
    assert one.best.estimate.mean == 1.0

"""Runs that promote the same prompt: one after the other, and never half."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError
from tests.track_samples import BEST, SEED, Teller, about, conclusion, prompt

from promptlathe.records import Prompt
from promptlathe.track import Conclusion, registered_names
from promptlathe.track.promotion import OVER, RUN_IDS
from promptlathe.track.records import Concluded
from promptlathe.track.registry import read

NAME = "support-triage"
PAIR = {"route": prompt("Route."), "answer": prompt("Answer.")}
NAMES = registered_names(NAME, PAIR)


def versions(client: Any, name: str = NAME) -> list[int]:
    if client.get_prompt(name) is None:
        return []
    return sorted(int(one.version) for one in client.search_prompt_versions(name))


def test_a_promotion_that_was_overtaken_leaves_the_other_champion(state: Path, client: Any):
    first, second = Teller(state), Teller(state, "second")
    for one in (first, second):
        one.start(about())
    assert first.conclude(conclusion()).registered
    concluded = second.conclude(conclusion(best=SEED.prompts))
    assert concluded.registered == {}
    (problem,) = concluded.problems
    assert "was compared with no champion" in problem
    assert "another run promoted support-triage/1" in problem
    assert versions(client) == [1]
    run = client.get_run(concluded.run_id)
    assert "another run promoted" in run.data.tags["promptlathe.notes"]


def test_a_champion_that_was_taken_away_meanwhile_is_not_followed(state: Path, client: Any):
    first, second = Teller(state), Teller(state, "second")
    first.start(about())
    first.conclude(conclusion())
    second.start(about())
    client.delete_prompt_alias(NAME, "champion")
    concluded = second.conclude(conclusion(aliased={NAME: 1}))
    assert "which lost the alias 'champion'" in concluded.problems[0]


@pytest.mark.parametrize("names", [["prompt"], ["route", "answer"]])
def test_of_runs_that_promote_at_the_same_moment_one_does(
    state: Path, client: Any, names: Sequence[str]
):
    """Also across workspaces and machines: nothing but the registry is between them."""
    best: dict[str, Prompt] = {name: prompt(name) for name in names}
    given = about(prompts=tuple(names))
    tellers = [Teller(state, f"run{number}") for number in range(3)]
    for one in tellers:
        one.start(given)
    together = Barrier(len(tellers))

    def promote(one: Teller) -> bool:
        together.wait()
        return bool(one.conclude(conclusion(seed=best, best=best)).registered)

    with ThreadPoolExecutor(len(tellers)) as pool:
        promoted = list(pool.map(promote, tellers))
    assert sum(promoted) == 1
    registered = registered_names(NAME, names)
    champions = {n: client.get_prompt_version_by_alias(n, "champion") for n in registered.values()}
    assert len({one.tags["promptlathe.set"] for one in champions.values()}) == 1
    for name, champion in champions.items():
        assert versions(client, name) == [champion.version]


def killed_after(teller: Teller, step: str) -> None:
    """The sender ends when the registry has taken this step, and does not hear of it."""
    client = teller.book._backend.client
    taken = getattr(client, step)

    def take(*given: Any, **named: Any) -> None:
        taken(*given, **named)
        raise KeyboardInterrupt

    setattr(client, step, take)


@pytest.mark.parametrize(
    "step", ["create_prompt", "create_prompt_version", "set_prompt_version_tag", "set_prompt_alias"]
)
def test_a_promotion_that_was_cut_off_is_gone_on_with(state: Path, client: Any, step: str):
    given, end = about(prompts=tuple(PAIR)), conclusion(seed=PAIR, best=PAIR)
    teller = Teller(state)
    started = teller.start(given)
    killed_after(teller, step)
    with pytest.raises(KeyboardInterrupt):
        teller.conclude(end)
    again = Teller(state)
    again.book = type(again.book)(again.book._backend, "record", teller.book.taken(1))
    again.book._about = given
    assert again.conclude(end).problems == ()
    for name in NAMES.values():
        champion = client.get_prompt_version_by_alias(name, "champion")
        assert champion.tags[RUN_IDS] == started.run_id
        assert versions(client, name) == [champion.version] == [1]
        assert json.loads(champion.tags["promptlathe.set"])["versions"] == dict.fromkeys(
            NAMES.values(), 1
        )


def registers(**changes: Any) -> Conclusion:
    return conclusion(registers=True, **changes)


def test_the_seed_is_the_first_version_and_the_champion_follows_it(state: Path, client: Any):
    first = Teller(state)
    first.start(about())
    told = first.conclude(registers(metrics={"calls": 1400.0}))
    assert told.registered["prompt"].uri == "prompts:/support-triage/2"
    seed, best = (client.get_prompt_version(NAME, number) for number in (1, 2))
    assert seed.aliases == []
    assert seed.commit_message == "the seed: 0.50 on 108 held-out rows"
    assert seed.tags["score"] == "0.5000"
    assert read(seed) == SEED.prompt
    assert best.aliases == ["champion"]
    assert best.commit_message == (
        "+0.25 over the seed (95 % interval +0.10 to +0.40): 0.75 on 108 held-out rows, "
        "after 1,400 calls"
    )
    assert best.tags["calls"] == "1400"
    assert {one.tags[RUN_IDS] for one in (seed, best)} == {told.run_id}
    second = Teller(state, "second")
    second.start(about())
    second.conclude(registers(promote=False, verdict="no significant gain"))
    assert versions(client) == [1, 2]


def test_without_a_promotion_the_seed_alone_is_registered(state: Path, client: Any):
    teller = Teller(state)
    teller.start(about())
    told = teller.conclude(registers(promote=False, comparison=None, verdict=None))
    assert told.registered == {}
    assert versions(client) == [1]
    assert client.get_prompt_version(NAME, 1).commit_message.startswith("the seed, not compared")
    assert client.get_prompt_version(NAME, 1).aliases == []


def test_a_registry_in_which_others_have_versions_is_left_as_it_is(state: Path, client: Any):
    client.create_prompt(NAMES["route"])
    client.create_prompt_version(NAMES["route"], "Somebody's {{ text }}")
    teller = Teller(state)
    teller.start(about(prompts=tuple(PAIR)))
    teller.conclude(registers(seed=PAIR, best=PAIR, promote=False))
    assert versions(client, NAMES["route"]) == [1]
    assert "finalist" not in client.get_prompt_version(NAMES["route"], 1).tags
    assert client.get_prompt_version(NAMES["answer"], 1).tags["finalist"] == "seed"


def test_of_runs_that_register_the_seed_at_the_same_moment_one_does(state: Path, client: Any):
    tellers = [Teller(state, f"run{number}") for number in range(3)]
    for one in tellers:
        one.start(about())
    together = Barrier(len(tellers))

    def finish(one: Teller) -> Concluded:
        together.wait()
        return one.conclude(registers(promote=False))

    with ThreadPoolExecutor(len(tellers)) as pool:
        told = list(pool.map(finish, tellers))
    assert [one.problems for one in told] == [()] * 3
    assert versions(client) == [1]


@pytest.mark.parametrize("times", [1, 3])
def test_what_another_run_writes_at_the_same_moment_is_written_once_more(state: Path, times: int):
    """The description of the experiment: SQLite refuses the second row with the same key."""
    teller = Teller(state)
    teller.start(about())
    client, refused = teller.book._backend.client, []
    write = client.set_experiment_tag

    def beside(*given: Any) -> None:
        write(*given)
        if len(refused) < times:
            refused.append(given)
            raise IntegrityError("INSERT", {}, ValueError("UNIQUE constraint failed: tags.key"))

    client.set_experiment_tag = beside
    problems = teller.conclude(registers(promote=False)).problems
    assert len(refused) == times
    assert bool(problems) == (times == 3), problems


@pytest.mark.parametrize(
    "step", ["create_prompt", "create_prompt_version", "set_prompt_version_tag"]
)
def test_a_registered_seed_that_was_cut_off_is_gone_on_with(state: Path, client: Any, step: str):
    given, end = about(prompts=tuple(PAIR)), registers(seed=PAIR, best=PAIR)
    teller = Teller(state)
    teller.start(given)
    killed_after(teller, step)
    with pytest.raises(KeyboardInterrupt):
        teller.conclude(end)
    again = Teller(state)
    again.book = type(again.book)(again.book._backend, "record", teller.book.taken(1))
    again.book._about = given
    assert again.conclude(end).problems == ()
    for name in NAMES.values():
        assert versions(client, name) == [1, 2]
        assert client.get_prompt_version_by_alias(name, "champion").version == 2
        seed = client.get_prompt_version(name, 1)
        assert json.loads(seed.tags["promptlathe.set"])["versions"] == dict.fromkeys(
            NAMES.values(), 1
        )


def test_a_version_that_was_given_up_long_ago_holds_up_nobody(
    state: Path, client: Any, monkeypatch: pytest.MonkeyPatch
):
    client.create_prompt(NAME)
    client.create_prompt_version(NAME, "dead", tags={OVER: "none", RUN_IDS: "gone"})
    fresh = Teller(state)
    fresh.start(about())
    assert "another run promoted support-triage/1" in fresh.conclude(conclusion()).problems[0]
    monkeypatch.setattr("promptlathe.track.promotion.STALE", -1)
    later = Teller(state, "later")
    later.start(about())
    assert later.conclude(conclusion(best=BEST.prompts)).registered["prompt"].version == 3

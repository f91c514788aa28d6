"""Runs that promote the same prompt: one after the other, and never half."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from tests.track_samples import BEST, SEED, Teller, about, conclusion, prompt

from promptlathe.records import Prompt
from promptlathe.track import registered_names
from promptlathe.track.promotion import OVER, RUN_IDS

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

"""The champion before, the history of a prompt, and the way back."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.track_samples import BEST, SEED, Teller, about, conclusion, prompt

from promptlathe.cli import main
from promptlathe.track import default_uri, registered_names

NAME = "support-triage"


def told(*given: str) -> Result:
    return CliRunner().invoke(main, [*given])


def holders(client: Any, name: str = NAME) -> tuple[int, int]:
    versions = (client.get_prompt_version_by_alias(name, one) for one in ("champion", "previous"))
    first, second = (int(one.version) for one in versions)
    return first, second


@pytest.fixture
def store(state: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", default_uri(state))
    return state


def promoted(state: Path, record: str, given: Any = None, **changes: Any) -> None:
    one = Teller(state, record)
    one.start(given or about())
    concluded = one.conclude(conclusion(**changes))
    assert concluded.registered, concluded.problems


def proposed(state: Path, record: str, **changes: Any) -> None:
    one = Teller(state, record)
    one.start(about())
    concluded = one.conclude(conclusion(alias="challenger", **changes))
    assert concluded.registered, concluded.problems
    assert concluded.alias == "challenger"


def version_with(client: Any, alias: str) -> int | None:
    from mlflow.exceptions import MlflowException

    try:
        return int(client.get_prompt_version_by_alias(NAME, alias).version)
    except MlflowException:
        return None


def test_a_challenger_waits_for_somebody_to_promote_it(store: Path, client: Any):
    promoted(store, "one")
    proposed(store, "two", best={"prompt": prompt("Other.")}, aliased={NAME: 1})
    assert [version_with(client, one) for one in ("champion", "challenger")] == [1, 2]
    (_, first) = json.loads(told("history", NAME, "--json", "-").stdout)["versions"]
    assert first["aliases"] == ["champion"]
    assert told("promote", NAME).output == f"champion  {NAME}/2 (was {NAME}/1)\n"
    assert holders(client) == (2, 1)
    assert version_with(client, "challenger") is None
    again = told("promote", NAME)
    assert again.exit_code == 2
    assert "has no challenger" in again.output


def test_the_first_champion_may_be_a_challenger(store: Path, client: Any):
    proposed(store, "one")
    assert version_with(client, "champion") is None
    assert told("promote", NAME).output == f"champion  {NAME}/1\n"
    assert version_with(client, "champion") == 1


def test_a_challenger_of_another_champion_is_refused(store: Path, client: Any):
    promoted(store, "one")
    proposed(store, "two", best={"prompt": prompt("Other.")}, aliased={NAME: 1})
    promoted(store, "three", best={"prompt": prompt("Third.")}, aliased={NAME: 1})
    assert holders(client) == (3, 1)
    refused = told("promote", NAME)
    assert refused.exit_code == 2
    assert f"{NAME}/2 was compared with the champion {NAME}/1" in refused.output
    assert told("promote", NAME, "--anyway").exit_code == 0
    assert holders(client) == (2, 3)


def test_a_proposal_that_is_written_again_is_one_version(store: Path, client: Any):
    one = Teller(store, "one")
    one.start(about())
    for _ in range(2):
        one.conclude(conclusion(alias="challenger"))
    assert version_with(client, "challenger") == 1


def test_a_champion_goes_and_the_next_run_follows_the_one_before(store: Path, client: Any):
    promoted(store, "one")
    promoted(store, "two", best=SEED.prompts, aliased={NAME: 1})
    assert holders(client) == (2, 1)
    back = told("rollback", NAME, "--reason", "too terse")
    assert back.output == f"champion  {NAME}/1 (was {NAME}/2)\n"
    assert holders(client) == (1, 2)
    promoted(store, "three", best={"prompt": prompt("Other.")}, aliased={NAME: 1})
    assert holders(client) == (3, 1)
    versions = json.loads(told("history", NAME, "--json", "-").stdout)["versions"]
    assert [(one["number"], one["aliases"]) for one in versions] == [
        (3, ["champion"]),
        (2, []),
        (1, ["previous"]),
    ]
    (rollback,) = versions[1]["rollbacks"]
    assert (rollback["to"], rollback["reason"]) == (1, "too terse")
    assert (versions[0]["gain"], versions[0]["interval"]) == (0.25, [0.1, 0.4])
    assert "rolled back from 2 to 1: too terse" in told("history", NAME).output


def test_prompts_of_a_chain_go_back_together(store: Path, client: Any):
    pair = {"route": prompt("Route."), "answer": prompt("Answer.")}
    names = registered_names(NAME, pair)
    given = about(prompts=tuple(pair))
    promoted(store, "one", given, seed=pair, best=pair)
    first = {one: int(client.get_prompt_version_by_alias(one, "champion").version)
             for one in names.values()}  # fmt: skip
    better = {name: prompt(f"Better {name}.") for name in pair}
    promoted(store, "two", given, seed=pair, best=better, aliased=first)
    done = told("rollback", names["route"])
    assert done.exit_code == 0, done.output
    assert {one: holders(client, one)[0] for one in names.values()} == first


def test_a_record_that_is_sent_again_does_not_undo_a_rollback(store: Path, client: Any):
    """As by `sync`, after the registry took the promotion and the sender did not hear of it."""
    promoted(store, "one")
    end = conclusion(best=SEED.prompts, aliased={NAME: 1})
    second, again = Teller(store, "two"), Teller(store, "two")
    second.start(about())
    set_alias = second.book._backend.client.set_prompt_alias

    def cut_off(name: str, alias: str, version: int) -> None:
        set_alias(name, alias, version)
        if alias == "champion":
            raise KeyboardInterrupt

    second.book._backend.client.set_prompt_alias = cut_off
    with pytest.raises(KeyboardInterrupt):
        second.conclude(end)
    assert told("rollback", NAME).exit_code == 0
    again.book = type(again.book)(again.book._backend, "two", second.book.taken(1))
    again.book._about = about()
    assert "rolled back by hand" in again.conclude(end).problems[0]
    assert holders(client) == (1, 2)


def test_what_cannot_be_rolled_back_is_said(store: Path):
    promoted(store, "one", best=BEST.prompts)
    for given, said in (
        (("rollback", NAME), "was champion before"),
        (("rollback", NAME, "--to", "7"), "has no version 7"),
        (("rollback", NAME, "--to", "1"), "is the champion already"),
        (("rollback", NAME, "--to", "1", "--reason", "x" * 1001), "1001 characters"),
        (("history", "support-traige"), f"did you mean '{NAME}'?"),
        (("history", "a b"), "is not a name for the prompt registry"),
    ):
        done = told(*given)
        assert done.exit_code == 2, done.output
        assert said in done.output
        assert "Traceback" not in done.output

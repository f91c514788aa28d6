"""A chain of two prompts, tuned together: the shipped run file against a scripted shop."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.jobs import essence
from tests.orders import (
    PLACES,
    ROWS,
    cells,
    chain,
    check_account,
    ledger_roles,
    shop,
    spaces,
    steps_sent,
)

from promptlathe.job import Result, run
from promptlathe.job.progress import View
from promptlathe.models.settings import ModelSettings
from promptlathe.space import SearchSpace, join
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

CALLS = 400
Alone = tuple[Result, ScriptedServer, Path]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(shop) as served:
        yield served


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """With one call in flight: what the others are compared with."""
    folder = tmp_path_factory.mktemp("alone")
    with ScriptedServer(shop) as served:
        yield run(chain(folder, served, calls=CALLS)), served, folder


def test_the_decisions_follow_the_rules() -> None:
    for row in ROWS:
        promised = re.search(r"promised (\d+) day", row["facts"])
        late = int(promised[1]) if promised else 0
        delivered = re.search(r"delivered (\d+) day", row["facts"])
        age = int(delivered[1]) if delivered else 0
        gone = "no longer in stock" in row["facts"]
        fresh = "unopened" in row["facts"] and age <= 14
        expected, fits = {
            "late": ("wait", "not delivered" in row["facts"] and late < 7),
            "lost": ("refund", "not delivered" in row["facts"] and late >= 7),
            "damaged": ("refund" if gone else "replace", age <= 30),
            "too_old": ("decline", age > 30),
            "changed_mind": ("refund" if fresh else "decline", delivered is not None),
            "unclear": ("ask_details", True),
        }[row["rule"]]
        assert (row["decision"], fits) == (expected, True), row["id"]
    assert Counter(row["lang"] for row in ROWS) == {"en": 25, "fr": 25}


def test_it_finds_the_best_levels_of_both_steps(alone: Alone) -> None:
    result, served, folder = alone
    assert (result.verdict, result.recommended) == ("better", "best")
    assert result.best.levels["plan.rules"] == "full"
    assert result.best.levels["answer.format"] in ("bare", "contract")
    assert result.seed.levels["plan.rules"] == "none"
    assert (result.test.seed, result.test.best) == (0.35, 1)
    assert list(result.best.prompts) == ["plan", "answer"]
    assert "{{ plan }}" in result.best.prompts["answer"].messages[-1].text
    used = check_account(result, served, calls=CALLS)
    assert (used["task"], used["total"]) == (len(served.arrived), len(served.arrived))
    assert ledger_roles(folder) == {"task": len(served.arrived)}


def test_its_effects_name_what_counts(alone: Alone) -> None:
    """The two levels that change something, and none of those that do not."""
    sure = {(e.component, e.level) for e in alone[0].found_effects if e.low > 2}
    assert ("plan.rules", "full") in sure
    assert {component for component, _ in sure} <= {"plan.rules", "answer.format"}


@pytest.mark.parametrize(("engine", "concurrency"), PLACES, indirect=["engine"])
def test_a_change_in_step_2_pays_no_call_of_step_1(
    server: ScriptedServer, tmp_path: Path, engine: str, concurrency: int
) -> None:
    """Step 1 is fixed: each row is planned once, however many prompts of step 2 are tried."""
    fixed = SearchSpace("Rules of the shop: …\n\nMessage: {{ message }}\nOrder: {{ facts }}\nNote:")
    space = join({"plan": fixed, "answer": spaces()["answer"]})
    result = run(
        chain(tmp_path, server, calls=300, engine=engine, concurrency=concurrency, space=space)
    )
    assert result.verdict == "better"
    rows = {(example, repeat) for _, example, repeat in cells(tmp_path, result)}
    asked = steps_sent(server)
    assert 0 <= asked["plan"] - len(rows) < concurrency, "one call in flight: exactly"
    assert asked["answer"] > 3 * asked["plan"]
    check_account(result, server, calls=300)


@pytest.mark.parametrize(("engine", "concurrency"), PLACES[1:], indirect=["engine"])
def test_many_in_flight(tmp_path: Path, engine: str, concurrency: int) -> None:
    with ScriptedServer(shop) as server:
        result = run(chain(tmp_path, server, calls=CALLS, engine=engine, concurrency=concurrency))
    assert result.best.levels["plan.rules"] == "full"
    assert result.test.best == 1
    check_account(result, server, calls=CALLS)
    check_steps(result, server, tmp_path, concurrency)


def test_each_step_is_asked_once_for_a_prompt_and_a_row(alone: Alone) -> None:
    check_steps(*alone, concurrency=1)


def check_steps(result: Result, server: ScriptedServer, folder: Path, concurrency: int) -> None:
    plan_of = {s.candidate.id: s.candidate.prompts["plan"].id for s in result.standings}
    told = cells(folder, result)
    plans = {(plan_of[candidate], row, repeat) for candidate, row, repeat in told}
    # What was dropped at the end of a stage may have been planned; nothing else is asked besides.
    assert 0 <= steps_sent(server)["plan"] - len(plans) <= 3 * concurrency
    most = Counter((candidate, row) for candidate, row, _ in told).most_common(1)[0][1]
    sent = Counter(repr(sorted(arrived.body.items())) for arrived in server.arrived)
    assert max(sent.values()) <= most, "equal requests are repeats of a cell"


@pytest.mark.ray
def test_ray_gives_the_same_result(
    cluster: None, alone: Alone, server: ScriptedServer, tmp_path: Path
) -> None:
    assert essence(run(chain(tmp_path, server, calls=CALLS, engine="ray"))) == essence(alone[0])


def test_a_second_run_pays_nothing(alone: Alone) -> None:
    """The ledger answers, and the budget covers what it knew: the same result."""
    first, server, folder = alone
    paid = len(server.arrived)
    job = chain(folder, server, calls=CALLS)
    second = run(replace(job, search=job.search.model_copy(update={"warm_start": False})))
    assert essence(second)[2:] == essence(first)[2:]
    assert second.spent.calls == 0
    assert second.spent.cached_calls == first.spent.calls == paid == len(server.arrived)


class Stops:
    """A progress display that fails in the middle of a run."""

    def __init__(self, after: int) -> None:
        self.left = after

    def update(self, view: View) -> None:
        self.left -= 1
        if self.left <= 0:  # the first time may be a tick of the clock, which ends no run
            raise RuntimeError("no more")


def test_a_run_that_was_cut_off_goes_on(
    alone: Alone, server: ScriptedServer, tmp_path: Path
) -> None:
    """Both runs together pay what one pays, in the same order, and the result is the same."""
    job = chain(tmp_path, server, calls=CALLS)
    cold = replace(job, search=job.search.model_copy(update={"warm_start": False}))
    with pytest.raises(RuntimeError, match="no more"):
        run(cold, progress=Stops(after=90))
    paid = len(server.arrived)
    result = run(cold)
    assert essence(result) == essence(alone[0])
    order = [arrived.body for arrived in server.arrived]
    assert order == [arrived.body for arrived in alone[1].arrived]
    assert result.spent.cached_calls == paid
    assert result.spent.used_calls == alone[0].spent.calls


def test_a_replay_gives_the_same_result(tmp_path: Path) -> None:
    """Of calls that come back in any order."""

    def slow(arrived: Arrived) -> Reply:
        return Reply(shop(arrived), delay=0.001 * (arrived.number % 7))

    with ScriptedServer(slow) as server:
        job = chain(tmp_path, server, calls=200, concurrency=16)
        first, paid = run(job), len(server.arrived)
        again = run(job, replay=first.run)
        assert len(server.arrived) == paid
    assert essence(again) == essence(first)


def test_a_step_with_a_model_of_its_own(server: ScriptedServer, tmp_path: Path) -> None:
    """Its calls go to its service, and are in the one budget."""
    with ScriptedServer(shop) as planner:
        own = ModelSettings(name="planner", base_url=planner.base_url)
        result = run(chain(tmp_path, server, calls=300, step_models={"plan": own}))
        assert steps_sent(planner).keys() == {"plan"}
        assert steps_sent(server).keys() == {"answer"}
        assert result.spent.calls == len(planner.arrived) + len(server.arrived) <= 300
    assert result.best.levels["plan.rules"] == "full"

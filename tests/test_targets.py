"""A function of yours as target: its control flow, its calls, its errors; the same on every way."""

import itertools
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import essence
from tests.orders import (
    ENGINES,
    FACTS,
    OBJECTIVE,
    VAGUE,
    check_account,
    model,
    parallel,
    row_of,
    shop,
    spaces,
    step_of,
    steps_sent,
)

import promptlathe as pl
from promptlathe.errors import InputError, ModelUnavailable
from promptlathe.job import Job, Result, run
from promptlathe.starter import starter
from promptlathe.testing.scripted import Reply, ScriptedServer

CALLS = 300
APP = '''
import promptlathe as pl


@pl.target(prompts=["plan", "answer"])
async def app(row, prompts, llm):
    """No order, no plan."""
    if "no order found" in row["facts"]:
        return await llm(prompts["answer"], **row, plan="Rule: unclear.")
    plan = await llm(prompts["plan"], **row)
    return await llm(prompts["answer"], **row, plan=plan)
'''
made: dict[str, Any] = {}
exec(APP, made)
APP_ASYNC = made["app"]


@pl.target(prompts=["plan", "answer"])
def app_sync(row: Mapping[str, Any], prompts: Mapping[str, Any], llm: Any) -> str:
    """The same, in a thread."""
    if "no order found" in row["facts"]:
        return llm(prompts["answer"], **row, plan="Rule: unclear.")
    return llm(prompts["answer"], **row, plan=llm(prompts["plan"], **row))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(shop) as served:
        yield served


def optimize(
    folder: Path,
    server: ScriptedServer,
    function: Any,
    *,
    engine: str = "local",
    concurrency: int = 1,
    calls: int = CALLS,
) -> Result:
    return pl.optimize(
        spaces(),
        OBJECTIVE,
        target=function,
        model=model(server),
        budget=pl.Budget(calls=calls),
        parallel=parallel(engine, concurrency),
        track=False,
        workspace=folder,
    )


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, ScriptedServer]:
    """The async one with one call in flight: what the others are compared with."""
    with ScriptedServer(shop) as served:
        return optimize(tmp_path_factory.mktemp("alone"), served, APP_ASYNC), served


def test_it_finds_the_best_levels(alone: tuple[Result, ScriptedServer]) -> None:
    result, served = alone
    assert (result.verdict, result.recommended, result.test.best) == ("better", "best", 1)
    assert result.best.levels["plan.rules"] == "full"
    assert result.best.levels["answer.format"] in ("bare", "contract")
    check_account(result, served, calls=CALLS)


def test_its_control_flow_decides_the_calls(alone: tuple[Result, ScriptedServer]) -> None:
    _, served = alone
    lost = [a for a in served.arrived if "no order found" in row_of(a)["facts"]]
    assert lost
    assert {step_of(arrived) for arrived in lost} == {"answer"}
    assert all("Note of a colleague: Rule: unclear." in arrived.prompt for arrived in lost)


def test_without_async_it_is_the_same(
    alone: tuple[Result, ScriptedServer], server: ScriptedServer, tmp_path: Path
) -> None:
    assert essence(optimize(tmp_path, server, app_sync)) == essence(alone[0])
    assert server.prompts == alone[1].prompts


def test_from_a_run_file_it_is_the_same(
    alone: tuple[Result, ScriptedServer], server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP, "utf-8")
    content = starter()
    (tmp_path / "run.yaml").write_text(
        f"""
steps:
  plan: {{space: {content}/search_spaces/order_plan.yaml}}
  answer: {{space: {content}/search_spaces/order_answer.yaml}}
target: app.py:app
objective: {FACTS}
model: {{name: shop, base_url: "{server.base_url}", max_tokens: 60, retries: 0}}
budget: {{calls: {CALLS}}}
parallel: {{concurrency: 1}}
track: false
""",
        "utf-8",
    )
    assert essence(run(Job.load(tmp_path / "run.yaml"))) == essence(alone[0])
    assert server.prompts == alone[1].prompts


@pytest.mark.parametrize("function", [APP_ASYNC, app_sync], ids=["async", "sync"])
@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_many_in_flight(server: ScriptedServer, tmp_path: Path, engine: str, function: Any) -> None:
    result = optimize(tmp_path, server, function, engine=engine, concurrency=16)
    assert result.best.levels["plan.rules"] == "full"
    assert result.test.best == 1
    check_account(result, server, calls=CALLS)


@pytest.mark.ray
def test_ray_gives_the_same_result(
    cluster: None, alone: tuple[Result, ScriptedServer], server: ScriptedServer, tmp_path: Path
) -> None:
    assert essence(optimize(tmp_path, server, APP_ASYNC, engine="ray")) == essence(alone[0])


def test_more_slow_functions_than_threads_of_a_pool(tmp_path: Path) -> None:
    """Each that waits for a model has a thread: none waits for another's."""
    most = 48
    inside = threading.Barrier(most, timeout=20)
    met, begun = threading.Event(), itertools.count()

    def app(row: Mapping[str, Any], prompts: Mapping[str, Any], llm: Any) -> str:
        if next(begun) >= 20 and not met.is_set():  # the first ones show that all is well
            inside.wait()
            met.set()
        return llm(prompts["plan"], **row) and llm(prompts["answer"], **row, plan=VAGUE)

    with ScriptedServer(shop) as server:
        result = optimize(tmp_path, server, app, concurrency=most, calls=300)
        assert result.spent.calls <= 300
    assert met.is_set()


def test_what_it_raises_is_a_failure_of_the_prompt(server: ScriptedServer, tmp_path: Path) -> None:
    """With the worst score; the run goes on with other prompts."""

    async def app(row: Mapping[str, Any], prompts: Mapping[str, Any], llm: Any) -> str:
        plan = await llm(prompts["plan"], **row)
        if plan == VAGUE and row["id"][-1] in "37":
            raise ValueError("no rule in the note")
        return await llm(prompts["answer"], **row, plan=plan)

    result = optimize(tmp_path, server, app)
    assert result.best.levels["plan.rules"] == "full"
    failed = {s.candidate.id: s.failed for s in result.standings}
    assert 0 < sum(failed.values()) < 30
    assert failed[result.best.candidate] == 0


def test_one_that_always_raises_ends_the_run(server: ScriptedServer, tmp_path: Path) -> None:
    async def app(row: Mapping[str, Any], prompts: Mapping[str, Any], llm: Any) -> str:
        raise KeyError("colour")

    with pytest.raises(InputError, match="KeyError: 'colour'"):
        optimize(tmp_path, server, app)
    assert not server.arrived


def test_it_cannot_swallow_the_end_of_the_budget(server: ScriptedServer, tmp_path: Path) -> None:
    async def app(row: Mapping[str, Any], prompts: Mapping[str, Any], llm: Any) -> str:
        try:
            plan = await llm(prompts["plan"], **row)
            return await llm(prompts["answer"], **row, plan=plan)
        except BaseException:  # noqa: BLE001
            raise RuntimeError("mine") from None

    result = optimize(tmp_path, server, app, calls=300)
    assert sum(s.failed for s in result.standings) == 0
    check_account(result, server, calls=300)


def test_calls_of_its_own_and_repeats(server: ScriptedServer, tmp_path: Path) -> None:
    """Three votes of step 1 are three calls, each kept apart; all in the budget."""

    async def app(row: Mapping[str, Any], prompts: Mapping[str, Any], llm: Any) -> str:
        votes = [await llm(prompts["plan"], repeat=n, **row) for n in range(3)]
        return await llm(prompts["answer"], **row, plan=max(votes, key=votes.count))

    result = optimize(tmp_path, server, app, calls=CALLS)
    used = steps_sent(server)
    assert used["plan"] > 2 * used["answer"]
    check_account(result, server, calls=CALLS)
    assert result.test.examples >= 10


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (pl.target(prompts=["plan"])(lambda row, prompts, llm: ""), "uses the prompts plan"),
        (lambda row: "", "cannot be called with a row, the prompts and llm"),
    ],
)
def test_what_is_refused_before_any_call(
    server: ScriptedServer, tmp_path: Path, function: Any, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        optimize(tmp_path, server, function)
    assert not server.arrived


def test_it_cannot_swallow_a_model_that_is_away(tmp_path: Path) -> None:
    """The run ends with the service's reason, not as a mistake of the function."""

    async def app(row: Mapping[str, Any], prompts: Mapping[str, Any], llm: Any) -> str:
        try:
            return await llm(prompts["answer"], **row, plan=await llm(prompts["plan"], **row))
        except Exception:  # noqa: BLE001
            return "wait"

    with ScriptedServer(Reply("wrong key", status=401)) as server:
        for function in (app, app_sync):
            with pytest.raises(ModelUnavailable, match="wrong key"):
                optimize(tmp_path, server, function)

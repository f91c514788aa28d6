"""Whole jobs on the pocket model: embedded, over HTTP and on Ray."""

import asyncio
import itertools
import signal
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.jobs import OBJECTIVE, ROWS, WORDS, Jitter, answers_file, canaries, essence
from tests.orders import ENGINES

import promptlathe as pl
from promptlathe.errors import BudgetTooSmall, InputError, Interrupted, ModelUnavailable
from promptlathe.job import Job, Result, run
from promptlathe.job.runfile import ParallelOptions, SearchOptions, TrackOptions
from promptlathe.models.pocket.faults import Every, Fault, Faults
from promptlathe.models.pocket.server import PocketServer, serve
from promptlathe.models.pricing import Price, Prices
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget

SPACE = pl.SearchSpace(
    messages={"system": "{{ task }} {{ teams }} {{ form }}", "user": "{{ demos }}\n\n{{ text }}"},
    components={
        "task": pl.Choice({"draft": "Read the message.", "team": "Name the team for the message."}),
        "teams": pl.Choice(
            {
                "none": None,
                "names": "Teams: billing, delivery, login.",
                "rules": "Teams:\n"
                + "\n".join(f"- {label}: {', '.join(words)}" for label, words in WORDS.items()),
            }
        ),
        "form": pl.Choice({"draft": "Say which.", "bare": "Answer with the label only."}),
        "demos": pl.Demos(count=(0, 4), template="Text: {{ text }}\nTeam: {{ label }}", draws=3),
    },
)
TEST = len(OBJECTIVE.examples("test"))
CALLS = 170


def job(
    workspace: Path,
    *,
    calls: int | None = CALLS,
    concurrency: int = 1,
    model: str | dict[str, Any] = "pocket",
    engine: str = "local",
    **changes: Any,
) -> Job:
    parallel = {"engine": engine, "concurrency": concurrency, "workers": 1}
    made = Job(
        space=SPACE,
        objective=OBJECTIVE,
        model=ModelSettings.model_validate(model),
        budget=Budget(calls=calls),
        parallel=ParallelOptions.model_validate(parallel),
        track=False,
        workspace=workspace,
    )
    return replace(made, **changes)


def served(server: PocketServer) -> dict[str, Any]:
    return {"name": "pocket", "base_url": server.base_url, "retries": 0, "timeout": 20}


def in_thread(one: Job, **options: Any) -> asyncio.Future[Result]:
    """Beside the server, which lives in this thread's loop."""
    return asyncio.ensure_future(asyncio.to_thread(run, one, **options))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """The job with one call in flight, embedded: what the others are compared with."""
    folder = tmp_path_factory.mktemp("alone")
    return run(job(folder)), folder


def test_it_finds_a_better_prompt(alone: tuple[Result, Path]) -> None:
    result, _ = alone
    assert result.verdict == "better"
    assert result.recommended == "best"
    assert result.test.examples == TEST
    assert result.test.best > result.test.seed
    assert result.spent.calls == CALLS
    assert result.finish_reason == "budget: calls"
    assert len(result.standings) > 4


def test_another_seed_gives_another_search(alone: tuple[Result, Path], tmp_path: Path) -> None:
    other = run(job(tmp_path, calls=60, search=SearchOptions(seed=1)))
    tried = [s.candidate for s in other.standings]
    assert tried != [s.candidate for s in alone[0].standings][: len(tried)]


async def test_http_gives_the_same_result(alone: tuple[Result, Path], tmp_path: Path) -> None:
    async with serve() as server:
        result = await in_thread(job(tmp_path, model=served(server)))
        assert server.requests == CALLS
    assert essence(result) == essence(alone[0])


@pytest.mark.ray
def test_ray_gives_the_same_result(
    cluster: None, alone: tuple[Result, Path], tmp_path: Path
) -> None:
    assert essence(run(job(tmp_path, engine="ray"))) == essence(alone[0])


def answers(workspace: Path) -> dict[str, tuple[Any, ...]]:
    """By the call's key: what the model said, and its tokens."""
    with sqlite3.connect(workspace / ".promptlathe" / "ledger.db") as ledger:
        rows = ledger.execute("SELECT key, text, input_tokens, output_tokens FROM answers")
        return {key: tuple(values) for key, *values in rows}


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_many_in_flight_get_the_same_answers(
    alone: tuple[Result, Path], tmp_path: Path, engine: str
) -> None:
    run(job(tmp_path, concurrency=16, engine=engine))
    first, second = answers(alone[1]), answers(tmp_path)
    common = first.keys() & second.keys()
    assert len(common) > 50
    assert all(first[key] == second[key] for key in common)


@pytest.mark.parametrize(
    ("budget", "policy"),
    [
        (Budget(calls=140), "lathe"),
        (Budget(calls=140), "tpe"),
        (Budget(calls=140), "nsga2"),
        (Budget(calls=140), "halving"),
        (Budget(tokens=13_000), "random"),
        (Budget(minutes=0.05), "random"),
    ],
    ids=lambda value: str(value).replace(", ", " "),
)
async def test_a_replay_of_the_order_gives_the_identical_result(
    tmp_path: Path, budget: Budget, policy: str
) -> None:
    """The second time no call is sent, and those that failed have failed again."""
    async with serve(faults=Jitter(server_error=0.03)) as server:
        one = job(
            tmp_path,
            model={**served(server), "max_tokens": 20},
            concurrency=4,
            budget=budget,
            search=SearchOptions.model_validate({"policy": policy}),
        )
        first = await in_thread(one)
        requests = server.requests
        again = await in_thread(one, replay=first.run)
        assert server.requests == requests
    assert first.finish_reason.startswith("budget: ")
    assert essence(again) == essence(first)


class SlowsDown(Faults):
    """The first answers come at once, later ones after a quarter of a second."""

    latency = property(lambda self: 0.25 if next(self.count) > 200 else 0.003, lambda self, v: None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", itertools.count())


async def test_a_replay_leaves_out_what_the_clock_kept_from_the_decision(tmp_path: Path) -> None:
    random = SearchOptions(policy="random")
    async with serve(faults=SlowsDown()) as server:
        one = job(
            tmp_path,
            model=served(server),
            concurrency=4,
            budget=Budget(minutes=0.05),
            search=random,
        )
        first = await in_thread(one)
        requests = server.requests
        again = await in_thread(one, replay=first.run)
        assert server.requests == requests
    assert first.test.examples < TEST
    assert essence(again) == essence(first)


def test_only_finished_runs_of_this_workspace_can_be_replayed(tmp_path: Path) -> None:
    one = job(tmp_path, calls=60)
    with pytest.raises(InputError, match="no run 'unknown'"):
        run(one, replay="unknown")
    first = run(one)
    with pytest.raises(InputError, match="another course"):
        run(replace(one, search=SearchOptions(seed=5)), replay=first.run)


def test_the_second_run_pays_for_nothing(tmp_path: Path) -> None:
    cold = SearchOptions(warm_start=False)
    first, second = (run(job(tmp_path, concurrency=16, search=cold)) for _ in range(2))
    assert first.spent.calls == CALLS
    assert second.to_dict()["calls"]["total"] == 0
    assert second.spent.cached_calls == CALLS
    assert essence(second) == essence(first)


class BreaksDown(Faults):
    """From the 60th request on the service answers with half a text."""

    def of_request(self, number: int) -> Fault | None:
        return "malformed" if number >= 60 else None


async def test_a_run_that_broke_off_goes_on_where_it_stopped(
    alone: tuple[Result, Path], tmp_path: Path
) -> None:
    async with serve(faults=BreaksDown()) as server:
        one = job(tmp_path, model=served(server))
        with pytest.raises(ModelUnavailable):
            await in_thread(one)
        server.faults = Faults()
        paid = server.answered
        result = await in_thread(one)
        assert paid == 59
        assert server.answered == CALLS
    assert (result.spent.calls, result.spent.cached_calls) == (CALLS - 59, 59)
    assert essence(result) == essence(alone[0])


@pytest.mark.parametrize(("calls", "concurrency"), [(51, 1), (51, 32), (120, 7), (153, 32)])
async def test_the_budget_is_exact_by_the_server_s_own_count(
    tmp_path: Path, calls: int, concurrency: int
) -> None:
    async with serve(faults=Jitter()) as server:
        one = job(tmp_path, model=served(server), calls=calls, concurrency=concurrency)
        result = await in_thread(one)
        assert server.requests == result.spent.calls <= calls
        assert server.max_in_flight <= concurrency
        if result.best.candidate != result.seed.candidate:
            assert server.requests == calls
            assert result.test.missing == 0


async def test_failed_calls_count_and_do_not_end_the_job(tmp_path: Path) -> None:
    async with serve(faults=Faults(server_error=Every(5))) as server:
        random = SearchOptions(policy="random")
        one = job(tmp_path, model=served(server), calls=120, concurrency=4, search=random)
        result = await in_thread(one)
        assert server.requests == 120
        failed = server.requests - server.answered
    assert result.spent.calls == 120
    said = f"{failed} calls failed and were left unscored (server_error {failed})"
    assert said in result.notes
    assert result.test.missing > 0
    assert result.test.examples + result.test.missing == TEST
    assert sum(s.failures for s in result.standings) <= failed


@pytest.mark.parametrize("limit", ["tokens", "usd"])
async def test_a_token_or_dollar_budget_is_used_though_worst_cases_are_held(
    tmp_path: Path, limit: str
) -> None:
    """64 calls in flight, at worst, are more than the whole budget."""
    prices = Prices({"pocket": Price(input=1, output=1)})
    amount = 15_000
    budget = Budget(**{limit: amount if limit == "tokens" else amount / 1e6})
    async with serve() as server:
        model = {**served(server), "max_tokens": 300}
        one = job(tmp_path, model=model, budget=budget, prices=prices, concurrency=64)
        result = await in_thread(one)
    assert amount * 0.85 < result.spent.tokens <= amount
    assert result.finish_reason == f"budget: {limit}"
    assert result.test.missing == 0
    if limit == "usd":
        assert result.spent.usd == pytest.approx(result.spent.tokens / 1e6)


async def test_a_model_that_refuses_every_call_is_named(tmp_path: Path) -> None:
    async with serve(faults=Faults(unknown_model=True)) as server:
        with pytest.raises(ModelUnavailable, match="not_found"):
            await in_thread(job(tmp_path, model=served(server)))
        assert server.requests == 1


def test_too_small_a_budget_is_said_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(BudgetTooSmall, match="too few"):
        run(job(tmp_path, calls=49))
    assert not answers_file(tmp_path).exists()


def test_demos_come_from_train_only(alone: tuple[Result, Path]) -> None:
    """No row of select or test ever stands in a prompt."""
    prompts = [
        message.content for s in alone[0].standings for message in s.candidate.prompt.messages
    ]
    shown = {word for text in prompts for word in text.split()}
    assert len(canaries("train") | canaries("select") | canaries("test")) == len(ROWS)
    assert len(shown & canaries("train")) > 3
    assert not shown & canaries("select")
    assert not shown & canaries("test")


def the_issue_s_example(workspace: Path) -> Result:
    space = pl.SearchSpace(
        messages={"system": "{{ task }} {{ form }}", "user": "{{ text }}"},
        components={
            "task": pl.Choice(["Read this.", "Teams: billing, delivery, login."]),
            "form": pl.Choice(["Say which.", "Answer with the label only."]),
        },
    )
    objective = pl.Objective(ROWS, scorer=pl.exact_match("label"))
    return pl.optimize(
        space, objective, budget=pl.Budget(calls=150), track=False, workspace=workspace
    )


def test_from_python(tmp_path: Path) -> None:
    result = the_issue_s_example(tmp_path)
    assert result.best.levels["form"] == "Answer with the label only."
    assert result.to_dict()["calls"]["total"] <= 150


async def test_from_a_notebook_where_a_loop_is_running(tmp_path: Path) -> None:
    here = the_issue_s_example(tmp_path / "here")
    there = await asyncio.to_thread(the_issue_s_example, tmp_path / "there")
    assert essence(here) == essence(there)
    assert asyncio.get_running_loop().is_running()


class Interrupter(threading.Thread):
    """A server that sends this process a Ctrl-C after ten requests, and counts on."""

    def __init__(self) -> None:
        super().__init__()
        self.ready = threading.Event()
        self.counts: list[int] = []

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        async with serve(faults=Faults(latency=0.02)) as server:
            self.model = served(server)
            self.ready.set()
            while server.requests < 10:
                await asyncio.sleep(0.01)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            for _ in range(2):
                await asyncio.sleep(0.3)
                self.counts.append(server.requests)


@pytest.mark.parametrize("notebook", [False, True])
def test_ctrl_c_stops_the_calls_and_keeps_what_was_paid_for(tmp_path: Path, notebook: bool) -> None:
    """In a notebook the job runs in a thread, which does not hear the signal."""
    before = signal.getsignal(signal.SIGINT)
    server = Interrupter()
    server.start()
    assert server.ready.wait(20)
    one = job(tmp_path, model=server.model, concurrency=2)

    async def cell() -> Result:
        return run(one)

    loop = asyncio.new_event_loop()
    try:
        with pytest.raises(Interrupted) as caught:
            loop.run_until_complete(cell()) if notebook else run(one)
    finally:
        loop.close()
        server.join()
    first, last = server.counts
    assert first == last < 60
    # What came at the end is kept, and nobody was told of it any more.
    assert 0 < caught.value.calls <= len(answers(tmp_path)) <= caught.value.calls + 2
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_a_promoted_prompt_changes_neither_replay_nor_verdict(tracked: Path) -> None:
    """The first run promotes its best; the replay does not meet it: it was none then."""
    one = job(tracked, concurrency=4, track=TrackOptions())
    first = run(one)
    assert first.promoted == 2
    again = run(one, replay=first.run)
    assert essence(again) == essence(first)
    assert again.champion is None
    assert again.promoted is None
    assert again.spent.calls == 0

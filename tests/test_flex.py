"""`service_tier: flex`: half the price, long waits, and in the end the standard tier."""

from pathlib import Path
from typing import Any

import pytest
from tests.jobs import OBJECTIVE, WORDS
from tests.scripted_jobs import SPACE

from promptlathe.errors import InputError
from promptlathe.job import Job, Result
from promptlathe.job.plan import make_plan
from promptlathe.job.run import run
from promptlathe.job.runfile import ParallelOptions, SearchOptions
from promptlathe.models import ModelSettings, Prices
from promptlathe.models.pricing import Price, cost, worst_case
from promptlathe.records import Answer, Budget, Call, Failure, Message
from promptlathe.runtime import retry
from promptlathe.runtime.retry import pause
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

USAGE = {"prompt_tokens": 1000, "completion_tokens": 1000}
PRICE = Price(input=1, output=3)
BUSY = Failure("rate_limited", "no room")


def label(arrived: Arrived) -> Reply:
    found = next((one for one, words in WORDS.items() if words[0] in arrived.prompt), "login")
    return Reply(found, usage=USAGE)


def job_at(url: str, workspace: Path, **settings: Any) -> Job:
    model = ModelSettings(name="m", base_url=url, service_tier="flex", **settings)
    return Job(
        SPACE.model_copy(),
        OBJECTIVE,
        model,
        budget=Budget(calls=100),
        prices=Prices({"m": PRICE}),
        search=SearchOptions(policy="halving", operators=()),
        parallel=ParallelOptions(concurrency=4),
        track=False,
        workspace=workspace,
    )


def served(answers: Any, workspace: Path, **settings: Any) -> tuple[Result, list[Arrived]]:
    with ScriptedServer(answers) as server:
        return run(job_at(server.base_url, workspace, **settings)), server.arrived


def test_what_has_no_room_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FLEX_BUSY", 0.001)

    def crowded(arrived: Arrived) -> Reply:
        busy = arrived.number % 7 == 0
        return Reply("full", status=429, code="resource_unavailable") if busy else label(arrived)

    result, arrived = served(crowded, tmp_path)
    assert all(one.body["service_tier"] == "flex" for one in arrived)
    answered = sum(one.number % 7 != 0 for one in arrived)
    assert result.spent.usd == pytest.approx(answered * PRICE.of(1000, 1000) / 2)
    assert not any("failed" in note for note in result.notes)


def test_in_the_end_the_standard_tier_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FLEX_BUSY", 0.001)

    def full(arrived: Arrived) -> Reply:
        flex = arrived.body.get("service_tier") == "flex"
        return Reply("full", status=429) if flex and arrived.number % 3 == 0 else label(arrived)

    result, arrived = served(full, tmp_path, flex_fallback=True, retries=0)
    standard = [one for one in arrived if "service_tier" not in one.body]
    assert standard
    flex = sum(one.number % 3 != 0 for one in arrived if "service_tier" in one.body)
    each = PRICE.of(1000, 1000)
    assert result.spent.usd == pytest.approx(each * len(standard) + each / 2 * flex)
    assert result.answers.failed == {}


def test_without_it_the_call_fails(tmp_path: Path) -> None:
    def full(arrived: Arrived) -> Reply:
        return Reply("full", status=429) if arrived.number % 5 == 0 else label(arrived)

    result, arrived = served(full, tmp_path, retries=0)
    assert all("service_tier" in one.body for one in arrived)
    assert any("rate_limited" in note for note in result.notes)


def test_its_defaults_are_long() -> None:
    model = ModelSettings(name="m", service_tier="flex")
    assert (model.timeout, model.retries) == (900, 8)
    own = ModelSettings(name="m", service_tier="flex", timeout=30, retries=1)
    assert (own.timeout, own.retries) == (30, 1)
    assert ModelSettings(name="m").timeout == 60
    varied = ModelSettings(name="m").call((), (("service_tier", "flex"),))
    assert ModelSettings(name="m").seconds(varied) == 900
    assert ModelSettings(name="m", timeout=30).seconds(varied) == 30
    total = sum(pause(BUSY, n, working=True, flex=True) or 0 for n in range(8))
    assert 380 < total < 520


def test_half_the_price() -> None:
    call = Call("m", (Message("user", "hi"),), (("max_tokens", 10), ("service_tier", "flex")))
    standard = Call("m", call.messages, (("max_tokens", 10),))
    for price, part in ((PRICE, 0.5), (Price(input=1, output=3, flex=0.4), 0.4)):
        prices = Prices({"m": price})
        answer = Answer("x", 100, 10)
        assert cost(call, answer, prices) == pytest.approx(part * PRICE.of(100, 10))
        most, usual = worst_case(call, prices).usd, worst_case(standard, prices).usd
        assert most is not None
        assert usual is not None
        assert most == pytest.approx(part * usual)


def test_the_plan_says_so(tmp_path: Path) -> None:
    notes = make_plan(job_at("http://127.0.0.1:9/v1", tmp_path)).notes
    assert any("flex: 0.5 of its price" in note and "15 minutes" in note for note in notes)


@pytest.mark.parametrize("flex", [0, 1.5, "half"])
def test_a_part_of_a_price_is_one(flex: Any) -> None:
    with pytest.raises(InputError, match="flex"):
        Price(input=1, output=1, flex=flex)

"""What calls that had to wait leave to chance is in the record: a replay takes the same course."""

import asyncio
from pathlib import Path

import pytest
from tests.jobs import essence
from tests.scripted_jobs import Service, job, result_of, settings

from promptlathe.errors import ModelUnavailable
from promptlathe.job import run
from promptlathe.job.runfile import SearchOptions
from promptlathe.records import Budget
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer


def busy_at_first(every: int, wait: float) -> Service:
    """Each n-th prompt is refused once, and asked to come back after so many seconds."""
    seen = set[str]()

    def fault(arrived: Arrived) -> Reply | None:
        first = arrived.prompt not in seen
        seen.add(arrived.prompt)
        if first and len(seen) % every == 0:
            return Reply("busy", status=503, retry_after=wait)
        return None

    return Service(fault=fault, delay=0.004)


@pytest.mark.parametrize(
    ("policy", "limit"),
    [("lathe", {"tokens": 8_000}), ("random", {"tokens": 8_000}), ("halving", {"calls": 110})],
)
async def test_a_replay_after_faults_gives_the_same_result(
    tmp_path: Path, policy: str, limit: dict[str, int]
) -> None:
    async with ScriptedServer(busy_at_first(3, 0.05)) as server:
        one = job(
            server,
            tmp_path,
            concurrency=8,
            model=settings(server, retries=2),
            search=SearchOptions.model_validate({"policy": policy, "operators": []}),
            budget=Budget(**limit),
        )
        result = await result_of(one)
        sent = len(server.arrived)
        again = await asyncio.to_thread(run, one, replay=result.run)
        assert len(server.arrived) == sent
    assert essence(again) == essence(result)


async def test_a_service_that_says_now_is_asked_again_so_often_only(tmp_path: Path) -> None:
    """`Retry-After: 0` is no outage, and ends with the retries."""

    def fault(arrived: Arrived) -> Reply | None:
        return Reply("busy", status=503, retry_after=0.0) if arrived.number == 3 else None

    always = Service(fault=lambda arrived: Reply("busy", status=429, retry_after=0.0))
    async with ScriptedServer(always) as server:
        with pytest.raises(ModelUnavailable, match="rate_limited"):
            await result_of(job(server, tmp_path, model=settings(server, retries=2)))
        assert len(server.arrived) <= 3 * 20
    async with ScriptedServer(Service(fault=fault)) as server:
        result = await result_of(job(server, tmp_path / "once", model=settings(server, retries=2)))
    assert result.test.missing == 0

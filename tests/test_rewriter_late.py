"""A rewriter whose answers come late: the decision goes on, and what was paid for is kept."""

import sqlite3
from pathlib import Path

import pytest
from tests.jobs import answers_file
from tests.scripted_jobs import TEST, Service, job, result_of

from promptlathe.job.runfile import SearchOptions
from promptlathe.records import Budget
from promptlathe.testing.scripted import ScriptedServer


def kept(workspace: Path, model: str) -> int:
    """How many answers of a model stand in the ledger."""
    with sqlite3.connect(answers_file(workspace)) as ledger:
        query = "SELECT count(*) FROM answers WHERE model = ?"
        return ledger.execute(query, (model,)).fetchone()[0]


@pytest.mark.parametrize(("late", "slow"), [(1.0, 0.25), (2.0, 0.35)])
@pytest.mark.parametrize("policy", ["lathe", "random"])
async def test_a_late_answer_does_not_end_the_decision(
    tmp_path: Path, late: float, slow: float, policy: str
) -> None:
    service = Service(delay=0.01, slow=slow, late=late)
    async with ScriptedServer(service) as server:
        search = SearchOptions.model_validate({"policy": policy, "operators": ["rewrite", "merge"]})
        one = job(server, tmp_path, asking=True, search=search, budget=Budget(calls=130))
        result = await result_of(one)
    first = next(at for where, at in service.started if where == "test")
    answered = [at + late for where, at in service.started if where == "writer"]
    assert first < max(answered) < service.started[-1][1]  # it comes among the test rows
    assert (result.test.examples, result.test.missing) == (TEST, 0)
    assert kept(tmp_path, "writer") == len(answered) == result.spent.of("rewrite").calls
    assert service.calls == result.spent.calls <= 130

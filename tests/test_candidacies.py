"""Which candidates are shown by themselves in MLflow, and the table of all."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.test_job import job
from tests.track_samples import candidate, standing

from promptlathe.job import run
from promptlathe.job.candidacies import ALL, BEST_OF, PREVIEWED, candidates_tables
from promptlathe.job.runfile import TrackOptions
from promptlathe.records import Estimate
from promptlathe.track import default_uri


def lines(table: str) -> list[Mapping[str, object]]:
    told = json.loads(table)
    return [dict(zip(told["columns"], line, strict=True)) for line in told["data"]]


def test_the_table_holds_what_is_known_of_each_the_best_first() -> None:
    told = [
        standing(candidate("a", role="none"), Estimate(0.2, 0.1, 0.3, 8), number=1),
        standing(candidate("b", state="x"), Estimate(0.9, 0.8, 1.0, 4), number=4, tokens=7),
        standing(candidate("c", role="none"), cells=0, number=5),
        standing(candidate("d", role="none"), failures=1, number=6),
    ]
    (table,) = candidates_tables(told, {4: ("seed", "best")}).values()
    best, other, failed = lines(table)
    assert [one["candidate"] for one in (best, other, failed)] == [4, 1, 6]
    assert (best["mark"], other["mark"]) == ("seed, best", "")
    assert (best["levels.state"], best["levels.role"], best["state"]) == ("x", None, "complete")
    assert [best[one] for one in ("estimate", "low", "high", "rows")] == [0.9, 0.8, 1.0, 4]
    assert (best["tokens"], failed["failures"], failed["estimate"]) == (7, 1, None)
    assert candidates_tables([told[2]]) == {}


def test_of_too_many_to_be_shown_the_best_are_and_a_second_file_has_all() -> None:
    level = "long " * 200
    told = [
        standing(candidate("a", role=level), Estimate(n / 3000, 0.0, 1.0, 8), number=n)
        for n in range(3000)
    ]
    tables = candidates_tables(told)
    shown, every = lines(tables[BEST_OF]), lines(tables[ALL])
    assert len(tables[BEST_OF].encode()) < PREVIEWED
    assert len(every) == 3000 > len(shown) > 500
    assert shown == every[: len(shown)]


@pytest.mark.slow
def test_all_have_runs_of_their_own_if_wanted(tracked: Path) -> None:
    from mlflow import MlflowClient

    result = run(job(tracked, track=TrackOptions(candidates="all")))
    client = MlflowClient(default_uri(tracked / ".promptlathe"))
    experiment = client.get_run(str(result.run_id)).info.experiment_id
    below = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{result.run_id}'")
    shown = {int(one.data.tags["promptlathe.number"]) for one in below}
    asked = {one.number for one in result.standings if one.cells}
    assert shown == asked
    assert len(asked) > len(result.pareto) + 2

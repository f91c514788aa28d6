"""Failures of the service, of prompts and of scorers, over real HTTP: who bears them."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.jobs import OBJECTIVE, ROWS
from tests.scripted_jobs import (
    LABEL,
    SPACE,
    TEST,
    Service,
    chance,
    job,
    result_of,
    row_of,
)

import promptlathe as pl
from promptlathe.errors import InputError, ModelUnavailable
from promptlathe.job.runfile import SearchOptions
from promptlathe.records import Answer, Budget, Call, Candidate, Failure, Json
from promptlathe.runtime.health import IN_A_ROW, Health
from promptlathe.testing.scripted import Arrived, Reply, ScriptedServer

LATHE = SearchOptions(policy="lathe", operators=())
HELD_OUT = [str(example.row["text"]) for example in OBJECTIVE.examples("test")]


def bare(arrived: Arrived) -> bool:
    """The prompt that is right most often asks."""
    return "label only" in arrived.prompt


async def test_what_a_filter_refuses_are_failures_of_the_prompt(tmp_path: Path) -> None:
    """All test rows but two, of every prompt that is better: the worst score, so it loses."""
    refused = HELD_OUT[2:]

    def fault(arrived: Arrived) -> Reply | None:
        if bare(arrived) and row_of(arrived) in refused:
            return Reply("blocked", status=400, code="content_filter")
        return None

    async with ScriptedServer(Service(fault=fault)) as server:
        result = await result_of(job(server, tmp_path, search=LATHE))
    assert "label only" in str(result.best.messages)
    assert result.test.failed_best == len(refused)
    assert (result.test.failed_seed, result.test.missing) == (0, 0)
    assert result.test.examples == TEST
    assert result.test.best <= 2 / TEST
    assert result.recommended == "seed"
    assert any(f"{len(refused)} calls of the challenger failed" in note for note in result.notes)


async def test_rows_that_stay_away_are_asked_again_and_widen_the_interval(tmp_path: Path) -> None:
    """The better prompt gets no answer for the rows that it would fail."""
    away = HELD_OUT[:5]

    def fault(arrived: Arrived) -> Reply | None:
        gone = bare(arrived) and row_of(arrived) in away
        return Reply("overloaded", status=503) if gone else None

    service = Service()
    async with ScriptedServer(service) as server:
        plenty = {"search": LATHE, "budget": Budget(tokens=9_000)}
        whole = await result_of(job(server, tmp_path / "whole", **plenty))
        service.fault, before = fault, len(server.arrived)
        result = await result_of(job(server, tmp_path / "away", **plenty))
        later = server.arrived[before:]
    asked = [sum(row_of(one) == row and bare(one) for one in later) for row in away]
    assert asked == [2] * len(away)  # once more at the end
    assert (result.test.missing, result.test.examples) == (len(away), TEST - len(away))
    narrow, wide = whole.test.interval, result.test.interval
    assert wide[1] - wide[0] > narrow[1] - narrow[0] + len(away) / TEST / 2
    assert wide[0] < narrow[0]


async def test_rows_that_come_back_are_not_missing(tmp_path: Path) -> None:
    seen = set[str]()

    def fault(arrived: Arrived) -> Reply | None:
        first = row_of(arrived) in HELD_OUT[:5] and arrived.prompt not in seen
        seen.add(arrived.prompt)
        return Reply("overloaded", status=503) if first else None

    async with ScriptedServer(Service(fault=fault)) as server:
        plenty = Budget(tokens=9_000)
        result = await result_of(job(server, tmp_path, search=LATHE, budget=plenty))
    assert (result.test.missing, result.test.examples) == (0, TEST)


def named(candidate: Candidate) -> Json:
    """The model that a candidate's prompt goes to."""
    return dict(candidate.prompt.parameters)["name"]


async def test_one_unknown_model_among_levels_is_its_own_candidates_affair(tmp_path: Path) -> None:
    space = pl.SearchSpace(
        messages=SPACE.messages,
        components=SPACE.components,
        model={"name": pl.Choice(["model", "gone"])},
    )

    def fault(arrived: Arrived) -> Reply | None:
        gone = arrived.body["model"] == "gone"
        return Reply("no such model", status=404, code="model_not_found") if gone else None

    async with ScriptedServer(Service(fault=fault)) as server:
        search = SearchOptions(policy="random", operators=())
        result = await result_of(job(server, tmp_path, space=space, search=search))
    gone = [s for s in result.standings if named(s.candidate) == "gone" and s.cells]
    assert gone
    for standing in gone:
        assert standing.failed == standing.cells
        assert standing.failures == 0
        assert standing.estimate
        assert standing.estimate.mean == 0
    assert result.best.candidate not in {standing.candidate.id for standing in gone}
    assert result.test.examples == TEST


async def test_a_fixed_model_that_nobody_knows_stops_at_once(tmp_path: Path) -> None:
    service = Service(fault=lambda arrived: Reply("no such model", status=404))
    async with ScriptedServer(service) as server:
        with pytest.raises(ModelUnavailable, match="not_found") as caught:
            await result_of(job(server, tmp_path, concurrency=1))
        assert len(server.arrived) == 1
    assert caught.value.exit_code == 5


async def test_a_model_that_answers_differently_when_asked_again_keeps_its_best(
    tmp_path: Path,
) -> None:
    """Small space, so that `lathe` repeats cells; each answer is drawn anew."""

    def fault(arrived: Arrived) -> Reply | None:
        row = row_of(arrived)
        good = 0.9 if bare(arrived) else 0.3
        right = chance(row, arrived.number) < good
        return Reply(LABEL[row] if right else "none")

    space = pl.SearchSpace(
        messages={"system": "{{ form }}", "user": "{{ text }}"},
        components={"form": SPACE.components["form"]},
    )
    async with ScriptedServer(Service(fault=fault)) as server:
        budget = Budget(calls=260)
        result = await result_of(job(server, tmp_path, space=space, search=LATHE, budget=budget))
        assert "label only" in str(result.best.messages)
    assert result.recommended == "best"
    assert result.test.examples == TEST


def _scoring(often: int) -> pl.Objective:
    """A scorer that raises for rows of which there are `often` in each hundred."""

    def moody(row: dict[str, str], output: str) -> float:
        if chance(row["text"]) < often / 100:
            raise RuntimeError("no mood")
        return float(output == row["label"])

    return pl.Objective(ROWS, scorer=moody, splits={"train": 0.2, "select": 0.5, "test": 0.3})


async def test_a_scorer_that_raises_at_times_does_not_end_the_run(tmp_path: Path) -> None:
    async with ScriptedServer(Service()) as server:
        result = await result_of(job(server, tmp_path, objective=_scoring(20)))
    assert result.test.examples
    assert sum(standing.failures for standing in result.standings)


async def test_a_scorer_that_always_raises_is_named(tmp_path: Path) -> None:
    async with ScriptedServer(Service()) as server:
        with pytest.raises(InputError, match=r"12 cells in a row have no score.*moody") as caught:
            await result_of(job(server, tmp_path, objective=_scoring(100), concurrency=1))
        assert len(server.arrived) == 12
    assert caught.value.exit_code == 2


async def test_the_version_of_the_embedded_model_is_part_of_a_call(tmp_path: Path) -> None:
    from promptlathe.models.settings import ModelSettings

    call = ModelSettings(name="pocket").call(())
    assert call.key != replace(call, endpoint="pocket-0").key


def test_calls_that_hang_while_others_are_answered_are_no_outage() -> None:
    """They end together when the budget has ended; those begun since the last answer count."""
    health, call, late = Health({"task": "m"}), Call("m", ()), Failure("timeout", "late", 1)
    before = health.answers("task")
    health.watch(call, Answer("fine"), before=before)
    for _ in range(2 * IN_A_ROW):
        health.watch(call, late, before=before)
    for _ in range(IN_A_ROW - 1):
        health.watch(call, late, before=health.answers("task"))
    with pytest.raises(ModelUnavailable, match="timeout"):
        health.watch(call, late, before=health.answers("task"))

"""A job starts from the champion: what was written for it is known to the next one."""

from dataclasses import replace

import pytest
from tests.test_rewriting import job, writer

import promptlathe as pl
from promptlathe.job import Job, Result, run
from promptlathe.job.champions_levels import extended, from_champion
from promptlathe.job.runfile import SearchOptions, TrackOptions
from promptlathe.models.settings import ModelSettings
from promptlathe.records import Budget
from promptlathe.testing.scripted import ScriptedServer


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Result]:
    """A run whose best prompt was written by a rewriter, and promoted."""
    import asyncio

    folder = tmp_path_factory.mktemp("champion")

    async def go() -> tuple[Job, Result]:
        async with ScriptedServer(writer) as server:
            given = {"name": "writer", "base_url": server.base_url, "max_tokens": 400}
            one = job(
                folder,
                rewriter=ModelSettings.model_validate(given),
                track=TrackOptions(prompt="teams"),
            )
            return one, await asyncio.to_thread(run, one)

    made, result = asyncio.run(go())
    assert result.registered, "the rewriter's texts were to be better"
    return made, result


def written(result: Result) -> dict[str, str]:
    return {one.origin.component: one.origin.level for one in result.lineage if one.kept}


@pytest.mark.slow
def test_the_next_job_knows_what_was_written(champion: tuple[Job, Result]):
    first, result = champion
    assert written(result)
    grown, note = from_champion(first)
    assert note
    assert note.startswith("the search starts from the champion teams/2, too: ")
    for component, level in written(result).items():
        assert f"{component} = {level}" in note
    # Its prompt is the very same, and the seed is as it was.
    from promptlathe.job.plan import make_plan

    space = make_plan(grown).space
    assert space.candidate(dict(result.best.levels)).id == result.best.candidate
    assert space.seed.id == result.seed.candidate


@pytest.mark.slow
def test_a_search_without_a_rewriter_finds_it_again(champion: tuple[Job, Result]):
    """With a tenth of the calls, which the seed's own levels could not: the next night."""
    first, result = champion
    again = replace(
        first,
        rewriter=None,
        budget=Budget(calls=150),
        search=SearchOptions(operators=("shorten",), rewrite_share=0.0),
    )
    second = run(again)
    assert second.compared_with == "champion"
    assert set(written(result).items()) & dict(second.best.levels).items()
    assert any("starts from the champion" in note for note in second.notes)
    assert second.verdict != "worse"


@pytest.mark.slow
def test_who_does_not_start_from_it(champion: tuple[Job, Result]):
    first, result = champion
    assert from_champion(replace(first, track=False)) == (replace(first, track=False), None)
    cold = replace(first, search=first.search.model_copy(update={"warm_start": False}))
    assert from_champion(cold)[1] is None
    other = replace(first, track=TrackOptions(prompt="others"))
    assert from_champion(other)[1] is None
    # When the run was made that is replayed, there was no champion yet.
    assert from_champion(replace(first, as_of=result.facts.began))[1] is None
    elsewhere = replace(first, workspace=first.workspace / "empty")
    assert from_champion(elsewhere)[1] is None


@pytest.mark.slow
def test_the_first_run_is_replayed_as_it_was(champion: tuple[Job, Result]):
    first, result = champion
    again = run(first, replay=result.run)
    assert again.best.candidate == result.best.candidate


@pytest.mark.slow
def test_what_has_changed_since_is_left_out(champion: tuple[Job, Result]):
    first, result = champion
    texts = {c: one for c, one in written(result).items() if c == "task"}
    assert texts, "the best prompt has a text of the rewriter's"
    renamed = pl.SearchSpace(
        messages={"user": "{{ other }} {{ text }}"}, components={"other": pl.Choice(["a", "b"])}
    )
    assert extended(renamed, result, set()) == (renamed, ())
    taken = first.space.with_components(
        {"task": pl.Choice({"draft": "Read it.", texts["task"]: "Another text of that name."})}
    )
    assert "task" not in " ".join(extended(taken, result, set())[1])
    assert not any(".select" in one for one in extended(first.space.opened(), result, set())[1])

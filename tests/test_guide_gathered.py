"""What several runs of an experiment say together."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.jobs import OBJECTIVE

import promptlathe as pl
from promptlathe.report.guide.gathered import Guide, gather
from promptlathe.results import DecidedRow, Result, RowAnswer
from promptlathe.search.lathe.contrasts import Contrast


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    folder: Path = tmp_path_factory.mktemp("guide")
    space = pl.SearchSpace(
        messages={"system": "{{ task }} {{ form }}", "user": "{{ text }}"},
        components={
            "task": pl.Choice(["Read this.", "Teams: billing, delivery, login."]),
            "form": pl.Choice(["Say which.", "Answer with the label only."]),
        },
    )
    return [
        pl.optimize(
            space,
            OBJECTIVE,
            budget=pl.Budget(calls=150),
            seed=seed,
            track=False,
            workspace=folder,
            name="teams",
        )
        for seed in (0, 1)
    ]


@pytest.fixture(scope="module")
def guide(results: list[Result]) -> Guide:
    return gather("teams", reversed(results))


def test_runs_of_one_task_and_model_are_a_chapter(guide: Guide, results: list[Result]):
    (chapter,) = guide.chapters
    assert (chapter.model, chapter.embedded) == ("pocket", True)
    assert [line.run for line in chapter.lines] == [one.run for one in results]
    assert chapter.calls == sum(one.spent.used_calls for one in results)
    assert chapter.rows == len(OBJECTIVE.examples("test"))


def test_another_model_is_a_chapter_of_its_own(results: list[Result]):
    other = replace(results[0], facts=replace(results[0].facts, model="m2"))
    guide = gather("teams", [other, results[1]])
    assert [one.model for one in guide.chapters] == ["pocket", "m2"], "the latest run first"
    assert guide.runs == 2


def test_what_stands_for_a_contrast_is_the_latest_run(guide: Guide, results: list[Result]):
    (chapter,) = guide.chapters
    assert chapter.findings, "the pocket model hears both components"
    for found in chapter.findings:
        own = next(
            one
            for one in results[1].found_in_best
            if (one.component, one.level, one.over) == (found.component, found.level, found.over)
        )
        assert (found.effect, found.run) == (own.effect, results[1].run)
        assert found.runs == 2
        assert found.since == results[0].facts.ended
        assert found.lowest <= found.effect <= found.highest
    strengths = [abs(found.effect) for found in chapter.findings]
    assert strengths == sorted(strengths, reverse=True)


def test_a_contrast_of_the_other_direction_is_turned(results: list[Result]):
    first = replace(results[0], found_in_best=(Contrast("form", "a", "b", 4.0, 1.0, 7.0, 9),))
    second = replace(results[1], found_in_best=(Contrast("form", "b", "a", -3.0, -5.0, -1.0, 9),))
    (found,) = gather("teams", [first, second]).chapters[0].findings
    assert (found.level, found.effect, found.lowest, found.highest) == ("b", -3.0, -4.0, -3.0)
    assert found.standing == "hurts"


def test_the_base_of_prompts_has_each_once(guide: Guide, results: list[Result]):
    (chapter,) = guide.chapters
    ids = [one.candidate for one in chapter.prompts]
    assert len(ids) == len(set(ids))
    assert {one.best.candidate for one in results} == set(ids)
    assert sum(one.runs for one in chapter.prompts) == 2
    nothing = replace(results[0], best=results[0].seed)
    assert gather("teams", [nothing]).chapters[0].prompts == ()


def test_rows_that_nobody_gets_right(results: list[Result]):
    def row(name: str, seed: float, best: float) -> DecidedRow:
        answers = {"seed": RowAnswer("x", seed), "best": RowAnswer("y", best)}
        return DecidedRow(name, {"text": name}, "z", answers)  # type: ignore[arg-type]

    rows = (row("never", 0.0, 0.0), row("flips", 0.0, 1.0), row("always", 1.0, 1.0))
    one = replace(results[0], rows=rows)
    chapter = gather("teams", [one]).chapters[0]
    assert [hard.row.example for hard in chapter.hard] == ["never"]
    assert (chapter.hard[0].usual, chapter.hard[0].asked) == ("x", 2)
    assert (chapter.flips, chapter.rows, chapter.hard_in_all) == (1, 3, 1)


def test_without_runs_there_is_no_chapter():
    assert gather("none", [], unread=2) == Guide("none", (), 2)
